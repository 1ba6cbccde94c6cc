"""Waiting for Ray calls: always with a deadline, always saying what for, and naming the culprit when it gives up.

This is the one place where a Ray failure becomes one of our errors (invariant 8).
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import ray
from ray.exceptions import (
    GetTimeoutError,
    ObjectLostError,
    RayActorError,
    RayError,
    RayTaskError,
    UnserializableException,
)

from seed_grpo.errors import DeadlineError, SeedGrpoError

LOG_EVERY_SECONDS = 10.0
FETCH_SECONDS = 60.0
MEANWHILE_SECONDS = 0.05
"""seconds between two calls of `meanwhile`"""
DIED = re.compile(r"pid: (\d+)[\s\S]*worker process has died")
"""phrase in Ray's long message about an actor whose process is gone"""
COLOUR = re.compile(r"\x1b\[\d*m")
CHAIN = re.compile(
    r"(?:The above exception was the direct cause of the following exception"
    r"|During handling of the above exception, another exception occurred):"
)
"""line between two tracebacks; the earlier error stands above it"""
FRAME = re.compile(r'\s*(?:File "|[~^]+\s*$|.*\bray::.*\(pid=)')
"""a line of a traceback that stands before the exception's own"""
CODE = re.compile(r"\s{4}")
"""a line of source code under the last frame"""
GROUP_MARK = re.compile(r"(?m)^ *(?:\+-\+|[+|])(?:-+(?: \d+ -+)?$)? ?")
"""marks around the lines of an exception group"""
MAX_CHARS = 500

Log = Callable[[str], None]


def gather(
    calls: Mapping[str, ray.ObjectRef],
    what: str,
    timeout: float,
    error: type[SeedGrpoError],
    log: Log = lambda _: None,
    meanwhile: Callable[[], None] | None = None,
) -> list[Any]:
    """Waits for the calls and returns their results, in their order.

    Args:
        calls: worker name -> reference; all run at once.
        what: for messages, e.g. "the rollout workers to start".
        timeout: seconds for all of them together.
        error: class to raise where a worker died or failed with an error that is not ours.
        say: told every few seconds what is waited for.
        meanwhile: called many times a second while waiting.

    Raises:
        DeadlineError: names the workers that did not answer.
        SeedGrpoError: a failure; of several at once, that of the likeliest culprit.
    """
    started = said = time.monotonic()
    names = {ref: name for name, ref in calls.items()}
    results = {}
    pending = list(names)
    while pending:
        left = max(timeout - (time.monotonic() - started), 0.0)
        look = 1.0 if meanwhile is None else MEANWHILE_SECONDS
        done, pending = ray.wait(pending, num_returns=len(pending), timeout=min(left, look), fetch_local=False)
        if meanwhile is not None:
            meanwhile()
        failures = []
        for ref in done:
            try:
                results[ref] = result(names[ref], ref, what, error)
            except SeedGrpoError as failure:
                failures.append(failure)
        if failures:  # those still pending are left to finish or die
            raise min(failures, key=_remoteness)
        if pending and not left:  # what is done was only not looked at, while this process did something else
            late = ", ".join(sorted(names[ref] for ref in pending))
            raise DeadlineError(f"{late} did not answer: waited {timeout:g} s for {what}")
        if pending and time.monotonic() - said > LOG_EVERY_SECONDS:
            said = time.monotonic()
            late = ", ".join(sorted(names[ref] for ref in pending))
            log(f"waiting for {what}: {late} ({said - started:.0f} s of {timeout:g})")
    return [results[ref] for ref in names]


def result(name: str, ref: ray.ObjectRef, what: str, error: type[SeedGrpoError]) -> Any:
    """The result of a call that is done.

    Raises:
        SeedGrpoError: the worker's own error, or `error` naming the worker where it died or failed otherwise.
    """
    try:
        return ray.get(ref, timeout=FETCH_SECONDS)
    except RayError as failure:
        raise as_ours(name, failure, what, error) from failure


def is_done(call: ray.ObjectRef) -> bool:
    """Tells whether a call has ended, well or not."""
    done, _ = ray.wait([call], timeout=0, fetch_local=False)
    return bool(done)


def put(value: Any) -> ray.ObjectRef:
    """Stores a value in the object store and returns its reference."""
    return ray.put(value)


def fetch(payload: Any) -> Any | None:
    """Object behind a reference; None if it was lost with its machine, or does not come in time."""
    try:
        return ray.get(payload, timeout=FETCH_SECONDS)
    except (ObjectLostError, GetTimeoutError):
        return None


def as_ours(name: str, failure: RayError, what: str, error: type[SeedGrpoError]) -> SeedGrpoError:
    """A failure of Ray's as one of our errors: the worker's own where it raised one, or `error`, naming the worker."""
    if isinstance(failure, RayTaskError):
        cause = failure.cause
        return cause if isinstance(cause, SeedGrpoError) else error(f"{name} failed in {what}: {why(failure)}")
    if isinstance(failure, UnserializableException):  # raised by the worker, of a class that does not travel
        return error(f"{name} failed in {what}: {why(failure)}")
    if isinstance(failure, RayActorError):
        died = DIED.search(str(failure))
        cause_of_death = f"process {died[1]} was killed, or crashed" if died else why(failure)
        return error(f"{name} died in {what}: {cause_of_death}; Ray's logs may tell more")
    if isinstance(failure, GetTimeoutError):
        return DeadlineError(f"the result of {name} did not arrive within {FETCH_SECONDS:g} s ({what})")
    # of Ray itself: an object lost, a worker's environment that cannot be made
    return error(f"{name}, {what}: {type(failure).__name__}: {why(failure)}")


def why(failure: RayError) -> str:
    """Cause of a failure in one plain line: the exception's class and message, and those that a chain began with.

    Read off Ray's text, which has them also where the exception itself does not travel: its class takes other arguments
    than its message, is not known here, or holds what cannot be pickled.
    """
    raised = [_raised(traceback) for traceback in CHAIN.split(COLOUR.sub("", str(failure)))]
    first, last = _cut(raised[0]), _cut(raised[-1])
    return last if len(raised) == 1 else f"{last} (it began with {first})"


def is_lost(error: SeedGrpoError) -> bool:
    """Tells whether the call failed because its input object was lost with its node."""
    failure = error.__cause__
    return isinstance(failure.cause if isinstance(failure, RayTaskError) else failure, ObjectLostError)


def _raised(traceback: str) -> str:
    """Text behind the last frame of a traceback; all of a text that is none."""
    if "Exception Group Traceback" in traceback:
        traceback = GROUP_MARK.sub("", traceback)
    lines = traceback.strip().splitlines()
    begin = max((number for number, line in enumerate(lines, 1) if FRAME.match(line)), default=0)
    own = itertools.dropwhile(CODE.match, lines[begin:]) if begin else lines
    return " ".join(" ".join(own).split()) or " ".join(traceback.split())


def _cut(text: str) -> str:
    """A line of at most `MAX_CHARS`, with its beginning and its end."""
    if len(text) <= MAX_CHARS:
        return text
    return f"{text[: MAX_CHARS // 2]} ... {text[-(MAX_CHARS // 2 - 5) :]}"


def _remoteness(failure: SeedGrpoError) -> int:
    """Distance of a failure from its cause: a dead worker breaks the others' connections, and an error that is ours
    says more than one that is not."""
    cause = failure.__cause__
    if isinstance(cause, RayActorError):
        return 0
    return 1 if isinstance(cause, RayTaskError) and isinstance(cause.cause, SeedGrpoError) else 2
