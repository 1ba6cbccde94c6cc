"""A headless Chromium driven through its DevTools protocol: real clicks and keys, for tests of pages."""

from __future__ import annotations

import base64
import importlib.util
import json
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

DEADLINE = 60.0
"""seconds for anything to happen"""


class Chromium:
    """One browser with one tab. What goes wrong in the page (exceptions, refusals of its policy) is in `faults`."""

    def __init__(self, width: int = 1300, height: int = 900) -> None:
        from websockets.sync.client import connect

        self._home = tempfile.mkdtemp()
        self._open = ExitStack()
        self._open.callback(shutil.rmtree, self._home, ignore_errors=True)
        command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
        self._process = subprocess.Popen(
            [*command, f"--user-data-dir={self._home}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._open.callback(self._process.wait, DEADLINE)
        self._open.callback(self._process.terminate)
        self.faults: list[Any] = []
        self._number = 0
        self._session: dict[str, str] = {}
        self._socket = self._open.enter_context(connect(self._address(), max_size=None))
        tab = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        self._session = {"sessionId": session}
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def _address(self) -> str:
        """Address that the browser listens on, which it writes into a file when it does."""
        file, end = Path(self._home) / "DevToolsActivePort", time.monotonic() + DEADLINE
        while not file.exists() or len(file.read_text().split()) < 2:
            assert time.monotonic() < end, "chromium did not start"
            time.sleep(0.05)
        port, path = file.read_text().split()
        return f"ws://127.0.0.1:{port}{path}"

    def close(self) -> None:
        self._open.close()

    def call(self, method: str, **parameters: Any) -> Any:
        """Asks the browser, and waits for its answer."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters} | self._session))
        while True:
            answer = json.loads(self._socket.recv(timeout=DEADLINE))
            if answer.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening"):
                self.faults.append(answer["params"])
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def value(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, expression: str) -> None:
        """Waits until an expression in the page is true."""
        end = time.monotonic() + DEADLINE
        while not self.value(f"!!({expression})"):
            assert time.monotonic() < end, f"in vain for {expression}; {self.faults}"
            time.sleep(0.02)

    def open(self, address: str, ready: str) -> None:
        """Opens a page afresh, and waits until it is ready."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=address)
        self.until(ready)

    def click(self, selector: str) -> None:
        """Presses the mouse in the middle of an element."""
        x, y = self.value(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, text: str) -> None:
        """Types into what has the focus."""
        for letter in text:
            self.call("Input.dispatchKeyEvent", type="char", text=letter)

    def press(self, key: str) -> None:
        """Presses a named key, such as ArrowDown."""
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def picture(self) -> bytes:
        """Picture of the page, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def text(self, selector: str) -> str:
        """Text of an element."""
        return self.value(f"document.querySelector({json.dumps(selector)}).textContent")


def why_there_is_none() -> str:
    """Why no browser can be driven here; empty where one can."""
    if shutil.which("chromium") is None:
        return "no chromium on PATH"
    return "" if importlib.util.find_spec("websockets") else "the package websockets is not installed"
