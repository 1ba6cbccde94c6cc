"""Dynamic sampling: what is informative, what replaces what, and that a run with it resumes to the record."""

import json
from typing import Any

import numpy as np
import pytest

from seed_grpo.algo.dynamic_sampling import chosen_places, is_informative
from seed_grpo.data.source import PromptSource
from seed_grpo.errors import TrainerError
from seed_grpo.loop.ledger import REPLACED, STALE, TOO_FEW_VALID
from seed_grpo.messages import Problem, Verdict
from support.controller_world import STEPS, FakeCheckpoints, P, World

R, W, N, T = Verdict.CORRECT, Verdict.INCORRECT, Verdict.NO_ANSWER, Verdict.TIMED_OUT


@pytest.mark.parametrize(
    ("rewards", "valid", "informative"),
    [
        ((1, 0), (1, 1), True),
        ((1, 1, 0), (1, 1, 1), True),
        ((0.5, 0.75), (1, 1), True),  # by verdict both may be right
        ((1, 1), (1, 1), False),
        ((0.3, 0.3), (1, 1), False),
        ((1, 0), (1, 0), False),  # what is not valid has no reward, whatever stands there
        ((0, 0), (0, 0), False),
    ],
)
def test_informative_is_different_rewards(rewards: Any, valid: Any, informative: bool) -> None:
    assert is_informative(np.array(rewards, np.float32), np.array(valid, dtype=bool)) is informative


def test_the_first_uninformative_groups_fill_up_what_is_missing() -> None:
    informative = [False, True, False, False, True]
    assert chosen_places(informative, 2) == [1, 4]
    assert chosen_places(informative, 4) == [0, 1, 2, 4]  # the last ones would give [1, 2, 3, 4]
    assert chosen_places(informative, 9) == [0, 1, 2, 3, 4]
    with pytest.raises(AssertionError, match="2 informative groups were sampled for 1 places"):
        chosen_places(informative, 1)


def world(rounds: int, checkpoints: FakeCheckpoints | None = None, **changes: Any) -> World:
    return World(checkpoints, algo={"dynamic_sampling_rounds": rounds} | changes.pop("algo", {}), **changes)


def fates(made: World, step: int) -> tuple[list[int], dict[int, str]]:
    """Ids of the trained groups, and reasons of the dropped, of a step."""
    batch = made.recorder.batches[step - 1]
    return [group.payload for group in batch.groups], {group.payload: reason for group, reason in batch.dropped}


def test_a_round_replaces_exactly_what_is_missing() -> None:
    """One of groups 0, 1, 2 is informative: a round of 2, of which one is: a round of 1. The queue holds 3 groups, so
    rounds of 3 would also fit; the numbers of prompts tell."""
    made = world(rounds=5)
    made.engine.right, made.engine.wrong = {0}, {2, 4}
    made.run()
    assert made.pipeline.rounds == [3, 2, 1, 3, 3, 3]
    assert fates(made, 1) == ([1, 3, 5], {0: REPLACED, 2: REPLACED, 4: REPLACED})
    assert [batch.rounds for batch in made.recorder.batches] == [2, 0, 0, 0]
    assert fates(made, 2) == ([6, 7, 8], {})
    assert made.controller.ledger.dropped == {REPLACED: 3}
    problems = [task.problem.id for task in made.pipeline.tasks]
    assert problems == [f"p{i}" for i in range(STEPS * P + 3)]  # further prompts, none twice


def test_after_the_last_round_a_step_is_filled_in_order_of_issue() -> None:
    made = world(rounds=1)
    made.engine.right, made.engine.wrong = {0, 3}, {2}
    made.run()
    assert made.pipeline.rounds == [3, 2, 3, 3, 3]
    assert fates(made, 1) == ([0, 1, 4], {2: REPLACED, 3: REPLACED})
    assert not made.trainer.advantages[0].any() and made.trainer.advantages[1].any()


def test_no_rounds_train_every_group_as_it_comes() -> None:
    made = world(rounds=0)
    made.engine.right, made.engine.wrong = {0, 1, 2}, {5}
    made.run()
    assert made.trainer.trained == list(range(STEPS * P))
    assert made.pipeline.rounds == [P] * STEPS and made.controller.ledger.dropped == {}


def test_groups_dropped_for_other_reasons_are_missing_too() -> None:
    made = world(rounds=1)
    made.engine.invalid, made.engine.old = {3}, {4}  # of step 2, since nothing is older than step 1
    made.run()
    assert made.pipeline.rounds == [3, 3, 2, 3, 3]
    assert fates(made, 2) == ([5, 6, 7], {3: TOO_FEW_VALID, 4: STALE})


