"""Waiting on Ray: deadlines, and the culprit named first. Real Ray, workers that die or fail on purpose."""

import os
import re
import sys
import threading
import time
import types
from collections.abc import Callable

import pytest
import ray

from seed_grpo.errors import DeadlineError, ModelError, RolloutError
from seed_grpo.runtime.cluster.calls import gather

pytestmark = pytest.mark.engine


class Worker:
    def sleep(self, seconds: float) -> str:
        time.sleep(seconds)
        return "awake"

    def fail_typed(self) -> None:
        raise ModelError("no such model; name another")

    def fail_otherwise(self) -> None:
        raise ConnectionError("closed by peer")

    def fail_as(self, kind: str) -> None:
        raise RAISED[kind]()

    def die(self) -> None:
        os._exit(1)


@pytest.fixture
def workers(cluster: None) -> list:
    workers = [ray.remote(Worker).options(num_cpus=0).remote() for _ in range(2)]
    ray.get([worker.__ray_ready__.remote() for worker in workers], timeout=60)
    return workers


def test_results_come_in_the_order_of_the_calls(workers: list) -> None:
    calls = {"slow": workers[0].sleep.remote(0.3), "fast": workers[1].sleep.remote(0.0)}
    assert gather(calls, "naps", 30, RolloutError) == ["awake", "awake"]


def test_a_deadline_names_who_did_not_answer(workers: list) -> None:
    calls = {"slow": workers[0].sleep.remote(30), "fast": workers[1].sleep.remote(0.0)}
    with pytest.raises(DeadlineError, match=r"^slow did not answer: waited 4 s for naps"):
        gather(calls, "naps", 4, RolloutError)


def test_a_finished_call_misses_no_deadline_while_the_caller_is_busy(workers: list) -> None:
    calls = {"one": workers[1].sleep.remote(0.0)}
    ray.wait(list(calls.values()), timeout=30)  # the actor is up
    calls = {"one": workers[1].sleep.remote(0.5)}
    assert gather(calls, "naps", 1, RolloutError, meanwhile=lambda: time.sleep(2)) == ["awake"]


def test_an_error_of_ours_travels_unchanged(workers: list) -> None:
    with pytest.raises(ModelError, match=r"^no such model; name another$"):
        gather({"one": workers[0].fail_typed.remote()}, "the start", 30, RolloutError)


def test_other_errors_name_the_worker_and_what_it_was_doing(workers: list) -> None:
    with pytest.raises(RolloutError, match=r"^one failed in the start: ConnectionError: closed by peer"):
        gather({"one": workers[0].fail_otherwise.remote()}, "the start", 30, RolloutError)


def test_of_a_death_and_its_consequences_the_death_is_named(workers: list) -> None:
    dead = workers[1].die.remote()
    ray.wait([dead], timeout=30)
    calls = {"victim": workers[0].fail_otherwise.remote(), "culprit": dead}
    ray.wait(list(calls.values()), num_returns=2, timeout=30)
    with pytest.raises(RolloutError, match=r"^culprit died in the step"):
        gather(calls, "the step", 30, RolloutError)


class TwoArguments(Exception):
    def __init__(self, what: str, number: int) -> None:
        super().__init__(f"{what} needs {number} more")


class ByteKept(Exception):
    """Holds what cannot be pickled."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.lock = threading.Lock()


class Wordless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("nothing to say")


def of_an_unknown_module() -> type[Exception]:
    """A class of a module that the driver cannot import."""
    module = types.ModuleType("known_to_workers_alone")
    sys.modules[module.__name__] = module
    module.Odd = type("Odd", (Exception,), {"__module__": module.__name__})  # type: ignore[attr-defined]
    return module.Odd  # type: ignore[attr-defined, no-any-return]


def chained(first: Exception, then: Exception) -> Exception:
    """Raises the second because of the first."""
    try:
        raise first
    except type(first) as error:
        raise then from error


RAISED: dict[str, Callable[[], Exception]] = {
    "two arguments": lambda: TwoArguments("the cache", 3),
    "cannot be pickled": lambda: ByteKept("holds a lock"),
    "unknown class": lambda: of_an_unknown_module()("from afar"),
    "long": lambda: ValueError("x" * 5000 + " in the end"),
    "long, two arguments": lambda: TwoArguments("y" * 5000, 3),
    "many lines": lambda: ValueError("first line\nsecond line\n    indented\nlast line"),
    "many lines, two arguments": lambda: TwoArguments("first line\nlast line", 3),
    "chained": lambda: chained(KeyError("the root"), RuntimeError("on top")),
    "chained, two arguments": lambda: chained(OSError(28, "No space left"), TwoArguments("the disk", 3)),
    "group": lambda: ExceptionGroup("several", [ValueError("one"), KeyError("two")]),
    "no message": lambda: ValueError(),
    "no words": lambda: Wordless(),
    "no unicode": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
}
SAID = {
    "two arguments": r"TwoArguments: the cache needs 3 more$",
    "cannot be pickled": r"ByteKept: holds a lock$",
    "unknown class": r"known_to_workers_alone\.Odd: from afar$",
    "long": r"ValueError: x+ \.\.\. x+ in the end$",
    "long, two arguments": r"TwoArguments: y+ \.\.\. y+ needs 3 more$",
    "many lines": r"ValueError: first line second line indented last line$",
    "many lines, two arguments": r"TwoArguments: first line last line needs 3 more$",
    "chained": r"RuntimeError: on top \(it began with KeyError: 'the root'\)$",
    "chained, two arguments": r"the disk needs 3 more \(it began with OSError: \[Errno 28\] No space left\)$",
    "group": r"ExceptionGroup: several \(2 sub-exceptions\) ValueError: one KeyError: 'two'$",
    "no message": r"ValueError$",
    "no words": r"RuntimeError: nothing to say \(it began with .*Wordless",
    "no unicode": r"UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte$",
}


def test_a_cause_is_named_whatever_its_class_and_length(workers: list) -> None:
    for kind, pattern in SAID.items():
        with pytest.raises(RolloutError) as caught:
            gather({"one": workers[0].fail_as.remote(kind)}, "the start", 30, RolloutError)
        said = str(caught.value)
        assert re.search(pattern, said), f"{kind}: {said}"
        assert said.startswith("one failed in the start: ") and len(said) < 1200 and "\n" not in said, said
        assert "docs.ray.io" not in said and "\x1b" not in said, said


class StillBorn:
    def __init__(self) -> None:
        raise TwoArguments("the engine", 2)

    def work(self) -> None:
        pass


def test_a_worker_that_fails_in_its_making_says_why(cluster: None) -> None:
    call = ray.remote(StillBorn).options(num_cpus=0).remote().work.remote()
    with pytest.raises(RolloutError, match="TwoArguments: the engine needs 2 more"):
        gather({"one": call}, "the start", 60, RolloutError)
