"""Fakes of everything that the controller drives, which record what was asked of them, and a world of them."""

import json
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seed_grpo.config import Config
from seed_grpo.errors import TrainerError, TrainerLostError
from seed_grpo.loop.batch import Batch, OpenGroups, ReadyGroup
from seed_grpo.loop.controller import Controller
from seed_grpo.loop.interfaces import Parts, Prompts, Recorder, Synced
from seed_grpo.loop.queue import GroupQueue
from seed_grpo.messages import Problem, StepResult
from support.fake_pipeline import FakeEngine, FakePipeline

STEPS, P, G = 4, 3, 2
RUN = Path("unused").resolve()
"""the run directory"""


def config(**changes: Any) -> Config:
    tree: dict[str, Any] = {
        "run": {"directory": "unused", "steps": STEPS, "checkpoint_every": 2},
        "model": {"path": "unused"},
        "data": {"source": "unused"},
        "rollout": {"prompts_per_step": P, "completions_per_prompt": G},
        "evaluation": {"data": {"source": "unused"}, "every": 3},
    }
    return Config.model_validate(tree | changes)


class FakePrompts:
    def __init__(self) -> None:
        self.position = 0

    def take(self, count: int) -> list[tuple[Problem, tuple[int, ...]]]:
        taken = [(Problem(f"p{self.position + i}", "?", ("1",)), (1, 2)) for i in range(count)]
        self.position += count
        return taken

    def state(self) -> dict[str, Any]:
        return {"position": self.position}

    def restore(self, state: dict[str, Any]) -> None:
        self.position = state["position"]


class FakeTrainer:
    """Its weights are the list of groups that it was trained on. `skips` gives, by the number of the call, the places
    of the groups whose update it skips, and `fails` the call that fails. Where `dies` says so of a method, its ranks
    are lost, until they are restarted."""

    def __init__(self, pipeline: FakePipeline) -> None:
        self.pipeline = pipeline
        self.calls = 0
        self.begun = 0
        """steps that it was given"""
        self.pumps = 1
        """times that others may move during a step"""
        self.skips: dict[int, tuple[int, ...]] = {}
        self.fails: int | None = None
        self.dies: Callable[[str], bool] = lambda _: False
        self.lost: TrainerLostError | None = None
        self.restarts = 0
        self.trained: list[int] = []
        self.advantages: list[np.ndarray] = []
        self.exported: list[Path] = []
        self._fetched: set[int] = set()

    def reach(self, method: str) -> None:
        """Notes that a method was reached, or raises what a lost trainer would."""
        if self.lost is None and self.dies(method):
            self.lost = TrainerLostError(f"trainer-0 died in {method}")
        if self.lost is not None:
            raise self.lost

    def fetch(self, groups: Sequence[ReadyGroup]) -> list[int]:
        self.reach("fetch")
        self._fetched = {group.payload for group in groups} - self.pipeline.gone
        return [group.payload for group in groups if group.payload in self.pipeline.gone]

    def step(
        self, groups: Sequence[ReadyGroup], advantages_PG: Sequence[np.ndarray], meanwhile: Callable[[], None]
    ) -> StepResult:
        assert {group.payload for group in groups} <= self._fetched
        self.begun += 1
        for _ in range(self.pumps):
            meanwhile()
        self.reach("step")
        self.calls += 1
        if self.calls == self.fails:
            raise TrainerError("three updates in a row were not finite")
        skipped = self.skips.get(self.calls, ())
        self.trained += [group.payload for place, group in enumerate(groups) if place not in skipped]
        self.advantages += advantages_PG
        return StepResult({"loss": 0.5, "tokens": 40.0}, {"optimizer": 0.1}, skipped)

    def save(self, folder: Path) -> None:
        self.reach("save")

    def load(self, folder: Path) -> None:
        self.reach("load")

    def export(self, folder: Path) -> None:
        self.reach("export")
        self.exported.append(folder)

    def restart(self, cause: Exception) -> None:
        assert cause is self.lost
        self.lost, self.trained, self._fetched = None, [], set()
        self.restarts += 1


