"""The trainer ranks as one: starts them together, hands them steps, and sends their weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.actor import ActorHandle
from ray.util.placement_group import PlacementGroup

from seed_grpo.config import Config
from seed_grpo.errors import SeedGrpoError, TrainerError, WeightSyncError
from seed_grpo.messages import StepResult
from seed_grpo.runtime.cluster import call_engine, spawn
from seed_grpo.runtime.placement import Plan
from seed_grpo.runtime.queue import ReadyGroup
from seed_grpo.runtime.trainer_worker import TrainerWorker
from seed_grpo.runtime.waiting import Say, gather


class RayReceivers:
    """The rollout workers, as the sending trainer rank calls them; see `weight_sync.interface.Receivers`."""

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


class TrainerPool:
    """All ranks."""

    def __init__(self, config: Config, plan: Plan, gang: PlacementGroup, loopback: bool, say: Say) -> None:
        """Starts the ranks, one on each bundle of the gang, without waiting for them; `wait_started` does.

        Args:
            loopback: the ranks meet on this machine's loopback address.
        """
        self._config = config
        self._loopback = loopback
        self._say = say
        self._timeout = config.trainer.step_timeout
        self._ranks = {
            name: spawn(TrainerWorker, plan.trainer, name, config, rank, gang=gang, bundle=rank)
            for rank, name in enumerate(plan.trainer.names())
        }
        self._starting = self._each("start", *self._endpoint())

    def wait_started(self) -> None:
        """Waits until all ranks hold the model.

        Raises:
            ModelError, TrainerError, DeadlineError: a rank did not come up.
        """
        self._gather(self._starting, "the trainer ranks to start", self._config.trainer.start_timeout)

    def connect(self, rollout_workers: Mapping[str, ActorHandle]) -> None:
        """Opens the transport of weights to the rollout workers.

        Raises:
            WeightSyncError: it could not be opened.
        """
        timeout = self._config.weight_sync.timeout
        receivers = RayReceivers(rollout_workers, self._config.rollout.tensor_parallel_size, timeout)
        calls = self._each("connect", receivers, *self._endpoint())
        gather(calls, "the weight transport to open", 2 * timeout, WeightSyncError, self._say)

    def sync(self, version: int) -> None:
        """Sends the present weights to the rollout workers.

        Raises:
            WeightSyncError: they did not arrive.
        """
        timeout = 4 * self._config.weight_sync.timeout  # each phase has its own deadline within
        gather(self._each("sync", version), "the weight sync", timeout, WeightSyncError, self._say)

    def step(self, groups: Sequence[ReadyGroup], advantages_PG: Sequence[np.ndarray]) -> StepResult:
        """One step on all ranks.

        Raises:
            TrainerError: a rank failed, or too many updates in a row were not finite.
        """
        payloads = [group.payload for group in groups]
        return self._gather(self._each("step", payloads, list(advantages_PG)), "the optimiser step")[0]

    def score(self, token_ids_T: np.ndarray) -> np.ndarray:
        """Log-probabilities [T-1] of a text under the present weights."""
        return self._gather(self._each("score", token_ids_T), "the trainer to score the probe")[0]

    def save(self, folder: Path) -> None:
        """Every rank writes its part of a checkpoint into the folder."""
        self._gather(self._each("save", folder), "the trainer to save")

    def load(self, folder: Path) -> None:
        """Every rank reads its part of a checkpoint."""
        self._gather(self._each("load", folder), "the trainer to load")

    def export(self, folder: Path) -> None:
        """Writes the policy as a Hugging Face model."""
        self._gather(self._each("export", folder), "the trainer to export the policy")

    def _each(self, method: str, *arguments: Any) -> dict[str, ray.ObjectRef]:
        return {name: getattr(worker, method).remote(*arguments) for name, worker in self._ranks.items()}

    def _gather(self, calls: Mapping[str, ray.ObjectRef], what: str, timeout: float | None = None) -> list[Any]:
        return gather(calls, what, timeout or self._timeout, TrainerError, self._say)

    def _endpoint(self) -> tuple[str, int]:
        name, first = next(iter(self._ranks.items()))
        call = {name: first.endpoint.remote(self._loopback)}
        return self._gather(call, "the first trainer rank to come up", self._config.trainer.start_timeout)[0]
