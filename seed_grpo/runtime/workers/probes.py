"""Probes that every worker answers, however busy it is: that it lives, and what its threads are doing.

`cluster.connection.spawn` mixes this into the worker's class. Calls go to a concurrency group of their own, so they are
answered while the worker works; one that does not answer is stopped, gone, or holds the interpreter's lock.
"""

from __future__ import annotations

import faulthandler
import os
import platform
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import ray

GROUP = "watch"
"""Ray's concurrency group of these calls"""
SPY = str(Path(sys.executable).with_name("py-spy"))
"""py-spy, which comes with Ray's dashboard into the environment that runs this; that need not be on the path"""
SPY_SECONDS = 10.0


class Watched:
    """Mixed into a worker's class."""

    def pulse(self) -> tuple[str, int]:
        """Name of the worker's machine, and its process id there."""
        return platform.node(), os.getpid()

    def endpoint(self) -> tuple[str, int]:
        """Address of the worker's machine and a free port there, for a process group to meet at."""
        address = ray.util.get_node_ip_address()
        with socket.socket() as probe:
            probe.bind((address, 0))
            return address, probe.getsockname()[1]

    def echo(self, payload: Any) -> int:
        """Size of the payload that arrived here."""
        return len(payload)

    def devices(self) -> str:
        """The GPUs that this process may use, by the numbers that the machine gives them; empty without any."""
        return os.environ.get("CUDA_VISIBLE_DEVICES", "")

    def leave_mark(self, folder: Path) -> None:
        """Writes a file into a folder that another machine made; raises OSError if it cannot."""
        with tempfile.NamedTemporaryFile(dir=folder):
            pass

    def stacks(self) -> str:
        """Stacks of all threads of this process, and of the processes it started, such as an engine's."""
        with tempfile.TemporaryFile() as file:
            faulthandler.dump_traceback(file, all_threads=True)
            file.seek(0)
            own = file.read().decode(errors="replace")
        return "\n".join([f"process {os.getpid()}", own, *(stack_of(child) for child in children_of(os.getpid()))])


def watch(actor: Any, method: str = "pulse", *arguments: Any) -> Any:
    """Calls a method of `Watched` on a worker's Ray actor; returns the reference to its result."""
    return getattr(actor, method).options(concurrency_group=GROUP).remote(*arguments)


def stack_of(pid: int) -> str:
    """Stacks of another process of this machine, read from outside, so that it need not answer; the reason if that
    fails."""
    try:
        done = subprocess.run(
            [SPY, "dump", "--nonblocking", "--pid", str(pid)], capture_output=True, text=True, timeout=SPY_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"process {pid}: no stacks ({error})"
    return done.stdout if done.returncode == 0 else f"process {pid}: no stacks ({done.stderr.strip()[-200:]})"


def children_of(pid: int) -> list[int]:
    """Ids of the processes that a process of this machine started, and of theirs."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        found = []
        for task in tasks:
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += [int(child) for child in file.read().split()]
    except OSError:  # it ended meanwhile
        return []
    return [each for child in found for each in (child, *children_of(child))]
