"""The loop with groups of several versions open, on fakes that finish them in any order: how old they may be, how many
are open, what waits for what."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from seed_grpo.errors import RolloutError, TrainerError
from seed_grpo.loop.ledger import LOST, REPLACED, TOO_FEW_VALID
from support.controller_world import P, World
from support.disorder import ages, audit, disordered, ids, watch_bounds
from support.fake_pipeline import Job

STEPS, SEEDS = 8, 30


def run_of(staleness: int, **changes: Any) -> dict[str, Any]:
    return {"directory": "x", "steps": STEPS, "max_staleness": staleness, "checkpoint_every": 3} | changes


def one_prompt(staleness: int, **changes: Any) -> World:
    """A world of steps of one prompt, in which nothing moves during a step."""
    rollout = {"prompts_per_step": 1, "completions_per_prompt": 2}
    world = World(run=run_of(staleness, **changes), rollout=rollout)
    world.trainer.pumps = 0
    return world


def arriving(*pumps: Sequence[int]) -> Callable[[list[Job]], list[Job]]:
    """Groups that each pump brings, by group id; after the last of them everything comes at once."""
    left = list(pumps)

    def finish(running: list[Job]) -> list[Job]:
        if not left:
            return running
        wanted = left.pop(0)
        found = [job for job in running if job.group_id in wanted]
        assert len(found) == len(wanted), f"{wanted} are to come, but {[job.group_id for job in running]} are running"
        return found

    return finish


def trained(world: World) -> list[list[int]]:
    """Group ids by step."""
    return [ids(batch.groups) for batch in world.recorder.batches]


@pytest.mark.parametrize("staleness", [0, 1, 2, 3])
def test_no_group_is_trained_that_is_too_old_and_none_is_dropped_for_it(staleness: int) -> None:
    """Invariants 1 and 2, whatever order groups come in."""
    oldest, most_open = 0, 0
    for seed in range(SEEDS):
        world = disordered(World(run=run_of(staleness)), random.Random(f"{staleness} {seed}"))
        counts = watch_bounds(world, (staleness + 1) * P)
        world.run()
        audit(world, world.recorder.batches, staleness, STEPS)
        assert world.controller.ledger.dropped == {}, seed
        oldest, most_open = max(oldest, *ages(world.recorder.batches)), max(most_open, *counts)
    assert oldest == staleness and most_open == (staleness + 1) * P  # all that is allowed is made use of


def test_groups_of_further_steps_are_generated_while_a_step_is_trained() -> None:
    """A step's worth more is open with k = 1. Each of the 3 steps looks once while it is trained."""
    world = World(run=run_of(1, steps=3))
    while_training: list[list[int]] = []
    world.pipeline.finish = arriving([0, 1, 2], [4], [3, 5], [8], [6, 7])
    step = world.trainer.step

    def watched(*arguments: Any) -> Any:
        while_training.append([job.group_id for job in world.pipeline.jobs])
        return step(*arguments)

    world.trainer.step = watched  # type: ignore[method-assign]
    world.run()
    assert while_training == [[3, 4, 5], [6, 7, 8], []]  # taking turns, nothing would ever be
    assert trained(world) == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert [batch.groups[0].summary.version_min for batch in world.recorder.batches] == [0, 0, 1]
    # group 4 came while step 1 was trained, 3 after the sync: begun by version 0, ended by 1
    assert [group.summary.version_max for group in world.recorder.batches[1].groups] == [1, 0, 1]


def test_a_slow_group_holds_up_the_step_after_which_it_would_be_too_old() -> None:
    """k = 1: group 0 is of version 0, as are 1 to 5. Step 1 goes on without it, step 2 must not: in step 3 it would be
    two versions old."""
    world = World(run=run_of(1, steps=4))
    world.trainer.pumps = 0
    waited: list[int] = []
    without = arriving([1, 2], [3], [4, 5, 6, 7, 8], [], [], [])

    def finish(running: list[Job]) -> list[Job]:
        waited.append(world.controller.step)
        return without(running)

    world.pipeline.finish = finish
    world.run()
    assert waited[:7] == [0, 0, 1, 1, 1, 1, 1]  # six groups are ready, and it waits for the one
    assert trained(world)[:2] == [[1, 2, 3], [0, 4, 5]]


