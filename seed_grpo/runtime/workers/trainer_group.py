"""The trainer ranks as one: starts them together, gives them steps, and sends their weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.actor import ActorHandle
from ray.exceptions import RayActorError, RayError
from ray.util.placement_group import PlacementGroup

from seed_grpo.config import Config
from seed_grpo.errors import DeadlineError, SeedGrpoError, TrainerError, TrainerLostError, WeightSyncError
from seed_grpo.loop.batch import ReadyGroup
from seed_grpo.messages import StepResult
from seed_grpo.runtime.cluster.calls import Log, as_ours, fetch, gather
from seed_grpo.runtime.cluster.connection import call_engine, spawn, wait_for_gang
from seed_grpo.runtime.cluster.placement import Plan
from seed_grpo.runtime.supervision.heartbeats import Heartbeat, WorkerState
from seed_grpo.runtime.supervision.supervise import Supervision
from seed_grpo.runtime.workers.probes import watch
from seed_grpo.train.worker import TrainerWorker

ALIVE_SECONDS = 15.0
"""seconds for the ranks to show that they live, after a call failed"""


class RayReceivers:
    """The rollout workers, as the sending trainer rank calls them; see `weight_sync.base.Receivers`."""

    def __init__(self, workers: Mapping[str, ActorHandle], world_size: int, timeout: float) -> None:
        self.names = tuple(workers)
        self.world_sizes = (world_size,) * len(workers)
        self._workers = dict(workers)
        self._timeout = timeout

    def call(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> None:
        """Calls a method on all, each with its own arguments."""
        calls = {
            name: call_engine(worker, method, *own)
            for (name, worker), own in zip(self._workers.items(), arguments, strict=True)
        }
        try:
            gather(calls, f"the rollout workers to {method.replace('_', ' ')}", self._timeout, WeightSyncError)
        except WeightSyncError:
            raise
        except SeedGrpoError as error:
            raise WeightSyncError(str(error)) from error


class TrainerGroup:
    """All ranks. They live and die together: if one is lost, all are started anew, and the run continues from its last
    checkpoint. Every method raises `TrainerLostError` in that case."""

    def __init__(self, config: Config, plan: Plan, gang: PlacementGroup, supervision: Supervision, log: Log) -> None:
        """Starts the ranks, one on each bundle of the gang, without waiting for them; `wait_started` does."""
        self._config = config
        self._plan = plan
        self._gang = gang
        self._supervision = supervision
        self._log = log
        self.incarnation = 0
        """number of times the ranks were started anew"""
        self.device_name = ""
        """name of the first rank's GPU, once the ranks are up; empty without one"""
        self._doing = "nothing"
        self._spawn()

    def actors(self) -> dict[str, Any]:
        """Ray actors by the names of the ranks."""
        return dict(self._ranks)

    def facts(self) -> dict[str, str]:
        """The ranks' present activity, for hang reports."""
        return {"trainer": self._doing}

    def wait_started(self) -> None:
        """Waits until all ranks hold the model; if one dies meanwhile, all are started anew.

        Raises:
            ModelError, TrainerError: a rank did not come up.
        """
        try:
            self._wait_up()
        except TrainerLostError as error:
            self.restart(error)

    def restart(self, cause: Exception) -> None:
        """Ends what is left of the ranks and starts them anew, with the model that the run began with.

        Raises:
            SeedGrpoError: too many workers had to be replaced.
        """
        began = time.monotonic()
        while True:
            self._tell(WorkerState.DEAD)
            for actor in self._ranks.values():
                ray.kill(actor)
            self._supervision.budget.charge(cause)
            self._supervision.events.record("failed", "trainer", f"the trainer ranks are started anew: {cause}")
            self.incarnation += 1
            try:
                poll = self._supervision.monitor.poll
                wait_for_gang(self._gang, self._plan, self._config.trainer.start_timeout, poll)
                self._spawn()
                self._wait_up()
            except TrainerLostError as error:
                cause = error
            else:
                break
        seconds = time.monotonic() - began
        text = f"the trainer ranks are back after {seconds:.1f} s"
        self._supervision.events.record("recovered", "trainer", text, seconds=seconds)

    def connect(self, rollout_workers: Mapping[str, ActorHandle]) -> None:
        """Opens the transport of weights to the rollout workers, and drops the previous one.

        Raises:
            WeightSyncError: it could not be opened.
        """
        timeout = self._config.weight_sync.timeout
        receivers = RayReceivers(rollout_workers, self._config.rollout.tensor_parallel_size, timeout)
        calls = self._each("connect", receivers, *self._endpoint())
        self._wait(calls, "the weight transport to open", 2 * timeout, WeightSyncError)

    def send(self, version: int) -> None:
        """Sends the present weights to the rollout workers.

        Raises:
            WeightSyncError: they did not arrive.
        """
        timeout = 4 * self._config.weight_sync.timeout  # each phase has its own deadline within
        self._wait(self._each("send", version), "the weight sync", timeout, WeightSyncError)

    def weight_bytes(self) -> int:
        """Bytes that a sync sends to each engine."""
        return self._wait(self._each("weight_bytes"), "the trainer to count its weights")[0]

    def all_reduce(self, num_bytes: int) -> float:
        """Seconds that the ranks take to add up so many bytes, as they do with gradients."""
        return max(self._wait(self._each("all_reduce", num_bytes), "the trainer ranks to reach each other"))

    def fetch(self, groups: Sequence[ReadyGroup]) -> list[int]:
        """Has every rank get the payloads of a step's groups.

        Returns:
            ids of those that went with a machine; such a step must not be trained.
        """
        payloads = {group.summary.group_id: group.payload for group in groups}
        gone = self._wait(self._each("fetch", payloads), "the trainer to get the groups")
        return sorted({group_id for of_rank in gone for group_id in of_rank})

    def step(
        self, groups: Sequence[ReadyGroup], advantages_PG: Sequence[np.ndarray], meanwhile: Callable[[], None]
    ) -> StepResult:
        """Makes one optimiser step on all ranks, on groups that were fetched.

        Args:
            meanwhile: called many times a second.

        Raises:
            TrainerError: a rank failed, or too many updates in a row were not finite.
        """
        calls = self._each("step", [group.summary.group_id for group in groups], list(advantages_PG))
        return self._wait(calls, "the optimiser step", meanwhile=meanwhile)[0]

    def score(self, token_ids_T: np.ndarray) -> np.ndarray:
        """Log-probabilities [T-1] of a text under the present weights."""
        return self._wait(self._each("score", token_ids_T), "the trainer to score the probe")[0]

    def save(self, folder: Path) -> None:
        """Every rank writes its part of a checkpoint into the folder."""
        self._wait(self._each("save", folder), "the trainer to save")

    def load(self, folder: Path) -> None:
        """Every rank reads its part of a checkpoint."""
        self._wait(self._each("load", folder), "the trainer to load")

    def export(self, folder: Path) -> None:
        """Writes the policy as a Hugging Face model."""
        self._wait(self._each("export", folder), "the trainer to export the policy")

    def _spawn(self) -> None:
        suffix = f".{self.incarnation}" if self.incarnation else ""
        self._ranks = {
            name: spawn(
                TrainerWorker,
                self._plan.trainer,
                name + suffix,
                self._config,
                rank,
                fetch,
                gang=self._gang,
                bundle=rank,
            )
            for rank, name in enumerate(self._plan.trainer.names())
        }
        self._is_up = False
        self._tell(WorkerState.RESTARTING if self.incarnation else WorkerState.STARTING)
        self._hearts = {
            name: Heartbeat(partial(watch, actor), self._supervision.config) for name, actor in self._ranks.items()
        }

    def _wait_up(self) -> None:
        starting = self._each("start", *self._endpoint())
        what = "the trainer ranks to load the model and to prove it on packed sequences"
        self._wait(starting, what, self._config.trainer.start_timeout)
        pulses = {name: watch(actor) for name, actor in self._ranks.items()}
        for name, place in zip(pulses, self._wait(pulses, "the trainer ranks to say where they are"), strict=True):
            self._supervision.hang_report.register(name, *place)
        self.device_name = self._wait(self._each("device_name"), "the trainer ranks to name their devices")[0]
        self._is_up = True
        self._tell(WorkerState.HEALTHY)

    def _each(self, method: str, *arguments: Any) -> dict[str, ray.ObjectRef]:
        return {name: getattr(worker, method).remote(*arguments) for name, worker in self._ranks.items()}

    def _wait(
        self,
        calls: Mapping[str, ray.ObjectRef],
        what: str,
        timeout: float | None = None,
        error: type[SeedGrpoError] = TrainerError,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> list[Any]:
        self._doing = f"waiting for {what}"

        elsewhere: list[SeedGrpoError] = []

        def look() -> None:
            self._listen(what)
            self._supervision.monitor.poll()
            try:
                meanwhile()
            except SeedGrpoError as failure:
                elsewhere.append(failure)
                raise

        try:
            return gather(calls, what, timeout or self._config.trainer.step_timeout, error, self._log, look)
        except SeedGrpoError as failure:
            if failure in elsewhere or isinstance(failure, TrainerLostError):
                raise
            if isinstance(failure, DeadlineError):
                culprit = next((name for name in calls if name in str(failure)), "trainer")
                raise self._hung(culprit, failure) from failure
            self._check_alive(what, failure)
            raise
        finally:
            self._doing = f"done with {what}"

    def _listen(self, what: str) -> None:
        """Raises `TrainerLostError` if a rank is dead, or silent for too long."""
        limit = self._supervision.config.heartbeat_timeout if self._is_up else self._config.trainer.start_timeout
        for name, heart in self._hearts.items():
            try:
                silence = heart.silence()
            except RayError as failure:
                raise TrainerLostError(str(as_ours(name, failure, what, TrainerError))) from failure
            if silence > limit:
                setting = "supervision.heartbeat_timeout" if self._is_up else "trainer.start_timeout"
                said = f"{name} has not answered for {silence:.0f} s ({setting}={limit:g}): {what}"
                raise self._hung(name, DeadlineError(said))

    def _check_alive(self, what: str, failure: SeedGrpoError) -> None:
        """Raises `TrainerLostError` if a rank is dead. Its death also breaks the calls of the others, perhaps sooner,
        so a failed call may be its consequence."""
        if isinstance(failure.__cause__, RayActorError):
            raise TrainerLostError(str(failure)) from failure
        calls = {name: watch(actor) for name, actor in self._ranks.items()}
        try:
            gather(calls, f"a sign of life after {what} failed", ALIVE_SECONDS, TrainerError)
        except SeedGrpoError as dead:
            raise TrainerLostError(f"{dead}; {failure}") from failure

    def _hung(self, culprit: str, late: SeedGrpoError) -> TrainerLostError:
        self._supervision.write_down_hang(culprit, late)
        return TrainerLostError(str(late))

    def _tell(self, state: WorkerState) -> None:
        self._supervision.events.states("trainer", dict.fromkeys(self._plan.trainer.names(), state))

    def _endpoint(self) -> tuple[str, int]:
        name, first = next(iter(self._ranks.items()))
        call = {name: first.endpoint.remote()}
        return self._wait(call, "the first trainer rank to come up", self._config.trainer.start_timeout)[0]
