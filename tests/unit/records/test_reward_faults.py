"""Messages about rewards that fail: each kind once, with its place and its traceback."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seed_grpo.loop.batch import Batch, ReadyGroup
from seed_grpo.records.reward_faults import SHOWN, RewardFaults
from support.judged_group import judged_group


def batch(step: int, *faults: str) -> Batch:
    """The first group trained, all others dropped."""
    groups = [
        ReadyGroup(replace(judged_group(number).summary, fault=fault), payload=number)
        for number, fault in enumerate(faults)
    ]
    nothing = np.zeros(3)
    return Batch(
        step=step,
        version=step - 1,
        rounds=1,
        groups=groups[:1],
        dropped=[(group, "too few") for group in groups[1:]],
        lost=[],
        scale_P=np.ones(1),
        overlong_PG=[nothing],
        advantages_PG=[nothing],
    )


HUNG = "the reward mine failed: took over 2 s"
RAISED = "the reward mine failed: KeyError: 'x'\nTraceback\n  line 3"


def test_each_kind_of_failure_is_said_once_with_its_group_and_traceback() -> None:
    faults = RewardFaults()
    first = list(faults.step(batch(4, "", HUNG, RAISED, HUNG)))
    assert first == [
        "step 4: the reward mine failed: took over 2 s, on group 1 of problem p1. Such groups are dropped as "
        "verifier_error, and counted in reward_failed_groups",
        "step 4: the reward mine failed: KeyError: 'x', on group 2 of problem p2. Such groups are dropped as "
        "verifier_error, and counted in reward_failed_groups:\nTraceback\n  line 3",
    ]
    assert list(faults.step(batch(5, HUNG, RAISED, "", HUNG.replace("2", "3")))) == []  # numbers make no other kind
    assert len(list(faults.step(batch(6, "", "the reward other failed: took over 2 s")))) == 1


def test_words_of_a_model_in_the_messages_do_not_fill_the_console() -> None:
    faults = RewardFaults()
    said = [list(faults.step(batch(1, "", f"the reward mine failed: ValueError: {chr(97 + n)}"))) for n in range(26)]
    assert sum(map(len, said)) == SHOWN
