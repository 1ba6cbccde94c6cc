"""From prompt to judged group: the rollout pool and the verifier pool, joined by references.

Consumes `GroupTask`s; produces `ReadyGroup`s. A group goes from its rollout worker through the object store to a
verifier worker as soon as its last completion ends, so judging runs while other groups are still being generated;
only summaries reach this process.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import ray
from ray.util.placement_group import PlacementGroup

from seed_grpo.config import Config
from seed_grpo.errors import DeadlineError, RolloutError, SeedGrpoError, VerifierError
from seed_grpo.messages import GroupTask, JudgedGroup
from seed_grpo.rollout.worker import RolloutWorker
from seed_grpo.runtime.cluster import call_engine, spawn
from seed_grpo.runtime.placement import Plan
from seed_grpo.runtime.queue import ReadyGroup
from seed_grpo.runtime.verifier_worker import VerifierWorker
from seed_grpo.runtime.waiting import SAY_EVERY_SECONDS, Say, gather, result

# An engine takes new requests while others run; its scheduler, not Ray, decides how many run at once.
CALLS_AT_ONCE = 10_000
GRACE_SECONDS = 60.0
"""what a worker has beyond its own limit before it counts as hung"""
CLOSE_SECONDS = 10.0


@dataclass(frozen=True)
class Generating:
    """A group that a rollout worker has."""

    group_id: int
    worker: str
    group: ray.ObjectRef
    deadline: float
    """monotonic seconds"""


@dataclass(frozen=True)
class Judging:
    """A generated group that a verifier worker has."""

    generated: Generating
    worker: str
    payload: ray.ObjectRef
    """of the `JudgedGroup`"""
    deadline: float
    """monotonic seconds"""


class Pipeline:
    """Both pools, and the groups on their way through them."""

    def __init__(self, config: Config, plan: Plan, gang: PlacementGroup, say: Say) -> None:
        """Starts the workers without waiting for them; `wait_started` does.

        Args:
            gang: the trainer's placement group, where a colocated rollout worker has its place.
        """
        self._config = config
        self._say = say
        shared = gang if plan.colocated else None
        self.rollout = {
            name: spawn(
                RolloutWorker, plan.rollout, name, config, name, gang=shared, max_concurrency=CALLS_AT_ONCE
            )
            for name in plan.rollout.names()
        }
        self._verifiers = {
            name: spawn(VerifierWorker, plan.verifier, name, config.verifier, config.algo.semantic_entropy)
            for name in plan.verifier.names()
        }
        self._starting = {name: worker.start.remote() for name, worker in self.rollout.items()}
        self._next_verifier = cycle(self._verifiers)
        self._generating: dict[ray.ObjectRef, Generating] = {}
        self._judging: dict[ray.ObjectRef, Judging] = {}

    @property
    def in_flight(self) -> int:
        """Groups on their way."""
        return len(self._generating) + len(self._judging)

    def wait_started(self) -> None:
        """Waits for the workers.

        Raises:
            RolloutError, VerifierError, DeadlineError: one of them did not come up.
        """
        timeout = self._config.rollout.start_timeout
        gather(self._starting, "the rollout workers to start", timeout, RolloutError, self._say)
        ready = {name: worker.__ray_ready__.remote() for name, worker in self._verifiers.items()}
        gather(ready, "the verifier workers to start", timeout, VerifierError, self._say)

    def submit(self, tasks: Sequence[GroupTask]) -> None:
        """Hands prompts to the rollout workers, in turn.

        Under `run.deterministic` the engines are held while they take them in, so that a step's requests form the same
        batches every time; which worker gets a prompt depends on its place in `tasks` alone.
        """
        if self._config.run.deterministic:
            self._call_rollout("pause")
        for task, name in zip(tasks, cycle(self.rollout)):
            group: ray.ObjectRef = call_engine(self.rollout[name], "generate", task)
            deadline = time.monotonic() + self._generation_seconds
            self._generating[group] = Generating(task.group_id, name, group, deadline)
        if self._config.run.deterministic:
            self._call_rollout("resume")

    def collect(self) -> Iterator[ReadyGroup]:
        """Judged groups as they become ready, until nothing is on its way. Passes generated groups on to the verifiers.

        Raises:
            RolloutError, VerifierError: a worker failed; names it and the group.
            DeadlineError: a group is past its deadline; names the worker that holds it.
        """
        said = time.monotonic()
        while self.in_flight:
            pending = [*self._generating, *self._judging]
            done, _ = ray.wait(pending, num_returns=1, timeout=1.0, fetch_local=False)
            if done:  # and whatever else is: one call for each would hold the verifiers up
                done, _ = ray.wait(pending, num_returns=len(pending), timeout=0, fetch_local=False)
            for ref in done:
                if ref in self._generating:
                    self._judge(self._generating.pop(ref))
                else:
                    yield self._judged(ref, self._judging.pop(ref))
            self._check_deadlines()
            if not done and time.monotonic() - said > SAY_EVERY_SECONDS:
                said = time.monotonic()
                self._say(f"waiting for {len(self._generating)} groups to be generated, {len(self._judging)} judged")

    def fetch(self, payload: Any) -> JudgedGroup:
        """The judged group behind a reference."""
        return result("the object store", payload, "fetching a judged group", VerifierError)

    def close(self) -> None:
        """Ends the engines' and the judges' own processes, which on a cluster of others would outlive the run."""
        closing = [call_engine(worker, "shutdown") for worker in self.rollout.values()]
        closing += [worker.close.remote() for worker in self._verifiers.values()]
        ray.wait(closing, num_returns=len(closing), timeout=CLOSE_SECONDS)

    def _judge(self, generated: Generating) -> None:
        name = next(self._next_verifier)
        refs: list[ray.ObjectRef] = self._verifiers[name].judge.options(num_returns=2).remote(generated.group)
        summary, payload = refs
        # the verifier itself ends a group at its timeout; this is the bound for a verifier that does not
        deadline = time.monotonic() + (self._config.verifier.group_timeout + GRACE_SECONDS) * (1 + len(self._judging))
        self._judging[summary] = Judging(generated, name, payload, deadline)

    def _judged(self, summary: ray.ObjectRef, judging: Judging) -> ReadyGroup:
        group_id = judging.generated.group_id
        try:
            judged = result(judging.worker, summary, f"judging group {group_id}", VerifierError)
            return ReadyGroup(judged, judging.payload)
        except SeedGrpoError:
            # a failed generation fails the judging that waits for it: name the culprit first
            generated = judging.generated
            result(generated.worker, generated.group, f"generating group {group_id}", RolloutError)
            raise

    def _call_rollout(self, method: str) -> None:
        calls = {name: call_engine(worker, method) for name, worker in self.rollout.items()}
        timeout = self._config.weight_sync.timeout + GRACE_SECONDS  # the engine's own limit comes first
        gather(calls, f"the rollout workers to {method}", timeout, RolloutError, self._say)

    @property
    def _generation_seconds(self) -> float:
        # the engine itself ends a request at its timeout; this is the bound for an engine that does not
        return self._config.rollout.request_timeout + GRACE_SECONDS

    def _check_deadlines(self) -> None:
        now = time.monotonic()
        late = [(g.worker, "generating", g.group_id) for g in self._generating.values() if now > g.deadline]
        late += [(j.worker, "judging", j.generated.group_id) for j in self._judging.values() if now > j.deadline]
        if late:
            worker, doing, group_id = late[0]
            raise DeadlineError(
                f"{worker} is past its deadline {doing} group {group_id} ({len(late)} groups are late; "
                f"{len(self._generating)} are being generated, {len(self._judging)} judged)"
            )
