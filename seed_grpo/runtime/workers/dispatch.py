"""Dispatch of jobs to the workers of a pool: jobs that wait, calls that workers have, and their results.

Consumes jobs and a pool; has every job done once, whatever happens to the workers. The jobs of a dead, hung or failing
worker return to the front of the queue, and a job is given up only after several workers failed on it. It does not know
what the calls do.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from math import ceil
from typing import Any

import ray
from ray.exceptions import RayActorError

from seed_grpo.errors import DeadlineError, SeedGrpoError
from seed_grpo.loop.interfaces import Sink
from seed_grpo.messages import GroupTask
from seed_grpo.runtime.cluster.calls import is_lost, result
from seed_grpo.runtime.workers.pool import Worker, WorkerPool

ATTEMPTS = 5
"""workers that may fail on a job before it is given up"""


@dataclass(eq=False)
class Job:
    """A group on its way."""

    task: GroupTask
    sink: Sink
    failures: int = 0
    group: Any = None
    """reference to the `Group`, once generated"""


@dataclass(frozen=True)
class Call:
    """A call that a worker has."""

    worker: Worker
    jobs: list[Job]
    refs: list[ray.ObjectRef]
    """references to the results; the first tells whether the call succeeded"""
    deadline: float
    """monotonic seconds after which the worker counts as hung"""


@dataclass(frozen=True)
class CallSpec:
    """Kind of call that a stage makes, and its limits."""

    doing: str
    """generating or judging, for messages"""
    start: Callable[[Worker, list[Job]], list[ray.ObjectRef]]
    """function that starts a worker's call and returns its results, the first of which is small"""
    one_call: bool
    """true if a worker has one call at a time, with a share of the waiting jobs; else it has any number of calls, of
    one job each"""
    seconds: float
    """seconds that a job may take before its worker counts as hung"""
    error: type[SeedGrpoError]


class Dispatcher:
    """Gives jobs to the workers of one pool, and requeues those of lost workers; see the module."""

    def __init__(self, spec: CallSpec, pool: WorkerPool, on_lost: Callable[[Job, SeedGrpoError], None]) -> None:
        """Begins without jobs.

        Args:
            on_lost: told of a job that is given up.
        """
        self._spec = spec
        self._pool = pool
        self._on_lost = on_lost
        self.waiting: deque[Job] = deque()
        self.running: dict[ray.ObjectRef, Call] = {}

    @property
    def num_running(self) -> int:
        """Jobs that workers have."""
        return sum(len(call.jobs) for call in self.running.values())

    def dispatch(self) -> list[Job]:
        """Dispatches waiting jobs, each to the least loaded worker, and returns them."""
        given: list[Job] = []
        serving = self._pool.serving if self.waiting else []
        free = [(w.load, place, w) for place, w in enumerate(serving) if not (self._spec.one_call and w.load)]
        heapify(free)
        while self.waiting and free:
            count = ceil(len(self.waiting) / len(free)) if self._spec.one_call else 1
            if self.waiting[0].failures:
                count = 1  # so that it is known which one they fail on
            jobs = [self.waiting.popleft() for _ in range(count)]
            _, place, worker = heappop(free)
            self._start(worker, jobs)
            if not self._spec.one_call:
                heappush(free, (worker.load, place, worker))
            given += jobs
        return given

    def collect(self, done: Sequence[ray.ObjectRef]) -> Iterator[tuple[Job, Any, ray.ObjectRef]]:
        """The jobs of the calls that succeeded, each with its part of the first result and the reference to its other
        result. The jobs of failed calls are requeued.

        Args:
            done: first results that are there, among others.
        """
        for ref in done:
            call = self.running.pop(ref, None)
            if call is None:
                continue  # of the other stage
            call.worker.load -= len(call.jobs)
            try:
                told = result(call.worker.name, ref, self._what(call), self._spec.error)
            except SeedGrpoError as error:
                self._failed(call, error)
            else:
                yield from zip(call.jobs, told, call.refs[1:], strict=True)

    def requeue_lost(self) -> None:
        """Requeues the jobs of lost workers, and ends workers whose jobs are past their deadline.

        Raises:
            SeedGrpoError: too many workers had to be replaced.
        """
        now = time.monotonic()
        late = {ref: call for ref, call in self.running.items() if now > call.deadline}
        # what is done was only not looked at, while this process had other things to wait for
        done, _ = ray.wait(list(late), num_returns=len(late), timeout=0, fetch_local=False) if late else ([], [])
        for call in [call for ref, call in late.items() if ref not in done]:
            said = f"{call.worker.name} is past its deadline {self._what(call)}"
            self._pool.hung(call.worker, DeadlineError(said))
        lost, self._pool.lost = self._pool.lost, []
        for worker in lost:
            self.requeue(worker, f"{worker.name} was lost {self._spec.doing}", is_failure=not worker.drained)

    def requeue(self, worker: Worker, why: str, is_failure: bool) -> None:
        """Requeues the worker's jobs and ignores any result it still returns.

        Args:
            is_failure: whether the groups may have brought it about.
        """
        for ref in [ref for ref, call in self.running.items() if call.worker is worker]:
            call = self.running.pop(ref)
            worker.load -= len(call.jobs)
            if is_failure:
                self._again(call.jobs, self._spec.error(why))
            else:
                self.waiting.extendleft(reversed(call.jobs))

    def clear(self) -> None:
        """Forgets all jobs."""
        for call in self.running.values():
            call.worker.load -= len(call.jobs)
        self.waiting.clear()
        self.running.clear()

    def _what(self, call: Call) -> str:
        return f"{self._spec.doing} group {call.jobs[0].task.group_id}"

    def _start(self, worker: Worker, jobs: list[Job]) -> None:
        refs = self._spec.start(worker, jobs)
        worker.load += len(jobs)
        self.running[refs[0]] = Call(worker, jobs, refs, time.monotonic() + self._spec.seconds * len(jobs))

    def _failed(self, call: Call, error: SeedGrpoError) -> None:
        if len(call.jobs) == 1 and is_lost(error):
            self._on_lost(call.jobs[0], error)
            return
        if isinstance(error.__cause__, RayActorError):
            self._pool.fail(call.worker, error)
        elif not is_lost(error):
            self._pool.mark_suspect(call.worker)
        self._again(call.jobs, error)

    def _again(self, jobs: list[Job], error: SeedGrpoError) -> None:
        for job in reversed(jobs):
            job.failures += 1
            if job.failures < ATTEMPTS:
                self.waiting.appendleft(job)
            else:
                self._on_lost(job, error)
