"""A batch for tests of what is written down of a step: a trained group, two dropped ones and a lost one."""

import numpy as np

from seed_grpo.loop.batch import Batch, LostGroup, ReadyGroup
from seed_grpo.loop.ledger import LOST, NOT_FINITE, REPLACED
from support.judged_group import judged_group


def ready(group_id: int) -> ReadyGroup:
    return ReadyGroup(judged_group(group_id).summary, payload=group_id)


def batch_of_three() -> Batch:
    """Groups 6 and 8 were dropped, 7 was trained, and 5 was lost."""
    return Batch(
        step=3,
        version=2,
        rounds=1,
        groups=[ready(7)],
        dropped=[(ready(6), REPLACED), (ready(8), NOT_FINITE)],
        lost=[LostGroup(5, "p5", LOST)],
        scale_P=np.array([0.99]),
        overlong_PG=[np.array([-0.25, 0.0, 0.0])],
        advantages_PG=[np.array([0.5, -0.5, 0.0])],
    )