def test_a_younger_group_waits_where_older_ones_would_become_too_old() -> None:
    """k = 2, a prompt a step: groups 0, 1, 2 are of version 0 and have to be trained by versions 0, 1, 2: all places.
    Group 3, of version 1, is there first, but if it were trained by version 1, then 1 or 2 were left for version 3."""
    world = one_prompt(2, steps=5)
    world.pipeline.finish = arriving([0], [3], [], [2], [1])
    world.run()
    assert trained(world) == [[0], [2], [1], [3], [4]]
    assert ages(world.recorder.batches) == [0, 1, 2, 2, 2]


def test_a_younger_group_goes_first_where_the_older_ones_can_wait() -> None:
    """k = 2, a prompt a step. Group 1 is begun anew by version 1, as its worker was lost: it may wait for version 3,
    and group 2, of version 0, for version 2. So 3 need not wait for them."""
    world = one_prompt(2, steps=5)
    arrivals = arriving([0], [3], [2], [1])

    def finish(running: list[Job]) -> list[Job]:
        for job in running:
            if world.controller.step == 1 and job.group_id == 1 and job.begun == 0:
                world.pipeline.start_anew(job)
        return arrivals(running)

    world.pipeline.finish = finish
    world.run()
    assert trained(world) == [[0], [3], [2], [1], [4]]
    assert ages(world.recorder.batches) == [0, 0, 2, 2, 2]


def test_a_group_without_any_token_takes_nobodys_place() -> None:
    """k = 1, two prompts a step. Groups 0 to 3 are of version 0, so version 1 has to train 2 and 3. Group 4 was aborted
    before its first token and is of no version: taken for the oldest, it would leave 3 to version 2, too old."""
    rollout = {"prompts_per_step": 2, "completions_per_prompt": 2}
    world = World(run=run_of(1, steps=4), rollout=rollout)
    world.trainer.pumps = 0
    world.engine.empty = {4}
    world.pipeline.finish = arriving([0, 1], [4], [2], [3])
    world.run()
    assert trained(world) == [[0, 1], [2, 3], [5, 6], [7]]
    assert world.controller.ledger.dropped == {TOO_FEW_VALID: 1}


@pytest.mark.parametrize("staleness", [0, 1, 2])
def test_with_dynamic_sampling_too(staleness: int) -> None:
    """A third of the groups teaches nothing. Each round may add what is missing, so at most P a round."""
    rounds, replaced = 2, 0
    for seed in range(SEEDS):
        rng = random.Random(f"{staleness} {seed}")
        world = World(run=run_of(staleness), algo={"dynamic_sampling_rounds": rounds})
        watch_bounds(disordered(world, rng), (staleness + 1 + rounds) * P)
        world.engine.right, world.engine.wrong = ({i for i in range(200) if rng.random() < 0.2} for _ in range(2))
        world.run()
        audit(world, world.recorder.batches, staleness, STEPS)
        assert set(world.controller.ledger.dropped) <= {REPLACED}, seed
        replaced += world.controller.ledger.dropped.get(REPLACED, 0)
    assert replaced > SEEDS


def test_groups_arriving_during_a_round_displace_none_it_counted_on() -> None:
    """k = 1, three prompts a step. Of 3, 4, 5 the first is all right: a round of one more. While it is waited for 0, 1
    and 2 come, which are older in their issue and informative. The oldest four are 0, 1, 2 and 3, and the fifth, 4, was
    counted on: four informative groups for three places. So what was counted on stays: 4, 5 and one more."""
    world = World(run=run_of(1, steps=2), algo={"dynamic_sampling_rounds": 1})
    world.trainer.pumps = 0
    world.engine.right = {3}
    world.pipeline.finish = arriving([3, 4, 5], [0, 1, 2])
    world.run()
    first = world.recorder.batches[0]
    assert ids(first.groups) == [4, 5, 0] and [(group.payload, why) for group, why in first.dropped] == [(3, REPLACED)]
    audit(world, world.recorder.batches, 1, 2)


def test_a_lost_group_is_replaced_by_another_prompt_and_recorded() -> None:
    world = World(run=run_of(1, steps=4))
    world.pipeline.failing = {1, 7}
    world.run()
    audit(world, world.recorder.batches, 1, 4)
    assert world.controller.ledger.dropped == {LOST: 2}
    lost = [batch.lost for batch in world.recorder.batches]
    assert lost[0] == [(1, "p1")]  # it came before the first step
    assert [group for batch_lost in lost for group in batch_lost] == [(1, "p1"), (7, "p7")]
    assert world.controller.ledger.next_group_id == 4 * P + 2


