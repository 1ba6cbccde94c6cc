"""A pool of workers of one kind: it replaces those that die or hang, and adds or drains others.

Consumes a recipe for a worker; produces the workers that may get work, and the lost ones whose work is to be requeued.
`poll` looks after the pool and waits for nothing. The trainer's ranks, which live and die together, are in
`trainer_group`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from seed_grpo.errors import DeadlineError, SeedGrpoError
from seed_grpo.runtime.cluster.calls import LOG_EVERY_SECONDS, Log, as_ours, is_done
from seed_grpo.runtime.supervision.heartbeats import Heartbeat, WorkerState
from seed_grpo.runtime.supervision.supervise import Supervision
from seed_grpo.runtime.workers.probes import watch

POLL_SECONDS = 0.2
"""seconds between two looks at the workers"""


@dataclass(eq=False)
class Worker:
    """One worker of a pool; its replacement is another `Worker` of the same name."""

    name: str
    actor: Any
    """Ray actor of the worker"""
    heartbeat: Heartbeat
    starting: ray.ObjectRef | None
    """reference that resolves once it is up; None after"""
    replaces: float | None
    """monotonic seconds when the worker that it replaces failed; None for a new one"""
    placing: ray.ObjectRef | None
    """reference that resolves once it has its place in the cluster; None after"""
    placed: float = math.inf
    """monotonic seconds when it got its place; inf before"""
    has_weights: bool = False
    """true once it has the present weights, proven; always true for a kind that needs none"""
    doubted: float = -math.inf
    """monotonic seconds when a call to it last failed"""
    drained: bool = False
    load: int = 0
    """groups that it has"""

    @property
    def state(self) -> WorkerState:
        """The state as people see it."""
        if self.starting is not None:
            return WorkerState.STARTING if self.replaces is None else WorkerState.RESTARTING
        if self.heartbeat.is_late or self.heartbeat.alive < self.doubted:
            return WorkerState.SUSPECT
        return WorkerState.HEALTHY if self.has_weights else WorkerState.STALE


@dataclass(frozen=True)
class Kind:
    """Recipe by which the workers of a pool are made and watched."""

    name: str
    """rollout or verifier"""
    make: Callable[[str, str], Any]
    """function that makes a worker's actor, by the worker's name and the actor's own"""
    start: Callable[[Any], ray.ObjectRef]
    """function that starts an actor and returns the call's reference"""
    pulse: Callable[[Any], ray.ObjectRef]
    """function that calls for a heartbeat"""
    needs_weights: bool
    start_timeout: float
    """seconds for a worker to come up, from when it has its place"""
    error: type[SeedGrpoError]


