"""The loop when things go wrong, on fakes: kills and resumes, a trainer that is lost, payloads that are lost, stops."""

import random
from typing import Any

import pytest

from seed_grpo.loop.batch import Batch
from seed_grpo.loop.ledger import LOST, REPLACED
from seed_grpo.messages import GroupTask
from support.controller_world import FakeCheckpoints, P, World
from support.disorder import audit, disordered, ids, times_submitted
from support.fake_pipeline import Job

STEPS, SEEDS = 8, 25


def world_of(staleness: int, checkpoints: FakeCheckpoints | None = None, rounds: int = 0, **run: Any) -> World:
    tree = {"directory": "x", "steps": STEPS, "max_staleness": staleness, "checkpoint_every": 3} | run
    return World(checkpoints, run=tree, algo={"dynamic_sampling_rounds": rounds})


class Killed(Exception):
    """Death of the whole process, which nothing catches."""


def kill_at_random(world: World, rng: random.Random) -> None:
    """In any call of any part, before or after it did its work."""
    left = rng.randint(1, 150)

    def maybe() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    def dying(method: Any) -> Any:
        def call(*arguments: Any) -> Any:
            maybe()
            result = method(*arguments)
            maybe()
            return result

        return call

    parts: list[tuple[Any, list[str]]] = [
        (world.pipeline, ["submit", "pump", "fetch", "keep"]),
        (world.trainer, ["fetch", "step", "export"]),
        (world.sync, ["publish"]),
        (world.recorder, ["step", "evaluate"]),
        (world.checkpoints, ["save", "load"]),
    ]
    for part, names in parts:
        for name in names:
            setattr(part, name, dying(getattr(part, name)))


def assert_taken_up(resumed: World, before: World) -> None:
    """The ready ones of the groups that were open at the checkpoint are not sampled again, and the others are, from
    the very same tasks."""
    saved = resumed.checkpoints.saved[-1]
    judged = [group.group.task.group_id for group in saved.open.judged]
    assert sorted([*judged, *saved.unfinished]) == sorted(resumed.controller.ledger.open)
    assert ids(resumed.queue.first(999)) == ids(sorted(saved.open.judged, key=lambda g: g.summary.version_min))
    given = {task.group_id: task for task in before.pipeline.tasks}
    assert resumed.pipeline.tasks == [given[group_id] for group_id in saved.unfinished]


@pytest.mark.parametrize(("staleness", "rounds"), [(0, 0), (1, 0), (2, 0), (3, 0), (1, 2)])
def test_a_run_that_is_killed_anywhere_and_again_trains_every_group_once(staleness: int, rounds: int) -> None:
    kills = 0
    for seed in range(SEEDS):
        rng = random.Random(f"{staleness} {rounds} {seed}")
        wrong = {i for i in range(200) if rounds and rng.random() < 0.3}
        saved, batches, tasks, times = FakeCheckpoints(), [], {}, 0
        while True:
            world = disordered(world_of(staleness, FakeCheckpoints(saved.saved), rounds), rng)
            world.engine.wrong = wrong
            disk = world.checkpoints
            if times < 4:
                kill_at_random(world, rng)
            try:
                world.run()
            except Killed:
                times += 1
            batches = [*batches[: saved.saved[-1].step if saved.saved else 0], *world.recorder.batches]
            assert_same_tasks(world, tasks, saved)
            saved = FakeCheckpoints(disk.saved)
            if world.trainer.exported:
                break
        kills += times
        audit(world, batches, staleness, STEPS)
        assert set(world.controller.ledger.dropped) <= ({REPLACED} if rounds else set())
    assert kills > 2 * SEEDS


def assert_same_tasks(world: World, tasks: dict[int, GroupTask], start: FakeCheckpoints) -> None:
    """A group's id means the same prompt and the same seed in every process, and no group that was ready or closed at
    the checkpoint is submitted.

    Args:
        tasks: of all processes before; takes up this one's.
    """
    closed: set[int] = set()
    if start.saved:
        last = start.saved[-1]
        closed = {judged.group.task.group_id for judged in last.open.judged} | set(last.trained)
    for task in world.pipeline.tasks:
        assert tasks.setdefault(task.group_id, task) == task
        assert task.group_id not in closed


