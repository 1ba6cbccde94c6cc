"""The loop on fakes that record what was asked of them, without Ray, torch engines or vLLM."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from group_summary import two_answers
from seed_grpo.config import Config
from seed_grpo.controller import STALE, TOO_FEW_VALID, Batch, Controller, Parts
from seed_grpo.errors import ConfigError, TrainerError
from seed_grpo.messages import GroupSummary, GroupTask, Problem, StepResult
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
        self.pending: list[GroupTask] = []

    def submit(self, tasks: list[GroupTask]) -> None:
        self.tasks += tasks
        self.pending += tasks

    def collect(self) -> Iterator[ReadyGroup]:
        while self.pending:
            task = self.pending.pop()
            yield ReadyGroup(self.engine.summary(task), payload=task.group_id)


class FakeEngine:
    """The version that the last sync brought; groups named in `invalid` have one valid completion."""

    def __init__(self) -> None:
        self.version = -1
        self.invalid: set[int] = set()
        self.old: set[int] = set()

    def summary(self, task: GroupTask) -> GroupSummary:
        version = self.version - (task.group_id in self.old)
        valid_G = np.array([True, task.group_id not in self.invalid])
        return two_answers(
            task.group_id, problem_id=task.problem.id, valid_G=valid_G, version_min=version, version_max=version
        )


class FakeTrainer:
    """Its weights are the list of groups that it was trained on."""

    def __init__(self) -> None:
        self.trained: list[int] = []
        self.advantages: list[np.ndarray] = []

    def step(self, groups: list[ReadyGroup], advantages_PG: list[np.ndarray]) -> StepResult:
        self.trained += [group.payload for group in groups]
        self.advantages += advantages_PG
        return StepResult({"loss": 0.5}, {"optimizer": 0.1})

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

    def __init__(self, checkpoints: FakeCheckpoints | None = None, **changes: Any) -> None:
        self.engine = FakeEngine()
        self.pipeline = FakePipeline(self.engine)
        self.trainer = FakeTrainer()
        self.sync = FakeSync(self.engine)
        self.recorder = FakeRecorder()
        self.checkpoints = checkpoints or FakeCheckpoints()
        parts = Parts(
            prompts=FakePrompts(),
            pipeline=self.pipeline,
            queue=GroupQueue(capacity=P),
            trainer=self.trainer,
            sync=self.sync,
            evaluator=self.recorder,
            recorder=self.recorder,
            checkpoints=self.checkpoints,
        )
        self.controller = Controller(config(**changes), parts)


def test_every_group_is_trained_once_in_the_order_of_issue() -> None:
    world = World()
    world.controller.run()
    assert world.trainer.trained == list(range(STEPS * P))
    assert world.controller.ledger.trained == STEPS * P
    assert not world.controller.ledger.open


def test_the_engine_has_the_weights_of_every_step_before_it_samples() -> None:
    world = World()
    world.controller.run()
    assert world.sync.versions == [0, 1, 2, 3, 4]
    # a loop that samples before it syncs would show the version of the step before
    assert [batch.groups[0].summary.version_min for batch in world.recorder.batches] == [0, 1, 2, 3]
    assert world.recorder.metrics[0]["canary_logprob_difference"] == 1e-7


def test_advantages_are_centered_and_scaled() -> None:
    """Rewards 1, 0: centered 1/2, -1/2. Two singletons of two: SE = SE_max, so x = alpha = 0.5, scale 1 - 0.5 = 0.5.
    Advantages 1/4, -1/4; without the scale they would be 1/2, -1/2, with a standard deviation in them 1/2, -1/2."""
    world = World(algo={"scale": {"kind": "linear", "alpha": 0.5}})
    world.controller.run()
    np.testing.assert_allclose(world.trainer.advantages[0], [0.25, -0.25])


def test_a_group_with_one_valid_completion_is_dropped_with_its_reason() -> None:
    world = World()
    world.engine.invalid = {1}
    world.controller.run()
    assert 1 not in world.trainer.trained
    assert world.controller.ledger.dropped == {TOO_FEW_VALID: 1}
    assert [(group.payload, reason) for group, reason in world.recorder.batches[0].dropped] == [(1, TOO_FEW_VALID)]


def test_a_group_of_older_weights_is_not_trained() -> None:
    """Invariant 2. Group 4 is of step 2 (version 1), but sampled by version 0."""
    world = World()
    world.engine.old = {4}
    world.controller.run()
    assert 4 not in world.trainer.trained
    assert world.controller.ledger.dropped == {STALE: 1}


def test_a_step_without_a_usable_group_is_an_error_that_says_what_to_change() -> None:
    world = World()
    world.engine.invalid = {0, 1, 2}
    with pytest.raises(TrainerError, match=r"step 1: all 3 groups were dropped .* raise verifier\.judge_timeout"):
        world.controller.run()


def test_checkpoints_and_evaluations_come_on_schedule() -> None:
    world = World()
    world.controller.run()
    assert [state["step"] for state, _ in world.checkpoints.saved] == [2, 4]
    assert world.recorder.evaluated == [0, 3, 4]  # before, every 3, after


def test_a_killed_run_resumes_as_if_nothing_had_happened() -> None:
    undisturbed = World()
    undisturbed.controller.run()

    killed = World()
    original = killed.trainer.step

    def dies_in_step_4(groups: Any, advantages_PG: Any) -> StepResult:
        if killed.controller.step == 3:
            raise RuntimeError("killed")
        return original(groups, advantages_PG)

    killed.trainer.step = dies_in_step_4  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="killed"):
        killed.controller.run()

    resumed = World(killed.checkpoints)
    resumed.controller.run()
    assert resumed.recorder.truncated == [2]  # the checkpoint of step 2; step 3 is made again
    assert resumed.sync.versions == [2, 3, 4]
    assert resumed.trainer.trained == undisturbed.trainer.trained
    # the very same prompts with the very same seeds
    assert resumed.pipeline.tasks == undisturbed.pipeline.tasks[2 * P :]
    assert resumed.controller.ledger.state() == undisturbed.controller.ledger.state()


def test_a_requested_stop_ends_after_the_step_with_a_checkpoint() -> None:
    world = World()
    original = world.recorder.step

    def stop_in_first_step(*arguments: Any) -> None:
        original(*arguments)
        world.controller.request_stop()

    world.recorder.step = stop_in_first_step  # type: ignore[method-assign]
    world.controller.run()
    assert world.controller.step == 1
    assert [state["step"] for state, _ in world.checkpoints.saved] == [1]


def test_a_run_past_its_last_step_says_so() -> None:
    world = World()
    world.controller.run()
    shorter = World(world.checkpoints, run={"directory": "x", "steps": 2})
    with pytest.raises(ConfigError, match=r"at step 4 already, past run\.steps=2; raise run\.steps"):
        shorter.controller.run()


def test_seeds_depend_on_run_seed_and_group_alone() -> None:
    first, second, other = World(), World(), World(run={"directory": "x", "steps": STEPS, "seed": 1})
    for world in (first, second, other):
        world.controller.run()
    seeds = [task.sampling.seed for task in first.pipeline.tasks]
    assert seeds == [task.sampling.seed for task in second.pipeline.tasks]
    assert len(set(seeds)) == STEPS * P
    assert not set(seeds) & {task.sampling.seed for task in other.pipeline.tasks}