@pytest.mark.parametrize("staleness", [0, 1, 2, 3])
def test_lost_groups_in_any_order(staleness: int) -> None:
    for seed in range(SEEDS // 2):
        rng = random.Random(f"{staleness} {seed}")
        world = disordered(World(run=run_of(staleness)), rng)
        world.pipeline.failing = {*range(rng.randrange(2, 5), 60, 5)}
        watch_bounds(world, (staleness + 1) * P)
        try:
            world.run()
        except RolloutError:  # three of them came in a row
            continue
        audit(world, world.recorder.batches, staleness, STEPS)
        assert set(world.controller.ledger.dropped) == {LOST}


def test_a_steps_worth_of_lost_groups_in_a_row_ends_the_run() -> None:
    world = World(run=run_of(1))
    world.pipeline.failing = {1, 2, 3, 4}
    world.pipeline.finish = arriving([1], [2], [0], [3], [4], [5])  # with one that is judged between them
    world.run()
    world = World(run=run_of(1))
    world.pipeline.failing = {1, 2, 3}
    world.pipeline.finish = arriving([0], [1], [2], [3])
    with pytest.raises(RolloutError, match=r"3 groups in a row failed, the last one with: rollout-0 died"):
        world.run()


def test_a_worker_up_while_groups_are_awaited_gets_the_present_weights() -> None:
    world = World(run=run_of(0, steps=2))
    world.trainer.pumps = 0
    world.pipeline.finish = arriving([0, 1, 2], [], [], [])
    pumps = 0

    def newcomer() -> None:
        nonlocal pumps
        pumps += 1
        world.sync.is_awaited = pumps == 3  # in step 2

    world.pipeline.on_pump = newcomer
    world.run()
    assert world.sync.versions == [0, 1, 1, 2]


def before_each(owner: Any, method: str, note: Callable[..., None]) -> None:
    """Has `note` called with the arguments of each call of the method, first."""
    own = getattr(owner, method)

    def noted(*arguments: Any) -> None:
        note(*arguments)
        own(*arguments)

    setattr(owner, method, noted)


def when_recorded(world: World) -> list[tuple[int, int]]:
    """Runs; of every step's record, how many groups were being sampled and how many steps the trainer was given."""
    seen: list[tuple[int, int]] = []
    before_each(world.recorder, "step", lambda *_: seen.append((len(world.pipeline.jobs), world.trainer.begun)))
    world.run()
    return seen


def test_a_step_is_recorded_while_the_next_is_sampled() -> None:
    assert when_recorded(World(run=run_of(0, steps=3))) == [(3, 1), (3, 2), (0, 3)]


def test_a_step_is_recorded_during_training_if_no_groups_are_awaited() -> None:
    world = World(run=run_of(1, steps=3, checkpoint_every=2))
    begun = [trained for _, trained in when_recorded(world)]
    assert begun == [2, 2, 3]  # not the second, of which there is a checkpoint, and nothing comes after the third


def test_a_checkpoint_comes_after_the_records_of_its_steps() -> None:
    world = World(run=run_of(1))
    on_record: list[tuple[int, int]] = []
    before_each(world.checkpoints, "save", lambda step, *_: on_record.append((step, world.recorder.batches[-1].step)))
    world.run()
    assert on_record and all(step == recorded for step, recorded in on_record)


def test_the_step_before_an_error_is_on_record() -> None:
    world = one_prompt(1)  # in which nothing is recorded during a step
    world.trainer.fails = 2
    with pytest.raises(TrainerError):
        world.run()
    assert [batch.step for batch in world.recorder.batches] == [1]


def test_sampling_continues_during_a_checkpoint_unless_deterministic() -> None:
    for deterministic, expected in ((False, [3, 3, 0]), (True, [0, 0, 0])):
        world = World(run=run_of(0, steps=3, checkpoint_every=1, deterministic=deterministic))
        under_way: list[int] = []
        before_each(world.checkpoints, "save", lambda *_, w=world, seen=under_way: seen.append(len(w.pipeline.jobs)))
        world.run()
        assert under_way == expected
