"""A Ray head of its own with token authentication, as an operator starts one, and what is asked of it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support.sockets import free_port

DEADLINE = 60.0
"""seconds for the head to come up"""
BIN = Path(sys.executable).parent


class RayHead:
    """See `ray_head`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))  # short: Ray's socket paths are bounded
        self.dashboard = f"http://127.0.0.1:{free_port()}"
        self.token = secrets.token_hex(32)
        self.environment = {
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # all on loopback, as in cluster/single-node.sh
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_ADDRESS": self.dashboard,
        }

    @property
    def scraped(self) -> Path:
        """Ray's list of addresses for Prometheus."""
        return self.folder / "prom_metrics_service_discovery.json"

    def command(self) -> list[str]:
        """Starts the head, and stays."""
        groups = json.dumps({"rollout": 1, "verifier": 1, "trainer": 1})
        ports = [f"--port={free_port()}", f"--dashboard-port={self.dashboard.rpartition(':')[2]}"]
        local = ["--dashboard-host=127.0.0.1", f"--temp-dir={self.folder}"]
        size = ["--num-cpus=3", f"--resources={groups}", "--object-store-memory=300000000"]
        return ["ray", "start", "--head", "--block", "--disable-usage-stats", *ports, *local, *size]

    def run(self, *command: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """A command of a user of this cluster, with other environment variables on request."""
        environment = {**self.environment, **changes}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)

    def job(self, *command: str) -> str:
        """Output of `ray job COMMAND`, which must succeed."""
        done = self.run("ray", "job", *command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@contextmanager
def ray_head() -> Iterator[RayHead]:
    """Starts a head and ends it with all that belongs to it."""
    head = RayHead()
    without = {name: value for name, value in head.environment.items() if name != "RAY_ADDRESS"}
    log = head.folder / "head.log"
    with log.open("w") as stream:
        process = subprocess.Popen(head.command(), env=without, stdout=stream, stderr=stream, start_new_session=True)
    try:
        began = time.monotonic()
        # a head takes jobs only once the agent of its machine is known to it, some seconds after it answers
        while head.run("ray", "job", "submit", "--no-wait", "--", "true").returncode or not head.scraped.exists():
            assert process.poll() is None and time.monotonic() - began < DEADLINE, log.read_text()
            time.sleep(1)
        yield head
    finally:
        process.send_signal(signal.SIGTERM)  # Ray ends its processes
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        shutil.rmtree(head.folder, ignore_errors=True)