def test_a_resumed_run_takes_up_ready_groups_and_samples_the_others_anew() -> None:
    """k = 2, and each look brings four groups: after step 3, groups 9, 10, 11 are ready and 12 to 17 are not."""
    first = world_of(2)
    first.trainer.pumps = 0
    first.pipeline.finish = lambda running: running[:4]
    save = first.checkpoints.save

    def dies_after_the_first(*arguments: Any) -> None:
        save(*arguments)
        raise Killed

    first.checkpoints.save = dies_after_the_first  # type: ignore[method-assign]
    with pytest.raises(Killed):
        first.run()
    saved = first.checkpoints.saved[0]
    assert ids(saved.open.judged) == [9, 10, 11] and saved.unfinished == [12, 13, 14, 15, 16, 17]

    resumed = world_of(2, FakeCheckpoints(first.checkpoints.saved))

    def look_and_die() -> None:
        assert_taken_up(resumed, first)
        raise Killed

    resumed.pipeline.on_pump = look_and_die
    resumed.recorder.evaluate = lambda *_: look_and_die()  # type: ignore[method-assign]
    with pytest.raises(Killed):
        resumed.run()


@pytest.mark.parametrize("staleness", [0, 1, 2, 3])
def test_a_lost_trainer_restarts_and_the_run_resumes_its_checkpoint(staleness: int) -> None:
    """It is lost in any method: step, save, load, fetch, export, and while it sends weights."""
    where: set[str] = set()
    for seed in range(SEEDS):
        rng = random.Random(f"{staleness} {seed}")
        world = disordered(world_of(staleness), rng)
        deaths = rng.randint(1, 8)

        def dies(method: str, rng: random.Random = rng, world: World = world, deaths: int = deaths) -> bool:
            once = method == "export" and method not in where
            if not once and (world.trainer.restarts >= deaths or rng.random() > 0.15):
                return False
            where.add(method)
            return True

        world.trainer.dies = dies
        world.run()
        audit(world, world.recorder.batches, staleness, STEPS)
        assert world.controller.ledger.dropped == {}
        assert world.trainer.restarts == world.pipeline.resets
        assert [folder.name for folder in world.trainer.exported] == ["policy"] and world.controller.step == STEPS
        assert world.engine.version == STEPS
    assert where == {"step", "save", "load", "fetch", "publish", "export"}


def test_steps_since_the_checkpoint_are_repeated_after_a_lost_trainer() -> None:
    """Lost in step 5, after a checkpoint of step 3: back to step 3, with the weights of then, in the same process."""
    world = world_of(1)
    died: list[int] = []

    def dies(method: str) -> bool:
        if method == "step" and world.controller.step == 4 and not died:
            died.append(world.controller.step)
            return True
        return False

    world.trainer.dies = dies
    world.run()
    assert world.sync.versions == [0, 1, 2, 3, 4, 3, 4, 5, 6, 7, 8]
    assert world.recorder.truncated == [0, 3]
    assert [saved.step for saved in world.checkpoints.saved] == [3, 6, 8]
    audit(world, world.recorder.batches, 1, STEPS)


def test_a_trainer_that_is_lost_before_any_checkpoint_begins_the_run_anew() -> None:
    world = world_of(1)
    world.pipeline.failing = {0}
    died: list[int] = []

    def dies(method: str) -> bool:
        if method == "fetch" and not died:  # the loss of group 0 is not on record yet
            died.append(world.controller.step)
            world.pipeline.failing = set()
            return True
        return False

    world.trainer.dies = dies
    world.run()
    assert world.recorder.truncated == [0, 0]
    assert world.pipeline.tasks[0] in world.pipeline.tasks[1:]  # the same first prompt, with the same seed
    audit(world, world.recorder.batches, 1, STEPS)
    assert world.controller.ledger.dropped == {}  # what was lost before is of a run that never was