def test_what_is_not_usable_does_not_fill_up() -> None:
    """Two places are open after the last round: the all-right group 2 takes one, groups 0, 1 and 3 are not usable."""
    made = world(rounds=1)
    made.engine.invalid, made.engine.right = {0, 1, 3}, {2}
    made.run()
    assert made.pipeline.rounds[:2] == [3, 3]
    assert fates(made, 1) == ([2, 4, 5], {0: TOO_FEW_VALID, 1: TOO_FEW_VALID, 3: TOO_FEW_VALID})
    made = world(rounds=1)
    made.engine.invalid = {0, 1, 2, 3, 4, 5}
    with pytest.raises(TrainerError, match="all 6 groups were dropped"):
        made.run()


def test_length_does_not_make_a_group_informative() -> None:
    """Groups 0, 1, 2 are all right. Punished for their lengths, their rewards differ; their verdicts do not."""
    rollout = {"prompts_per_step": P, "completions_per_prompt": 2, "max_completion_tokens": 10}
    for rounds, expected in ((2, [3, 4, 5]), (0, [0, 1, 2])):
        made = world(rounds, algo={"overlong_tokens": 8}, rollout=rollout)
        made.engine.right = {0, 1, 2}
        made.run()
        assert fates(made, 1)[0] == expected
    assert made.trainer.advantages[0].any()  # with no rounds, length alone teaches


def test_every_group_is_trained_once_or_dropped_once() -> None:
    made = world(rounds=2)
    hard(made)
    made.run()
    ids = [group.payload for batch in made.recorder.batches for group in batch.sampled]
    assert ids == list(range(made.controller.ledger.next_group_id)) == [t.group_id for t in made.pipeline.tasks]
    assert all(len(batch.groups) == P for batch in made.recorder.batches)
    assert not made.controller.ledger.open
    assert len({task.sampling.seed for task in made.pipeline.tasks}) == len(ids)


def hard(made: World) -> World:
    """Every second group is all wrong, every seventh all right."""
    made.engine.wrong, made.engine.right = set(range(0, 100, 2)), set(range(7, 100, 14))
    return made


def source() -> PromptSource:
    """Seven prompts: a step goes over into the next epoch in the middle of a round."""
    return PromptSource([(Problem(f"p{i}", "?", ("1",)), (1, 2)) for i in range(7)], seed=3)


def assert_same_run(first: World, second: World, undisturbed: World) -> None:
    """The second, resumed from the first's checkpoint, ends where the undisturbed run does, on the same way."""
    done: set[int] = set()
    if first.checkpoints.saved:
        last = first.checkpoints.saved[-1]
        done = set(range(json.loads(last.state)["ledger"]["next_group_id"])) - set(last.unfinished)
    assert second.pipeline.tasks == [task for task in undisturbed.pipeline.tasks if task.group_id not in done]
    assert second.trainer.trained == undisturbed.trainer.trained
    assert second.controller.ledger.state() == undisturbed.controller.ledger.state()


@pytest.mark.parametrize("killed_in_call", range(1, 11))
def test_a_run_killed_in_any_round_resumes_as_if_nothing_had_happened(killed_in_call: int) -> None:
    undisturbed = hard(world(rounds=2, prompts=source()))
    undisturbed.run()
    assert len(undisturbed.pipeline.rounds) >= 10

    killed = hard(world(rounds=2, prompts=source()))

    def die() -> None:
        if len(killed.pipeline.rounds) == killed_in_call:
            raise RuntimeError("killed")

    killed.pipeline.on_submit = die
    with pytest.raises(RuntimeError, match="killed"):
        killed.run()
    resumed = hard(world(rounds=2, checkpoints=FakeCheckpoints(killed.checkpoints.saved), prompts=source()))
    resumed.run()
    assert_same_run(killed, resumed, undisturbed)


def test_a_run_stopped_between_rounds_goes_on_with_what_was_sampled() -> None:
    undisturbed = hard(world(rounds=2, prompts=source()))
    undisturbed.run()
    stopped = hard(world(rounds=2, prompts=source()))

    def stop() -> None:
        if len(stopped.pipeline.rounds) == 2:  # the first further round of step 1
            stopped.controller.request_stop()

    stopped.pipeline.on_submit = stop
    stopped.pipeline.finish = lambda running: running if len(stopped.pipeline.rounds) == 1 else []
    stopped.run()
    assert stopped.controller.step == 0 and [saved.step for saved in stopped.checkpoints.saved] == [0]
    assert stopped.recorder.batches == []
    assert [judged.group.task.group_id for judged in stopped.checkpoints.saved[0].open.judged] == [0, 1, 2]
    assert stopped.checkpoints.saved[0].unfinished == [3, 4]
    resumed = hard(world(rounds=2, checkpoints=FakeCheckpoints(stopped.checkpoints.saved), prompts=source()))
    resumed.run()
    assert resumed.recorder.batches[0].rounds == undisturbed.recorder.batches[0].rounds == 2
    assert_same_run(stopped, resumed, undisturbed)
