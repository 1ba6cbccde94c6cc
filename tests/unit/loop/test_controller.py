"""The loop on fakes that record what was asked of them, without Ray, torch engines or vLLM."""

from typing import Any

import numpy as np
import pytest

from seed_grpo.errors import ConfigError, TrainerError
from seed_grpo.loop.ledger import NOT_FINITE, STALE, TOO_FEW_VALID
from seed_grpo.messages import StepResult
from support.controller_world import RUN, STEPS, P, World


def test_every_group_is_trained_once_in_the_order_of_issue() -> None:
    world = World()
    world.run()
    assert world.trainer.trained == list(range(STEPS * P))
    assert world.controller.ledger.trained == STEPS * P
    assert not world.controller.ledger.open


def test_the_engine_has_the_weights_of_every_step_before_it_samples() -> None:
    world = World()
    world.run()
    assert world.sync.versions == [0, 1, 2, 3, 4]
    # a loop that samples before it syncs would show the version of the step before
    assert [batch.groups[0].summary.version_min for batch in world.recorder.batches] == [0, 1, 2, 3]
    assert world.recorder.metrics[0]["canary_logprob_difference"] == 1e-7


def test_advantages_are_centered_and_scaled() -> None:
    """Rewards 1, 0: centered 1/2, -1/2. Two singletons of two: SE = SE_max, so x = alpha = 0.5, scale 1 - 0.5 = 0.5.
    Advantages 1/4, -1/4; without the scale they would be 1/2, -1/2, with a standard deviation in them 1/2, -1/2."""
    world = World(algo={"scale": {"kind": "linear", "alpha": 0.5}})
    world.run()
    np.testing.assert_allclose(world.trainer.advantages[0], [0.25, -0.25])


def test_a_group_with_one_valid_completion_is_dropped_with_its_reason() -> None:
    world = World()
    world.engine.invalid = {1}
    world.run()
    assert 1 not in world.trainer.trained
    assert world.controller.ledger.dropped == {TOO_FEW_VALID: 1}
    assert [(group.payload, reason) for group, reason in world.recorder.batches[0].dropped] == [(1, TOO_FEW_VALID)]


def test_a_group_of_older_weights_is_not_trained() -> None:
    """Invariant 2. Group 4 is of step 2 (version 1), but sampled by version 0."""
    world = World()
    world.engine.old = {4}
    world.run()
    assert 4 not in world.trainer.trained
    assert world.controller.ledger.dropped == {STALE: 1}


def test_a_step_without_a_usable_group_is_an_error_with_a_remedy() -> None:
    world = World()
    world.engine.invalid = {0, 1, 2}
    with pytest.raises(TrainerError, match=r"step 1: all 3 groups were dropped .* raise verifier\.judge_timeout"):
        world.run()


def test_checkpoints_and_evaluations_come_on_schedule() -> None:
    world = World()
    world.run()
    assert [saved.step for saved in world.checkpoints.saved] == [2, 4]
    assert world.recorder.evaluated == [0, 3, 4]  # before, every 3, after


def test_a_killed_run_resumes_as_if_nothing_had_happened() -> None:
    undisturbed = World()
    undisturbed.run()

    killed = World()
    original = killed.trainer.step

    def dies_in_step_4(*arguments: Any) -> StepResult:
        if killed.controller.step == 3:
            raise RuntimeError("killed")
        return original(*arguments)

    killed.trainer.step = dies_in_step_4  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="killed"):
        killed.run()

    resumed = World(killed.checkpoints)
    resumed.run()
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
    world.run()
    assert world.controller.step == 1
    assert [saved.step for saved in world.checkpoints.saved] == [1]


def test_a_run_past_its_last_step_says_so() -> None:
    world = World()
    world.run()
    shorter = World(world.checkpoints, run={"directory": "x", "steps": 2})
    with pytest.raises(ConfigError, match=r"at step 4 already, past run\.steps=2; raise run\.steps"):
        shorter.run()


