r"""Math-Verify 0.9 in a process of its own, for the judge's benchmark; this file is both ends.

Consumes pairs and groups of answers; produces Math-Verify's verdicts, greedy clusters and times. It is called as its
documentation says: `verify(parse(gold), parse(pred))` with the LaTeX and the plain reader, from a main thread, since
its own time limits of 5 s need one. Beyond `PAIR_SECONDS` for a pair the process is killed and replaced. Bare answers
reach it in one of the `PREPARATIONS`.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

PAIR_SECONDS = 5.0
"""for parsing and comparing one pair, after which it is undecided"""
GROUP_SECONDS = 300.0
"""for a whole group, each step of which Math-Verify itself ends after 5 s"""


def _has_mathematics_marked(text: str) -> bool:
    r"""Tells whether Math-Verify will find the mathematics by itself: a pair of dollars, `\(`, `\[` or a box."""
    dollars = text.replace(r"\$", "").count("$")
    return dollars >= 2 or any(mark in text for mark in (r"\boxed", r"\(", r"\["))


def in_dollars(text: str) -> str:
    """The bare answer between dollars, unless its mathematics is marked already."""
    return text if _has_mathematics_marked(text) else f"${text}$"


def in_a_box(text: str) -> str:
    """The bare answer in a box, unless its mathematics is marked already."""
    return text if _has_mathematics_marked(text) else rf"\boxed{{{text}}}"


PREPARATIONS: dict[str, Callable[[str], str]] = {"in dollars": in_dollars, "in a box": in_a_box}


class MathVerify:
    """The process, from outside. Use as a context manager; not thread-safe."""

    def __init__(self) -> None:
        """Starts the process."""
        self.kills = 0
        """times that it had to be ended"""
        self._start()

    def __enter__(self) -> MathVerify:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def same(self, gold: str, pred: str) -> bool | None:
        """Tells whether it takes `pred` as an answer to `gold`, both as it shall read them; None: not in time."""
        reply = self._call({"gold": gold, "pred": pred}, PAIR_SECONDS)
        return None if reply is None else reply["same"]

    def group(self, gold: str, preds_G: Sequence[str]) -> dict[str, Any] | None:
        """Verdicts and greedy clusters of one group with their times, as `_group` gives them; None: killed."""
        return self._call({"gold": gold, "preds": list(preds_G)}, GROUP_SECONDS)

    def _start(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        if not self._read():
            raise RuntimeError(f"Math-Verify's process did not start, status {self._process.wait()}")

    def _call(self, request: dict[str, Any], seconds: float) -> dict[str, Any] | None:
        assert self._process.stdin is not None
        timer = threading.Timer(seconds, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            line = self._read()
        except BrokenPipeError:
            line = b""
        finally:
            timer.cancel()
        if line:
            return json.loads(line)
        self._process.communicate()
        self.kills += 1
        self._start()
        return None

    def _read(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


# inside the process


def _serve() -> None:
    """Answers one JSON line after the other until the input closes."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints must not be taken for a reply
    logging.disable(logging.CRITICAL)
    import math_verify  # noqa: F401  (it must be loaded before the clock runs)

    print("ready", file=replies, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if "preds" in request:
            reply = _group(request["gold"], request["preds"])
        else:
            gold, pred = _parse(request["gold"]), _parse(request["pred"])
            reply = {"same": _verify(gold, pred)}
        print(json.dumps(reply), file=replies, flush=True)


def _parse(text: str) -> list:
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse
    from math_verify.errors import TimeoutException

    try:
        return parse(text, [LatexExtractionConfig(), ExprExtractionConfig()])
    except TimeoutException:  # its own, which `parse` lets through
        return []


def _verify(gold: list, pred: list) -> bool:
    from math_verify import verify

    return verify(gold, pred)


def _group(gold: str, preds_G: Sequence[str]) -> dict[str, Any]:
    """Each prediction against the gold, which is parsed once; then greedy clusters of the same parses."""
    started = time.perf_counter()
    gold_parses = _parse(gold)
    gold_seconds = time.perf_counter() - started
    parses_G, same_G, seconds_G = [], [], []
    for pred in preds_G:
        started = time.perf_counter()
        parses_G.append(_parse(pred))
        same_G.append(_verify(gold_parses, parses_G[-1]))
        seconds_G.append(time.perf_counter() - started)
    started = time.perf_counter()
    class_ids_G = _cluster(parses_G)
    return {
        "same": same_G,
        "seconds": seconds_G,
        "gold_seconds": gold_seconds,
        "classes": class_ids_G,
        "partition_seconds": time.perf_counter() - started,
    }


def _cluster(parses_G: Sequence[list]) -> list[int]:
    """Greedy: an answer joins the first cluster whose first member it means the same as."""
    first_members: list[list] = []
    class_ids = []
    for parses in parses_G:
        found = next((index for index, first in enumerate(first_members) if _verify(first, parses)), None)
        if found is None:
            found = len(first_members)
            first_members.append(parses)
        class_ids.append(found)
    return class_ids


if __name__ == "__main__":
    _serve()
