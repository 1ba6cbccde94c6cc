"""Interfaces of the parts that the controller drives.

Each names where its implementation lives. The controller and its tests see nothing else of the runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from seed_grpo.loop.batch import Batch, OpenGroups, ReadyGroup
from seed_grpo.messages import GroupTask, JudgedGroup, Problem, StepResult


class Prompts(Protocol):
    """The prompt source; see `data.source.PromptSource`."""

    def take(self, count: int) -> Sequence[tuple[Problem, tuple[int, ...]]]:
        """The next `count` problems with their prompts' token ids."""
        ...

    def state(self) -> dict[str, Any]:
        """The position in the data, as JSON, for a checkpoint."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Continues from a position that `state` returned.

        Raises:
            CheckpointError: the problems are not those of then.
        """
        ...


class Sink(Protocol):
    """Receiver of the outcome of each submitted group."""

    def running(self, group_id: int) -> None:
        """A rollout worker has the group, perhaps anew, after another worker was lost."""
        ...

    def ready(self, group: ReadyGroup) -> None:
        """The group came back judged."""
        ...

    def lost(self, task: GroupTask, cause: str) -> None:
        """Workers failed on the group again and again, the last one by this cause."""
        ...


class Sampler(Protocol):
    """Workers that turn prompts into judged groups; see `runtime.workers.pipeline.Pipeline`."""

    @property
    def num_engines(self) -> int:
        """Target number of engines, including those still starting."""
        ...

    def submit(self, tasks: Sequence[GroupTask], sink: Sink) -> None:
        """Dispatches tasks to the engines; later calls of `pump` report each group's outcome to `sink`."""
        ...

    def pump(self, timeout: float = 0.0) -> None:
        """Moves groups on and looks after the workers; waits up to `timeout` seconds for something to move.

        Raises:
            SeedGrpoError: too many workers had to be replaced.
        """
        ...

    def fetch(self, payload: Any) -> JudgedGroup | None:
        """The group behind a reference; None if it was lost with its machine."""
        ...


class Pipeline(Sampler, Protocol):
    """The sampler of a run, which can also be emptied and take up the groups of a checkpoint."""

    def reset(self) -> None:
        """Discards all groups on their way and aborts their requests."""
        ...

    def keep(self, judged: JudgedGroup) -> ReadyGroup:
        """Stores a group that was judged before, and returns it as ready."""
        ...


class Queue(Protocol):
    """Judged groups that wait for the trainer; see `loop.queue.GroupQueue`."""

    def __len__(self) -> int:
        """Number of ready groups."""
        ...

    def put(self, group: ReadyGroup) -> None:
        """Adds a group; one id enters once, and no more groups than the capacity."""
        ...

    def all(self) -> list[ReadyGroup]:
        """The ready groups, the most urgent first; they stay in the queue."""
        ...

    def remove(self, group_ids: Iterable[int]) -> None:
        """Takes groups out, which must be there."""
        ...

    def clear(self) -> None:
        """Takes all groups out."""
        ...


class Trainer(Protocol):
    """All trainer ranks; see `runtime.workers.trainer_group.TrainerGroup`.

    Every method raises `TrainerLostError` where a rank is gone. After `restart` the ranks are as at the start of the
    run, until `load`.
    """

    def fetch(self, groups: Sequence[ReadyGroup]) -> list[int]:
        """Brings the groups' payloads to the ranks; returns the ids of those whose payload is lost."""
        ...

    def step(
        self, groups: Sequence[ReadyGroup], advantages_PG: Sequence[np.ndarray], meanwhile: Callable[[], None]
    ) -> StepResult:
        """Makes one optimiser step on groups that were fetched; `meanwhile` is called again and again until it ends.

        Args:
            advantages_PG: [P] arrays [G], scaled.
        """
        ...

    def save(self, folder: Path) -> None:
        """Writes each rank's part of a checkpoint."""
        ...

    def load(self, folder: Path) -> None:
        """Continues from a checkpoint.

        Raises:
            CheckpointError: it is damaged, or of another model.
        """
        ...

    def export(self, folder: Path) -> None:
        """Writes the policy as a Hugging Face model."""
        ...

    def restart(self, cause: Exception) -> None:
        """Starts all ranks anew.

        Raises:
            SeedGrpoError: too many workers had to be replaced.
        """
        ...


class Synced(NamedTuple):
    """Result of a weight sync."""

    difference: float
    """largest |difference| of a log-probability of the canary's probe, in nats, over all engines"""
    seconds: Mapping[str, float]
    """wall-clock by phase"""


class WeightSync(Protocol):
    """Publishes weight versions; see `runtime.weight_publisher.WeightPublisher`."""

    def publish(self, version: int) -> Synced:
        """Brings the trainer's weights to every rollout worker as `version`, and proves that they are there.

        Raises:
            WeightSyncError: all engines failed the proof twice, or the transport failed twice.
            TrainerLostError: a trainer rank is gone.
        """
        ...

    @property
    def is_awaited(self) -> bool:
        """Tells whether a rollout worker waits for weights, to join."""
        ...


class Evaluator(Protocol):
    """Evaluation on held-out problems during a run; see `evaluate.held_out.Evaluator`."""

    def evaluate(self, step: int, stopping: Callable[[], bool]) -> bool:
        """Evaluates and records the policy of a step; gives up once `stopping` returns True.

        Returns:
            whether the policy is better than at all steps before.
        """
        ...


class Recorder(Protocol):
    """Records of a run; see `records.recorder.Recorder`."""

    def step(self, batch: Batch, metrics: Mapping[str, float], seconds: Mapping[str, float]) -> None:
        """Records an optimiser step: its groups, its metrics, and its wall-clock seconds by stage."""
        ...

    def unrewarded(self, step: int, round_name: str, groups: Sequence[ReadyGroup]) -> None:
        """Reports a round of a step in which rewards failed, and no group can be trained on."""
        ...

    def truncate_after(self, step: int) -> None:
        """Removes the records of later steps."""
        ...


class Checkpoints(Protocol):
    """See `runtime.checkpoints.Checkpoints`."""

    def save(self, step: int, state: dict[str, Any], groups: OpenGroups, trainer: Trainer) -> None:
        """Writes a checkpoint, whole or not at all.

        Args:
            state: of the controller and its parts, as JSON.
        """
        ...

    def load(self, trainer: Trainer) -> tuple[dict[str, Any], OpenGroups] | None:
        """Brings the trainer to the last checkpoint, and returns the rest of it; None if there is none.

        Raises:
            CheckpointError: it is damaged.
        """
        ...


@dataclass(frozen=True)
class Parts:
    """Everything that the controller drives."""

    prompts: Prompts
    pipeline: Pipeline
    queue: Queue
    trainer: Trainer
    sync: WeightSync
    evaluator: Evaluator | None
    recorder: Recorder
    checkpoints: Checkpoints
