"""The process of one tracker.

Usage: `python -m seed_grpo.records.trackers.process_main`.

Reads a `Start` and then records from standard input, one JSON line each; hands them to the tracker; ends with its
input. Writes JSON lines to standard output: `place` once the tracker has started, or `cannot` with the reason; then for
each record `arrived` where the library took it, or `failed` with the reason. The library's own prints go to standard
error.
"""

from __future__ import annotations

import json
import os
import select
import signal
import threading
import time
from typing import Any, TextIO

from seed_grpo.records.trackers.table import TRACKERS
from seed_grpo.records.trackers.tracker import Start, Tracker

CLOSE_SECONDS = 60.0
"""time to send what is left once the input has closed; then the owner ends the process"""
ALONE_SECONDS = 10.0
"""time after that in which the process ends itself, as when its owner has died"""
SAID_CHARS = 300
"""characters of an error's own words"""
LOWEST_PRIORITY = 19


def serve() -> None:
    """Hands records to the tracker until the input closes."""
    records, replies = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")  # the library's children have neither
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's to handle
    os.nice(LOWEST_PRIORITY)
    threading.Thread(target=_end_after_input, args=[records.fileno()], daemon=True).start()
    start = Start(**json.loads(records.readline()))
    try:
        tracker = TRACKERS[start.use](start)
    except (Exception, SystemExit) as error:  # whatever the library raises; some of them exit
        _tell(replies, cannot=_said(error))
        return
    _tell(replies, place=tracker.place)
    for line in records:
        try:
            _hand_over(tracker, json.loads(line))
            _tell(replies, arrived="")
        except (Exception, SystemExit) as error:
            _tell(replies, failed=_said(error))
    try:
        tracker.close()
    except (Exception, SystemExit) as error:
        _tell(replies, failed=_said(error))


def _hand_over(tracker: Tracker, record: dict[str, Any]) -> None:
    if "scalars" in record:
        tracker.scalars(record["step"], record["scalars"])
    elif "completions" in record:
        tracker.completions(record["step"], record["completions"])
    else:
        tracker.rewind(record["rewind"])


def _tell(replies: TextIO, **reply: str) -> None:
    print(json.dumps(reply), file=replies, flush=True)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:SAID_CHARS]}"


def _end_after_input(descriptor: int) -> None:
    """Ends a process that hangs in its library after its owner has closed the input, or died."""
    poll = select.poll()
    poll.register(descriptor, 0)
    poll.poll()  # the other end was closed; what it wrote may still be unread
    time.sleep(CLOSE_SECONDS + ALONE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    serve()
