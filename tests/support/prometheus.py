"""A real Prometheus, with this project's alerts, for tests. Where it is not installed, Debian's package is unpacked."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.sockets import free_port

MONITORING = Path(__file__).parents[2] / "cluster/monitoring"
PACKAGES = Path(tempfile.gettempdir()) / "seed-grpo-debian"


def tool(name: str) -> str:
    """Path of `prometheus` or `promtool`; skips the test where neither the machine nor Debian's archive has it."""
    found = shutil.which(name) or shutil.which(name, path=str(PACKAGES / "usr/bin"))
    if found is None:
        PACKAGES.mkdir(exist_ok=True)
        steps = (["apt-get", "update"], ["apt-get", "download", "prometheus"], ["bash", "-c", "dpkg -x *.deb ."])
        for step in steps:
            try:
                subprocess.run(step, cwd=PACKAGES, capture_output=True, timeout=120)
            except (OSError, subprocess.TimeoutExpired) as error:
                pytest.skip(f"no {name} on this machine, and none to be had: {error}")
        found = shutil.which(name, path=str(PACKAGES / "usr/bin"))
    if found is None:
        pytest.skip(f"no {name} on this machine, and Debian's archive gave none")
    return found


def hastened(text: str) -> str:
    """Alert rules with ranges of five seconds, and without waiting until they fire."""
    return re.sub(r"> 1800\b", "> 5", re.sub(r"(?m)^( +for:) \w+$", r"\1 0s", re.sub(r"\[\d+m\]", "[5s]", text)))


class Prometheus:
    """Scrapes what a file lists, every second. Use it as a context manager."""

    def __init__(self, folder: Path, targets: Path, rules: str) -> None:
        """Writes the settings.

        Args:
            targets: file of addresses, as Ray writes it.
            rules: text of the alert rules.
        """
        self._address = f"127.0.0.1:{free_port()}"
        self._open = ExitStack()
        (folder / "alerts.yaml").write_text(rules)
        config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["scrape_configs"][0]["file_sd_configs"][0] = {"files": [str(targets)], "refresh_interval": "1s"}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self._command = [
            *(tool("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"),
            f"--web.listen-address={self._address}",
        ]

    def __enter__(self) -> Prometheus:
        process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._open.callback(process.wait, 30)
        self._open.callback(process.terminate)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now."""
        return self._ask("query", query=expression)["result"]

    def firing(self, run: str) -> set[str]:
        """Names of the alerts that fire for a run, by the name of its directory."""
        labels = [alert["labels"] for alert in self._ask("alerts")["alerts"] if alert["state"] == "firing"]
        return {each["alertname"] for each in labels if Path(each["run"]).name == run}

    def wait(self, what: str, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        """Until a condition holds; it may fail while Prometheus starts."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return
            except OSError:
                pass
            assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
            time.sleep(0.5)

    def _ask(self, path: str, **query: str) -> Any:
        address = f"http://{self._address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.load(answer)["data"]


def panels() -> dict[str, str]:
    """Every expression of the dashboard by panel and letter, with its variables filled in."""
    dashboard = json.loads((MONITORING / "grafana_dashboard.json").read_text())
    return {
        f"{panel['title']} {target['refId']}": target["expr"].replace("$__rate_interval", "1m").replace("$run", ".+")
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    }
