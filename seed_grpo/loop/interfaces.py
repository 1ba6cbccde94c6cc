"""What the controller drives, as interfaces, and the batch that passes between them.

Each names where its implementation lives. The controller and its tests see nothing else of the runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from seed_grpo.messages import GroupSummary, GroupTask, JudgedGroup, Problem, StepResult


class Ready(Protocol):
    """A judged group: its summary, and a reference that only the runtime reads."""

    @property
    def summary(self) -> GroupSummary: ...

    @property
    def payload(self) -> Any: ...


class Prompts(Protocol):
    """The prompt source; see `data.cursor.PromptSource`."""

    def take(self, count: int) -> Sequence[tuple[Problem, tuple[int, ...]]]: ...

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


class Sink(Protocol):
    """Who is told what becomes of the groups of a submission."""

    def running(self, group_id: int) -> None:
        """A rollout worker has it, perhaps anew, after another was lost."""
        ...

    def ready(self, group: Any) -> None:
        """It came back judged, as a `Ready`."""
        ...

    def lost(self, task: GroupTask, cause: str) -> None:
        """Workers failed on it again and again, the last one by this cause."""
        ...


class Pipeline(Protocol):
    """From prompts to judged groups; see `runtime.pipeline.Pipeline`."""

    def submit(self, tasks: Sequence[GroupTask], sink: Sink) -> None: ...

    def pump(self, timeout: float = 0.0) -> None: ...

    def reset(self) -> None: ...

    def fetch(self, payload: Any) -> JudgedGroup | None:
        """The group behind a reference; None where it went with a machine."""
        ...

    def keep(self, judged: JudgedGroup) -> Any:
        """A `Ready` of a group that was judged before."""
        ...


class Queue(Protocol):
    """Where judged groups wait; see `runtime.queue.GroupQueue`."""

    def __len__(self) -> int: ...

    def put(self, group: Any) -> None: ...

    def first(self, count: int) -> list[Any]: ...

    def remove(self, group_ids: Iterable[int]) -> None: ...

    def clear(self) -> None: ...


class Trainer(Protocol):
    """All trainer ranks; see `runtime.trainer_pool.TrainerPool`. Every method raises `TrainerLostError` where a rank is
    gone; after `restart` the ranks are as at the start of the run, until `load`."""

    def fetch(self, groups: Sequence[Any]) -> list[int]: ...

    def step(
        self, groups: Sequence[Any], advantages_PG: Sequence[np.ndarray], meanwhile: Callable[[], None]
    ) -> StepResult: ...

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path) -> None: ...

    def export(self, folder: Path) -> None: ...

    def restart(self, cause: Exception) -> None: ...


class Synced(NamedTuple):
    """What a weight sync tells of itself."""

    difference: float
    """largest |difference| of a log-probability of the canary's probe, in nats, over all engines"""
    seconds: Mapping[str, float]
    """wall-clock by phase"""


class WeightSync(Protocol):
    """Publishes weight versions; see `runtime.weight_publisher.WeightPublisher`."""

    def publish(self, version: int) -> Synced:
        """Brings the trainer's weights to every rollout worker as `version`, and proves that they are there."""
        ...

    @property
    def is_awaited(self) -> bool:
        """Whether a rollout worker waits for weights, to join."""
        ...


class Evaluator(Protocol):
    """See `evaluate.evaluator.Evaluator`."""

    def evaluate(self, step: int, stopping: Callable[[], bool]) -> bool:
        """Returns whether the policy is better than at all steps before it."""
        ...


class Recorder(Protocol):
    """See `runtime.recorder.Recorder`."""

    def step(self, batch: Batch, metrics: Mapping[str, float], seconds: Mapping[str, float]) -> None: ...

    def truncate_after(self, step: int) -> None: ...


@dataclass(frozen=True)
class OpenGroups:
    """The groups that a checkpoint finds neither trained nor dropped."""

    tasks: list[GroupTask]
    """pending or running, to be sampled anew"""
    judged: list[JudgedGroup]
    """ready, with all that was sampled"""


class Checkpoints(Protocol):
    """See `runtime.checkpoints.Checkpoints`."""

    def save(self, step: int, state: dict[str, Any], groups: OpenGroups, trainer: Trainer) -> None: ...

    def load(self, trainer: Trainer) -> tuple[dict[str, Any], OpenGroups] | None: ...


class LostGroup(NamedTuple):
    """A group that workers failed on, again and again."""

    group_id: int
    problem_id: str


@dataclass(frozen=True)
class Batch:
    """What one optimiser step is made of."""

    step: int
    """from 1"""
    version: int
    """weight version that the step starts from"""
    rounds: int
    """of further prompts, which dynamic sampling took"""
    groups: list[Ready]
    """[P] trained"""
    dropped: list[tuple[Ready, str]]
    """sampled for the step but not trained, with their reasons"""
    lost: list[LostGroup]
    """given up since the step before, without having been judged"""
    scale_P: np.ndarray
    """[P] in [0, 1]"""
    overlong_PG: list[np.ndarray]
    """[P] arrays [G] in [-1, 0], that a completion's length adds to its reward"""
    advantages_PG: list[np.ndarray]
    """[P] arrays [G], scaled"""

    @property
    def sampled(self) -> list[Ready]:
        """All groups, trained or dropped, in the order of their issue."""
        return sorted([*self.groups, *(group for group, _ in self.dropped)], key=lambda g: g.summary.group_id)

    def without(self, places: Collection[int], reason: str) -> Batch:
        """The batch with the groups at these places dropped."""
        kept = [p for p in range(len(self.groups)) if p not in places]
        return replace(
            self,
            groups=[self.groups[p] for p in kept],
            dropped=[*self.dropped, *((self.groups[p], reason) for p in sorted(places))],
            scale_P=self.scale_P[kept],
            overlong_PG=[self.overlong_PG[p] for p in kept],
            advantages_PG=[self.advantages_PG[p] for p in kept],
        )


@dataclass(frozen=True)
class Parts:
    """What the controller drives."""

    prompts: Prompts
    pipeline: Pipeline
    queue: Queue
    trainer: Trainer
    sync: WeightSync
    evaluator: Evaluator | None
    recorder: Recorder
    checkpoints: Checkpoints