class WorkerPool:
    """The workers of one kind. `lost` holds workers that are gone until the caller that gave them work takes them
    out."""

    def __init__(self, kind: Kind, size: int, supervision: Supervision) -> None:
        """Starts the workers without waiting for them; `wait_started` does."""
        self._kind = kind
        self._supervision = supervision
        self._made: dict[str, int] = {}
        """number of actors made so far, by worker name"""
        self._polled = -math.inf
        self._begun = False
        self.size = size
        self.lost: list[Worker] = []
        self.workers: dict[str, Worker] = {}
        for i in range(size):
            self._add(f"{kind.name}-{i}")

    @property
    def name(self) -> str:
        """rollout or verifier"""
        return self._kind.name

    def actors(self) -> dict[str, Any]:
        """Ray actors by the names of the workers."""
        return {worker.name: worker.actor for worker in self.workers.values()}

    @property
    def serving(self) -> list[Worker]:
        """Workers that may be given work, in the order of their names' numbers."""
        return [worker for worker in self.workers.values() if worker.state is WorkerState.HEALTHY]

    @property
    def started(self) -> list[Worker]:
        """Workers that are up, with or without the present weights."""
        return [worker for worker in self.workers.values() if worker.starting is None]

    @property
    def starting(self) -> list[ray.ObjectRef]:
        """References that resolve once a starting worker is up."""
        return [worker.starting for worker in self.workers.values() if worker.starting is not None]

    def wait_started(self, log: Log) -> None:
        """Waits for the first workers of a run. A worker that reports that it cannot start ends the run, since no other
        could; one that dies is replaced.

        Raises:
            SeedGrpoError: a worker did not come up; names it.
        """
        began = said = time.monotonic()
        while self.starting:
            ray.wait(self.starting, timeout=0.5, fetch_local=False)
            self.poll(now=True)
            names = ", ".join(worker.name for worker in self.workers.values() if worker.starting is not None)
            what, limit = f"the {self._kind.name} workers to start", self._kind.start_timeout
            waited = time.monotonic() - began
            if names and waited > limit:
                raise DeadlineError(
                    f"{names} did not answer: waited {limit:g} s (rollout.start_timeout) for {what}; other jobs may "
                    "hold the machines"
                )
            if names and time.monotonic() - said > LOG_EVERY_SECONDS:
                said = time.monotonic()
                log(f"waiting for {what}: {names} ({waited:.0f} s of {limit:g})")
        self._begun = True

    def poll(self, now: bool = False) -> None:
        """Looks after the workers: takes up those that have started, and replaces those that are dead or silent for too
        long. It does so at most every `POLL_SECONDS`, or at once with `now`.

        Raises:
            SeedGrpoError: too many had to be replaced.
        """
        if not now and time.monotonic() - self._polled < POLL_SECONDS:
            return
        self._polled = time.monotonic()
        for worker in list(self.workers.values()):
            try:
                self._look_at(worker)
            except RayError as error:
                if not self._begun and not isinstance(error, RayActorError):
                    raise as_ours(worker.name, error, "starting", self._kind.error) from error
                self.fail(worker, as_ours(worker.name, error, "being looked after", self._kind.error))
        self.tell()

    def tell(self) -> None:
        """Records the workers' states if they have changed."""
        self._supervision.events.states(self._kind.name, {w.name: w.state for w in self.workers.values()})

    def mark_suspect(self, worker: Worker) -> None:
        """Marks a worker suspect after a failed call: it gets no new work until it has answered a heartbeat."""
        worker.doubted = time.monotonic()
        worker.heartbeat.hurry()

    def fail(self, worker: Worker, cause: SeedGrpoError) -> None:
        """Ends a worker that is dead or of no use, and starts another in its place.

        Raises:
            SeedGrpoError: too many had to be replaced.
        """
        if self.workers.get(worker.name) is not worker:
            return  # it was replaced already
        self._remove(worker)
        self._supervision.budget.charge(cause)
        self._add(worker.name, replaces=time.monotonic())
        self.tell()
        self._supervision.events.record("failed", worker.name, f"{worker.name} is replaced: {cause}")

    def hung(self, worker: Worker, cause: SeedGrpoError) -> None:
        """Replaces a worker that does not answer, after a hang report of all workers; otherwise as `fail`."""
        if self.workers.get(worker.name) is worker:
            self._supervision.write_down_hang(worker.name, cause)
            self.fail(worker, cause)

    def resize(self, size: int) -> None:
        """Adds workers, or drains those with the highest numbers; their unfinished work is requeued."""
        self.size = size
        names = [f"{self._kind.name}-{i}" for i in range(size)]
        for name in [name for name in self.workers if name not in names]:
            self.workers[name].drained = True
            self._remove(self.workers[name])
            self._supervision.events.record("drained", name, f"{name} is drained")
        for name in [name for name in names if name not in self.workers]:
            self._add(name)
            self._supervision.events.record("added", name, f"{name} is added")

    def have_weights(self, workers: list[Worker]) -> None:
        """Marks workers as having the present weights, which is proven."""
        for worker in workers:
            self._ready(worker)

    def lack_weights(self) -> None:
        """Marks all workers as lacking the present weights, e.g. after a sync that failed in its middle."""
        for worker in self.workers.values():
            worker.has_weights = not self._kind.needs_weights

    def _look_at(self, worker: Worker) -> None:
        if worker.starting is not None:
            self._look_at_start(worker, worker.starting)
            return
        silence, limit = worker.heartbeat.silence(), self._supervision.config.heartbeat_timeout
        if silence > limit:
            said = f"{worker.name} has not answered for {silence:.0f} s (supervision.heartbeat_timeout={limit:g})"
            self.hung(worker, DeadlineError(said))

    def _look_at_start(self, worker: Worker, starting: ray.ObjectRef) -> None:
        if worker.placing is not None and is_done(worker.placing):
            self._supervision.hang_report.register(worker.name, *ray.get(worker.placing))
            worker.placing, worker.placed = None, time.monotonic()
        if is_done(starting):
            ray.get(starting)
            worker.starting = None
            if not self._kind.needs_weights:
                self._ready(worker)
        elif time.monotonic() - worker.placed > self._kind.start_timeout:
            limit = f"{self._kind.start_timeout:g} s (rollout.start_timeout)"
            self.hung(worker, DeadlineError(f"{worker.name} did not come up within {limit}"))

    def _ready(self, worker: Worker) -> None:
        if worker.has_weights:
            return
        worker.has_weights = True
        if worker.replaces is not None:
            seconds = time.monotonic() - worker.replaces
            text = f"{worker.name} is back after {seconds:.1f} s"
            self._supervision.events.record("recovered", worker.name, text, seconds=seconds)
            worker.replaces = None

    def _add(self, name: str, replaces: float | None = None) -> None:
        number = self._made.get(name, 0)
        self._made[name] = number + 1
        actor = self._kind.make(name, f"{name}.{number}" if number else name)
        heartbeat = Heartbeat(lambda: self._kind.pulse(actor), self._supervision.config)
        placing = watch(actor)
        self.workers[name] = Worker(name, actor, heartbeat, self._kind.start(actor), replaces, placing)
        self.workers = dict(sorted(self.workers.items(), key=lambda item: int(item[0].rpartition("-")[2])))

    def _remove(self, worker: Worker) -> None:
        del self.workers[worker.name]
        self.lost.append(worker)
        ray.kill(worker.actor)
