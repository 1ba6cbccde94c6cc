"""Waiting on Ray: deadlines, and the culprit named first. Real Ray, workers that die or fail on purpose."""

import os
import time

import pytest
import ray

from seed_grpo.errors import DeadlineError, ModelError, RolloutError
from seed_grpo.runtime.waiting import gather

pytestmark = pytest.mark.engine


class Worker:
    def sleep(self, seconds: float) -> str:
        time.sleep(seconds)
        return "awake"

    def fail_typed(self) -> None:
        raise ModelError("no such model; name another")

    def fail_otherwise(self) -> None:
        raise ConnectionError("closed by peer")

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


def test_what_is_done_is_no_miss_of_a_deadline_that_something_else_took_the_time_of(workers: list) -> None:
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
