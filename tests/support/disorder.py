"""Random orders in which groups come back, and the audit of what a run made of its groups."""

import random
from collections import Counter
from collections.abc import Sequence
from itertools import chain

from seed_grpo.loop.batch import Batch
from seed_grpo.loop.ledger import LOST
from support.controller_world import P, World
from support.fake_pipeline import FakePipeline, Job


def disordered(world: World, rng: random.Random) -> World:
    """Groups come back in any order, some late, also while a step is trained; a few have their worker replaced."""
    pipeline, share = world.pipeline, rng.choice((0.1, 0.4, 0.8))
    world.trainer.pumps = rng.randint(0, 4)
    pipeline.slots = rng.choice((2, 5, 1000))

    def finish(running: list[Job]) -> Sequence[Job]:
        for job in running:
            if rng.random() < 0.02:
                pipeline.start_anew(job)
        return [job for job in rng.sample(running, len(running)) if rng.random() < share]

    pipeline.finish = finish
    return world


def watch_bounds(world: World, most: int) -> list[int]:
    """Fails as soon as more groups are open; the queue watches its own capacity. Returns where the counts come to."""
    counts: list[int] = []

    def look() -> None:
        counts.append(len(world.controller.ledger.open))
        assert counts[-1] <= most, f"{counts[-1]} groups are open, more than {most}"

    world.pipeline.on_pump = look
    return counts


def ids(groups: Sequence[object]) -> list[int]:
    """Ids of `ReadyGroup`s."""
    return [group.summary.group_id for group in groups]  # type: ignore[attr-defined]


def ages(batches: Sequence[Batch]) -> list[int]:
    """Ages of all trained groups, in weight versions."""
    return [batch.version - group.summary.version_min for batch in batches for group in batch.groups]


def audit(world: World, batches: Sequence[Batch], staleness: int, steps: int) -> None:
    """Invariants 1 and 2 of a run that came to its end.

    Args:
        world: the last process of the run.
        batches: on record, of all its processes.
    """
    assert [batch.step for batch in batches] == list(range(1, steps + 1))
    assert all(0 <= age <= staleness for age in ages(batches))
    trained = [group_id for batch in batches for group_id in ids(batch.groups)]
    assert trained == world.trainer.trained  # the weights' own record
    dropped = [(group.summary.group_id, reason) for batch in batches for group, reason in batch.dropped]
    lost = [group_id for batch in batches for group_id, _ in batch.lost]
    ledger = world.controller.ledger
    fates = Counter(chain(trained, (group_id for group_id, _ in dropped), lost))
    assert fates == Counter(range(ledger.next_group_id))  # each group issued, once
    assert not ledger.open and ledger.trained == len(trained)
    reasons = Counter(reason for _, reason in dropped) + Counter({LOST: len(lost)})
    assert ledger.dropped == dict(+reasons)
    assert all(len(batch.groups) == P for batch in batches)
    assert len(world.queue) == 0 and not world.pipeline.jobs


def times_submitted(pipeline: FakePipeline) -> Counter[int]:
    """Times that each group was submitted, by its id."""
    return Counter(task.group_id for task in pipeline.tasks)