@pytest.mark.parametrize("staleness", [0, 1, 3])
def test_a_stop_while_groups_are_awaited_waits_for_none_of_them(staleness: int) -> None:
    """Nothing comes any more for step 3; the stop is requested at the third look."""
    world = world_of(staleness, checkpoint_every=100)
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += world.controller.step == 2
        if looks == 3:
            world.controller.request_stop()

    world.trainer.pumps = 0
    world.pipeline.on_pump = look
    world.pipeline.finish = lambda running: [] if world.controller.step == 2 else running[:P]
    world.run()
    assert looks == 3 and world.controller.step == 2
    assert [saved.step for saved in world.checkpoints.saved] == [2] and world.trainer.exported == []
    resumed = world_of(staleness, FakeCheckpoints(world.checkpoints.saved), checkpoint_every=100)
    resumed.run()
    audit(resumed, [*world.recorder.batches, *resumed.recorder.batches], staleness, STEPS)


def test_a_stop_while_a_step_is_trained_ends_after_it() -> None:
    world = world_of(1, checkpoint_every=100)
    step = world.trainer.step

    def stop(*arguments: Any) -> Any:
        world.controller.request_stop()
        return step(*arguments)

    world.trainer.step = stop  # type: ignore[method-assign]
    world.run()
    assert world.controller.step == 1 and [saved.step for saved in world.checkpoints.saved] == [1]
    assert [batch.step for batch in world.recorder.batches] == [1]
    assert world.recorder.evaluated == [0]


@pytest.mark.parametrize("staleness", [0, 1, 2, 3])
def test_groups_whose_payloads_are_gone_are_sampled_anew(staleness: int) -> None:
    """Machines take payloads with them at any time: while groups wait, and between their choice and their training."""
    again = 0
    for seed in range(SEEDS):
        rng = random.Random(f"{staleness} {seed}")
        world = disordered(world_of(staleness, rounds=seed % 2), rng)
        world.engine.wrong = set(range(0, 200, 4))

        def lose(rng: random.Random = rng, world: World = world) -> None:
            if rng.random() < 0.05:
                world.pipeline.gone |= {i for i in ids(world.queue.first(999)) if rng.random() < 0.5}

        world.pipeline.on_pump = lose
        world.run()
        audit(world, world.recorder.batches, staleness, STEPS)
        given: dict[int, GroupTask] = {}
        assert all(given.setdefault(task.group_id, task) == task for task in world.pipeline.tasks)
        again += sum(count - 1 for count in times_submitted(world.pipeline).values())
    assert again > SEEDS


def test_a_checkpoint_keeps_the_task_of_a_group_without_its_payload() -> None:
    world = world_of(1)
    world.trainer.pumps = 0

    record = world.recorder.step

    def lose(batch: Batch, *arguments: Any) -> None:
        record(batch, *arguments)
        if batch.step == 3:  # the checkpoint comes next
            world.pipeline.gone = {ids(world.queue.first(1))[0]}
            lost.append(*world.pipeline.gone)

    lost: list[int] = []
    world.recorder.step = lose  # type: ignore[method-assign]
    world.run()
    saved = world.checkpoints.saved[0]
    assert saved.step == 3 and lost[0] in saved.unfinished
    assert lost[0] not in [judged.group.task.group_id for judged in saved.open.judged]
    assert times_submitted(world.pipeline)[lost[0]] == 2
    audit(world, world.recorder.batches, 1, STEPS)


def test_a_loss_since_the_last_step_outlives_a_stop() -> None:
    """Group 4 is lost after step 1 was estimated; the next step, of the next process, has it on record."""
    world = world_of(1, checkpoint_every=100)
    world.trainer.pumps = 0
    world.pipeline.failing = {4}

    def finish(running: list[Job]) -> list[Job]:
        if world.controller.step == 0:
            return [job for job in running if job.group_id < 3]
        world.controller.request_stop()
        return [job for job in running if job.group_id == 4]

    world.pipeline.finish = finish
    world.run()
    assert [batch.lost for batch in world.recorder.batches] == [[]] and world.controller.step == 1
    resumed = world_of(1, FakeCheckpoints(world.checkpoints.saved))
    resumed.run()
    assert resumed.recorder.batches[0].lost == [(4, "p4")]
    audit(resumed, [*world.recorder.batches, *resumed.recorder.batches], 1, STEPS)
    assert resumed.controller.ledger.dropped == {LOST: 1}
