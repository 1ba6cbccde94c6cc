"""Oracles for the tests of the bounded process, which imports this file: each misbehaves in one way.

Each takes two texts; a first text that it does not know is compared with the second, so that one process can be shown
to serve after every fault.
"""

import contextlib
import gc
import os
import signal
import sys
import threading
import time
from pathlib import Path

seen = 0
kept: list = []


def _hang() -> None:
    time.sleep(60)


def _spin() -> None:
    9**9**9  # in C, where no Python signal handler runs


def _nap() -> None:
    time.sleep(1)


def _swallow() -> None:
    """Survives every exception."""
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(60)


def _allocate_small() -> None:
    """Uses up even the smallest gap, and keeps it when the exception has gone."""
    global kept
    gc.disable()
    while True:
        kept = [kept]


def _ignore_alarm() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_IGN)


def _allocate() -> None:
    held = []
    while True:
        held.append(bytearray(2**20))


def _allocate_at_once() -> None:
    bytearray(8 * 2**30)


def _recurse() -> None:
    _recurse()


def _raise() -> None:
    raise KeyError("own fault")


def _die() -> None:
    os._exit(3)


def _leave() -> None:
    sys.exit(3)


def _segfault() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _kill_worker() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


def _thread() -> None:
    threading.Thread(target=time.sleep, args=(60,)).start()


def _print() -> None:
    print('{"same": false}', flush=True)
    os.write(1, b'{"same": false}\n')


def _read() -> None:
    sys.stdin.readline()


def _write() -> None:
    Path("written").write_text("by the oracle")


FAULTS = {
    "hang": _hang, "spin": _spin, "swallow": _swallow, "allocate": _allocate, "allocate at once": _allocate_at_once,
    "recurse": _recurse, "raise": _raise, "die": _die, "leave": _leave, "segfault": _segfault, "print": _print,
    "kill worker": _kill_worker, "thread": _thread, "read": _read, "write": _write, "ignore alarm": _ignore_alarm,
    "nap": _nap, "allocate small": _allocate_small,
}  # fmt: skip


def same(first: str, second: str) -> bool:
    """Misbehaves if the first text is the name of a fault; then compares."""
    if first in FAULTS:
        FAULTS[first]()
    return first == second


def counts(first: str, second: str) -> bool:
    """Tells whether this process has compared nothing before."""
    global seen
    seen += 1
    return seen == 1


def within(first: str, second: str, low: float, high: float) -> bool:
    """Compares three numbers, to show that the arguments arrive."""
    return low <= float(first) <= high


def ancestry(first: str, second: str) -> bool:
    """Writes its own process and its parent's into the file of the first text, and hangs."""
    Path(first).write_text(f"{os.getpid()} {os.getppid()}")
    time.sleep(float(second))
    return True


def judged(first: str, second: str, digits: float, relative: float) -> bool:
    """`same` with the numbers that a judge hands over."""
    return same(first, second)
