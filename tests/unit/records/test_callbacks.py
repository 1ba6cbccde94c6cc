"""A caller's own functions: told once of each step, and what they raise ends the run with a checkpoint."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from seed_grpo.loop.batch import Batch
from seed_grpo.records.callbacks import Callbacks
from seed_grpo.testing import FakeCheckpoints, FakeRecorder, World
from seed_grpo.testing.fake_world import STEPS, P


class Telling(FakeRecorder):
    """A recorder with callbacks, as the program's has them: called once all is kept."""

    def __init__(self, callbacks: Callbacks) -> None:
        super().__init__()
        self.callbacks = callbacks

    def step(self, batch: Batch, metrics: Mapping[str, float], seconds: Mapping[str, float]) -> None:
        super().step(batch, metrics, seconds)
        self.callbacks.step(batch.step, metrics)


def world_of(
    on_step: Callable[[int, Mapping[str, float]], None], checkpoints: FakeCheckpoints | None = None
) -> tuple[World, Telling, list[str]]:
    """A world whose recorder calls `on_step`, and what is logged."""
    logged: list[str] = []
    recorder = Telling(Callbacks(on_step, None, logged.append))
    world = World(checkpoints=checkpoints, recorder=recorder)
    recorder.callbacks.stop = world.controller.request_stop
    return world, recorder, logged


def test_each_step_is_told_once_in_order_with_its_metrics() -> None:
    told: list[tuple[int, Mapping[str, float]]] = []
    world, recorder, _ = world_of(lambda step, metrics: told.append((step, metrics)))
    world.run()
    recorder.callbacks.check()
    assert [step for step, _ in told] == [1, 2, 3, 4]
    assert told[0][1] == {"loss": 0.5, "tokens": 40.0, "canary_logprob_difference": 1e-7}


def test_a_failing_callback_ends_the_run_with_a_checkpoint() -> None:
    """It fails on step 1, which is recorded while the groups of step 2 are awaited: they are kept as they are."""
    told: list[int] = []

    def on_step(step: int, metrics: Mapping[str, float]) -> None:
        told.append(step)
        raise LookupError("no such plot")

    world, recorder, logged = world_of(on_step)
    world.run()
    assert told == [1]
    assert logged == ["on_step failed at step 1 with LookupError: no such plot; stopping with a checkpoint"]
    assert world.controller.step == world.checkpoints.saved[-1].step == 1  # were it raised at once: no checkpoint yet
    assert [batch.step for batch in recorder.batches] == [1]
    with pytest.raises(LookupError, match="no such plot") as raised:
        recorder.callbacks.check()
    assert "raised by on_step at step 1" in raised.value.__notes__[0]

    again: list[int] = []
    resumed, _, _ = world_of(lambda step, _: again.append(step), FakeCheckpoints(world.checkpoints.saved))
    resumed.run()
    assert again == [2, 3, 4]  # steps that are on record are not told anew
    assert sorted(resumed.trainer.trained) == list(range(STEPS * P))  # each group exactly once


def test_a_step_made_anew_is_not_told_again() -> None:
    """The ranks die in step 4, and the run goes back to the checkpoint of step 2."""
    told: list[int] = []
    world, recorder, _ = world_of(lambda step, _: told.append(step))
    died: list[int] = []

    def dies(method: str) -> bool:
        if method == "step" and world.trainer.begun == 4 and not died:
            died.append(1)
            return True
        return False

    world.trainer.dies = dies
    world.run()
    assert world.trainer.restarts == 1 and recorder.truncated == [0, 2]
    assert told == [1, 2, 3, 4]  # without the guard: 1, 2, 3, 3, 4
    assert [batch.step for batch in recorder.batches] == [1, 2, 3, 4]


def test_evaluations_are_told_apart_from_steps() -> None:
    told: list[tuple[Any, ...]] = []
    callbacks = Callbacks(
        lambda *step: told.append(("step", *step)), lambda *step: told.append(("evaluation", *step)), told.append
    )
    callbacks.evaluation(0, {"accuracy": 0.5})
    callbacks.step(1, {"loss": 1})
    callbacks.evaluation(1, {"accuracy": 0.75})
    callbacks.evaluation(1, {"accuracy": 0.75})
    Callbacks(None, None, told.append).step(1, {})
    assert told == [
        ("evaluation", 0, {"accuracy": 0.5}),
        ("step", 1, {"loss": 1.0}),
        ("evaluation", 1, {"accuracy": 0.75}),
    ]


def test_what_ends_a_program_passes_at_once() -> None:
    def on_step(step: int, metrics: Mapping[str, float]) -> None:
        raise KeyboardInterrupt

    callbacks = Callbacks(on_step, None, print)
    with pytest.raises(KeyboardInterrupt):
        callbacks.step(1, {})
    assert callbacks.error is None