class FakeSync:
    """`awaited` is whether a worker waits for weights, to join."""

    def __init__(self, engine: FakeEngine, trainer: FakeTrainer) -> None:
        self.engine = engine
        self.trainer = trainer
        self.versions: list[int] = []
        self.is_awaited = False

    def publish(self, version: int) -> Synced:
        self.trainer.reach("publish")
        self.versions.append(version)
        self.engine.version = version
        self.is_awaited = False
        return Synced(1e-7, {"send": 0.25})


@dataclass(frozen=True)
class Saved:
    """A checkpoint, as it is on a disk."""

    step: int
    state: str
    groups: bytes
    trained: tuple[int, ...]

    @property
    def open(self) -> OpenGroups:
        return pickle.loads(self.groups)

    @property
    def unfinished(self) -> list[int]:
        """Ids of the groups that are to be sampled anew."""
        return [task.group_id for task in self.open.tasks]


class FakeCheckpoints:
    """A disk that outlives the controller."""

    def __init__(self, saved: Sequence[Saved] = ()) -> None:
        self.saved = list(saved)

    def save(self, step: int, state: dict[str, Any], groups: OpenGroups, trainer: FakeTrainer) -> None:
        trainer.save(Path("unused"))
        self.saved.append(Saved(step, json.dumps(state), pickle.dumps(groups), tuple(trainer.trained)))

    def load(self, trainer: FakeTrainer) -> tuple[dict[str, Any], OpenGroups] | None:
        if not self.saved:
            return None
        trainer.load(Path("unused"))
        trainer.trained = list(self.saved[-1].trained)
        return json.loads(self.saved[-1].state), self.saved[-1].open


class FakeRecorder:
    """Also the evaluator."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.metrics: list[dict[str, float]] = []
        self.truncated: list[int] = []
        self.evaluated: list[int] = []
        self.best: set[int] = set()

    def step(self, batch: Batch, metrics: dict[str, float], seconds: dict[str, float]) -> None:
        assert {"rollout", "train", "weight_sync", "train/optimizer", "weight_sync/send", "total"} <= set(seconds)
        self.batches.append(batch)
        self.metrics.append(metrics)

    def truncate_after(self, step: int) -> None:
        self.truncated.append(step)
        kept = sum(batch.step <= step for batch in self.batches)
        del self.batches[kept:], self.metrics[kept:]

    def evaluate(self, step: int, stopping: Callable[[], bool]) -> bool:
        assert not self.batches or self.batches[-1].step == step  # what is evaluated is on record
        if not stopping():
            self.evaluated.append(step)
        return step in self.best


class World:
    """All fakes, and a controller over them. The queue holds no more than the configuration asks for at the least."""

    def __init__(
        self,
        checkpoints: FakeCheckpoints | None = None,
        prompts: Prompts | None = None,
        recorder: Recorder | None = None,
        **changes: Any,
    ) -> None:
        made = config(**changes)
        steps_open = 1 + made.run.max_staleness + made.algo.dynamic_sampling_rounds
        self.engine = FakeEngine()
        self.pipeline = FakePipeline(self.engine)
        self.queue = GroupQueue(capacity=made.rollout.prompts_per_step * steps_open)
        self.trainer = FakeTrainer(self.pipeline)
        self.sync = FakeSync(self.engine, self.trainer)
        self.recorder = FakeRecorder()
        self.checkpoints = checkpoints or FakeCheckpoints()
        parts = Parts(
            prompts=prompts or FakePrompts(),
            pipeline=self.pipeline,
            queue=self.queue,
            trainer=self.trainer,
            sync=self.sync,
            evaluator=self.recorder,
            recorder=recorder or self.recorder,
            checkpoints=self.checkpoints,
        )
        self.controller = Controller(made, parts)

    def run(self) -> None:
        self.controller.run()
