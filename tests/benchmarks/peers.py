"""Parts that the benchmarks of the trainer share: contestants in processes of their own, and the memory that they take.

Consumes a module and arguments; produces the process's replies. A contestant says one JSON object a line on its
standard output and does its next piece of work when it is given a line, so that contestants stay warm and take turns:
none of them runs while another is timed.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

TESTS = Path(__file__).parents[1]
CORES = len(os.sched_getaffinity(0))
REPLY_SECONDS = 600.0
BUSY_EVERY_SECONDS = 0.1
TAIL_LINES = 30
"""lines of the log of a contestant that failed"""
QUIET = {"TRANSFORMERS_VERBOSITY": "error", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "TOKENIZERS_PARALLELISM": "false"}


class Peer:
    """One contestant's process."""

    def __init__(self, module: str, arguments: Mapping[str, Any], folder: Path, threads: int = CORES) -> None:
        """Starts `python -m benchmarks.<module> <arguments as JSON>` with so many compute threads.

        Args:
            folder: where what it says besides its replies is kept.
        """
        self.name = f"{module} {arguments.get('name', '')}"
        self._log = folder / f"{self.name.replace(' ', '-')}.log"
        environment = {**os.environ, **QUIET, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(TESTS)}
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"benchmarks.{module}", json.dumps(arguments, default=str)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                text=True,
                bufsize=1,
            )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def reply(self) -> dict[str, Any]:
        """The next thing that it says."""
        try:
            line = self._lines.get(timeout=REPLY_SECONDS)
        except queue.Empty:
            line = ""
        if not line:
            tail = "\n".join(self._log.read_text().splitlines()[-TAIL_LINES:])
            raise RuntimeError(f"{self.name} said nothing within {REPLY_SECONDS:g} s, or ended:\n{tail}")
        return json.loads(line)

    def go(self) -> dict[str, Any]:
        """Lets it do its next piece of work, and returns what it says of it."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self.reply()

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):  # libraries write on standard output too
                self._lines.put(line)
        self._lines.put("")


@contextmanager
def started(module: str, arguments: Mapping[str, Any], folder: Path, threads: int = CORES) -> Iterator[Peer]:
    """A contestant's process, ended at the end."""
    peer = Peer(module, arguments, folder, threads)
    try:
        yield peer
    finally:
        peer.close()


def log(**content: Any) -> None:
    """A contestant's reply."""
    print(json.dumps(content), flush=True)


def wait_for_go() -> bool:
    """Tells whether a contestant is to go on; False where nobody asks any more."""
    return bool(sys.stdin.readline())


class Watch:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._started = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        """Seconds of the wall's clock, and of all threads of this process together."""
        wall, cores = self._started
        return {"seconds": time.perf_counter() - wall, "core_seconds": time.process_time() - cores}


class BusyCores:
    """Watches, while it is entered, how busy the cores are that this process may use, whoever uses them."""

    def __enter__(self) -> BusyCores:
        self._ended = threading.Event()
        self._readings: list[tuple[float, float]] = []
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def seconds_until(self, times: np.ndarray) -> np.ndarray:
        """Core seconds from the beginning to each of the times, which are seconds of the wall's clock."""
        at, spent = zip(*self._readings, strict=True)
        return np.interp(times, at, spent)

    def _watch(self) -> None:
        while not self._ended.wait(BUSY_EVERY_SECONDS):
            cores = [psutil.cpu_times(percpu=True)[core] for core in os.sched_getaffinity(0)]
            self._readings.append((time.time(), sum(core.user + core.nice + core.system for core in cores)))


def exact_norm(model: Any) -> float:
    """Norm of the gradient, added up in float64: `clip_grad_norm_` adds float32 squares, which is 1e-4 off from some
    millions of entries on."""
    squares = (float(parameter.grad.double().square().sum()) for parameter in model.parameters())
    return sum(squares) ** 0.5


def resident_mib() -> float:
    """Memory of this process now."""
    return _status_mib("VmRSS")


def peak_mib() -> float:
    """Its most since `forget_peak`."""
    return _status_mib("VmHWM")


def forget_peak() -> None:
    """The peak is what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


def _status_mib(field: str) -> float:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[field].split()[0]) / 1024
