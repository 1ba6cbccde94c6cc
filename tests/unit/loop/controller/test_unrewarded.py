"""Rewards that fail on all groups of a round, as while their server is down: the step samples others."""

from __future__ import annotations

import pytest

from seed_grpo.errors import VerifierError
from seed_grpo.loop.controller import MOST_UNREWARDED
from seed_grpo.loop.ledger import TOO_FEW_VALID, UNREWARDED
from seed_grpo.testing.fake_world import STEPS, P, World

DOWN = "the reward judge failed: no answer from http://judge\nTraceback"


def failing(*group_ids: int, **changes: object) -> World:
    world = World(**changes)  # type: ignore[arg-type]
    world.engine.faults = lambda group_id: DOWN if group_id in group_ids else ""
    return world


def test_a_step_whose_rewards_all_fail_samples_others() -> None:
    """Groups 0, 1, 2 of step 1 and 3, 4, 5 in their place fail; 6, 7, 8 are trained. Later steps are as ever."""
    world = failing(*range(6))
    world.run()
    assert world.trainer.trained == list(range(6, 6 + STEPS * P))
    assert world.controller.ledger.dropped == {UNREWARDED: 6}
    assert world.recorder.unrewarded_rounds == [(1, [0, 1, 2]), (1, [3, 4, 5])]
    # on record with the first step that there is, each once
    assert [tuple(lost) for lost in world.recorder.batches[0].lost] == [(i, f"p{i}", UNREWARDED) for i in range(6)]
    assert all(not batch.lost for batch in world.recorder.batches[1:])


def test_rewards_that_are_none_for_a_whole_step_are_sampled_anew_too() -> None:
    world = World()
    world.engine.none, world.engine.invalid = {0, 1}, {2}
    world.run()
    assert world.trainer.trained == list(range(3, 3 + STEPS * P))
    assert world.controller.ledger.dropped == {UNREWARDED: 3}
    world = World()
    world.engine.none = {*range(100)}
    with pytest.raises(VerifierError, match=r"since rewards are None for 2 of 2 judged completions of a group"):
        world.run()


def test_one_group_that_can_be_trained_on_makes_a_step() -> None:
    world = failing(0, 1)
    world.run()
    assert world.trainer.trained[:1] == [2] and not world.recorder.unrewarded_rounds
    assert world.controller.ledger.dropped == {TOO_FEW_VALID: 2}


@pytest.mark.parametrize("changes", [{}, {"algo": {"dynamic_sampling_rounds": 2}}, {"run": {"max_staleness": 2}}])
def test_rewards_that_go_on_failing_end_the_run_with_a_checkpoint(changes: dict[str, dict[str, object]]) -> None:
    run = {"directory": "unused", "steps": STEPS, "checkpoint_every": 3, **changes.get("run", {})}
    world = World(**{**changes, "run": run})  # whose queue has room for the groups of one round alone
    world.engine.faults = lambda group_id: DOWN if group_id >= P else ""
    with pytest.raises(
        VerifierError, match=r"step 2: 10 times in a row .* the reward judge failed: no answer"
    ) as ended:
        world.run()
    assert "Traceback" not in str(ended.value)
    assert len(world.recorder.unrewarded_rounds) == MOST_UNREWARDED
    assert [saved.step for saved in world.checkpoints.saved] == [1]  # though none was due before step 3

    world.engine.faults = lambda group_id: ""
    resumed = World(world.checkpoints, **{**changes, "run": run})
    resumed.run()
    ledger = resumed.controller.ledger
    assert resumed.controller.step == STEPS and ledger.trained == STEPS * P and not ledger.open
    assert sum(map(len, (batch.lost for batch in resumed.recorder.batches))) == ledger.dropped[UNREWARDED]