def test_seeds_depend_on_run_seed_and_group_alone() -> None:
    first, second, other = World(), World(), World(run={"directory": "x", "steps": STEPS, "seed": 1})
    for world in (first, second, other):
        world.run()
    seeds = [task.sampling.seed for task in first.pipeline.tasks]
    assert seeds == [task.sampling.seed for task in second.pipeline.tasks]
    assert len(set(seeds)) == STEPS * P
    assert not set(seeds) & {task.sampling.seed for task in other.pipeline.tasks}


def test_length_lowers_the_reward_before_the_advantage() -> None:
    """The last 4 of 10 tokens allowed are the margin, and lengths are 7 and 10: rewards 1 - 1/4 = 0.75 and 0 - 1 = -1,
    mean -0.125, advantages 0.875 and -0.875; without the punishment they would be 0.5 and -0.5."""
    rollout = {"prompts_per_step": P, "completions_per_prompt": 2, "max_completion_tokens": 10}
    world = World(rollout=rollout, algo={"overlong_tokens": 4, "scale": {"kind": "none"}})
    world.engine.lengths_G = np.array([7, 10], dtype=np.int32)
    world.run()
    np.testing.assert_allclose(world.trainer.advantages[0], [0.875, -0.875])
    batch = world.recorder.batches[0]
    np.testing.assert_allclose(batch.overlong_PG[0], [-0.25, -1.0])
    np.testing.assert_array_equal(batch.groups[0].summary.rewards_G, [1.0, 0.0])  # the record stays raw


def test_a_group_that_no_update_trained_is_dropped_and_the_run_goes_on() -> None:
    """Step 2 trains groups 3, 4, 5, and skips the update of the places 0 and 2."""
    world = World()
    world.trainer.skips = {2: (0, 2)}
    world.run()
    batch = world.recorder.batches[1]
    assert [group.payload for group in batch.groups] == [4]
    assert [(group.payload, reason) for group, reason in batch.dropped] == [(3, NOT_FINITE), (5, NOT_FINITE)]
    assert [len(batch.scale_P), len(batch.advantages_PG), len(batch.overlong_PG)] == [1, 1, 1]
    assert world.controller.ledger.dropped == {NOT_FINITE: 2}
    assert world.controller.ledger.trained == STEPS * P - 2 and not world.controller.ledger.open
    assert world.sync.versions == [0, 1, 2, 3, 4]


def test_a_step_whose_only_update_was_skipped_trains_nothing_and_counts() -> None:
    world = World()
    world.trainer.skips = {1: (0, 1, 2)}
    world.run()
    assert world.trainer.trained == [3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert world.recorder.batches[0].groups == [] and len(world.recorder.batches[0].sampled) == P
    assert world.controller.step == STEPS


def test_a_skipped_group_keeps_the_estimates_of_its_neighbours_in_place() -> None:
    """Group 0 has rewards 1, 0 and group 1 has 0, 0: the advantages that stay must be group 1's zeros."""
    world = World()
    world.engine.wrong = {1}
    world.trainer.skips = {1: (0,)}
    world.run()
    batch = world.recorder.batches[0]
    assert [group.payload for group in batch.groups] == [1, 2]
    assert [advantages_G.any() for advantages_G in batch.advantages_PG] == [False, True]


def test_the_trainer_giving_up_ends_the_run_before_the_step_is_on_record() -> None:
    world = World()
    world.trainer.fails = 4
    with pytest.raises(TrainerError, match="three updates in a row"):
        world.run()
    assert [batch.step for batch in world.recorder.batches] == [1, 2, 3]
    assert world.controller.step == 3 and [saved.step for saved in world.checkpoints.saved] == [2]
    resumed = World(world.checkpoints)
    resumed.run()
    assert resumed.trainer.trained == list(range(STEPS * P))


def test_the_policy_that_evaluates_best_so_far_is_exported() -> None:
    """Evaluations at 0, 3 and 4; that before training is the model that the run began with, which is there already."""
    world = World()
    world.recorder.best = {0, 3}
    world.run()
    assert world.recorder.evaluated == [0, 3, 4]
    assert world.trainer.exported == [RUN / "best", RUN / "policy"]
