"""Fakes of everything that the controller drives, which record what was asked of them, and a world of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from group_summary import two_answers
from seed_grpo.config import Config
from seed_grpo.controller import Controller
from seed_grpo.errors import TrainerError
from seed_grpo.interfaces import Batch, Parts, Prompts, Recorder
from seed_grpo.messages import GroupSummary, GroupTask, Problem, StepResult, Verdict
from seed_grpo.runtime.queue import GroupQueue, ReadyGroup

STEPS, P, G = 4, 3, 2


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


class FakePipeline:
    """Judges at once; the groups come back in reverse order."""

    def __init__(self, engine: "FakeEngine") -> None:
        self.engine = engine
        self.tasks: list[GroupTask] = []
        self.rounds: list[int] = []
        """prompts of each"""
        self.pending: list[GroupTask] = []
        self.on_submit: Callable[[], None] = lambda: None

    def submit(self, tasks: list[GroupTask]) -> None:
        self.rounds.append(len(tasks))
        self.on_submit()
        self.tasks += tasks
        self.pending += tasks

    def collect(self) -> Iterator[ReadyGroup]:
        while self.pending:
            task = self.pending.pop()
            yield ReadyGroup(self.engine.summary(task), payload=task.group_id)


class FakeEngine:
    """The version that the last sync brought. Groups named in `invalid` have one valid completion, those in `old` are
    of the version before, and those in `right` and `wrong` have two right or two wrong ones."""

    def __init__(self) -> None:
        self.version = -1
        self.invalid: set[int] = set()
        self.old: set[int] = set()
        self.right: set[int] = set()
        self.wrong: set[int] = set()
        self.lengths_G = np.array([3, 4], dtype=np.int32)

    def summary(self, task: GroupTask) -> GroupSummary:
        version = self.version - (task.group_id in self.old)
        right_G = np.array([task.group_id not in self.wrong, task.group_id in self.right])
        return two_answers(
            task.group_id,
            problem_id=task.problem.id,
            verdicts_G=tuple(Verdict.CORRECT if right else Verdict.INCORRECT for right in right_G),
            rewards_G=right_G.astype(np.float32),
            valid_G=np.array([True, task.group_id not in self.invalid]),
            lengths_G=self.lengths_G,
            version_min=version,
            version_max=version,
        )


class FakeTrainer:
    """Its weights are the list of groups that it was trained on. `skips` gives, by the number of the call, the places
    of the groups whose update it skips, and `fails` the call that fails."""

    def __init__(self) -> None:
        self.calls = 0
        self.skips: dict[int, tuple[int, ...]] = {}
        self.fails: int | None = None
        self.trained: list[int] = []
        self.advantages: list[np.ndarray] = []

    def step(self, groups: list[ReadyGroup], advantages_PG: list[np.ndarray]) -> StepResult:
        self.calls += 1
        if self.calls == self.fails:
            raise TrainerError("three updates in a row were not finite")
        skipped = self.skips.get(self.calls, ())
        self.trained += [group.payload for place, group in enumerate(groups) if place not in skipped]
        self.advantages += advantages_PG
        return StepResult({"loss": 0.5}, {"optimizer": 0.1}, skipped)

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path) -> None: ...


class FakeSync:
    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.versions: list[int] = []

    def push(self, version: int) -> float:
        self.versions.append(version)
        self.engine.version = version
        return 1e-7


class FakeCheckpoints:
    """A disk that outlives the controller."""

    def __init__(self) -> None:
        self.saved: list[tuple[dict[str, Any], list[int]]] = []

    def save(self, step: int, state: dict[str, Any], trainer: FakeTrainer) -> None:
        self.saved.append((state, list(trainer.trained)))

    def load(self, trainer: FakeTrainer) -> dict[str, Any] | None:
        if not self.saved:
            return None
        state, trained = self.saved[-1]
        trainer.trained = list(trained)
        return state


class FakeRecorder:
    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.metrics: list[dict[str, float]] = []
        self.truncated: list[int] = []
        self.evaluated: list[int] = []

    def step(self, batch: Batch, metrics: dict[str, float], seconds: dict[str, float]) -> None:
        assert {"rollout", "train", "weight_sync", "train/optimizer", "total"} <= set(seconds)
        self.batches.append(batch)
        self.metrics.append(metrics)

    def truncate_after(self, step: int) -> None:
        self.truncated.append(step)

    def evaluate(self, step: int) -> None:
        self.evaluated.append(step)


class World:
    """All fakes, and a controller over them."""

    def __init__(
        self,
        checkpoints: FakeCheckpoints | None = None,
        prompts: Prompts | None = None,
        recorder: Recorder | None = None,
        **changes: Any,
    ) -> None:
        self.engine = FakeEngine()
        self.pipeline = FakePipeline(self.engine)
        self.trainer = FakeTrainer()
        self.sync = FakeSync(self.engine)
        self.recorder = FakeRecorder()
        self.checkpoints = checkpoints or FakeCheckpoints()
        parts = Parts(
            prompts=prompts or FakePrompts(),
            pipeline=self.pipeline,
            queue=GroupQueue(capacity=P),
            trainer=self.trainer,
            sync=self.sync,
            evaluator=self.recorder,
            recorder=recorder or self.recorder,
            checkpoints=self.checkpoints,
        )
        self.controller = Controller(config(**changes), parts)
