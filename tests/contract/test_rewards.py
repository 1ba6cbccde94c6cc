"""Every built-in reward and those of the examples: one finite number a completion or None, whatever the group is."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from seed_grpo.extensions import load
from seed_grpo.messages import FinishReason, Verdict
from seed_grpo.verify.isolation.own_reward_main import of_groups
from seed_grpo.verify.rewards import REWARDS, RewardCompletion, RewardGroup, RewardProblem, numbers_of

SETTINGS: dict[str, dict[str, Any]] = {"length": {"target": 4}}
OWN = ["own_reward:graded", "own_reward:short_steps"]
TEXTS = ["", " ", r"\boxed{2}", "<think>a</think> b", "\ud800", "x" * 10_000]
PROBLEM = RewardProblem("p", "1+1=", ("2",), "", "", (), "{}")


def completions() -> list[RewardCompletion]:
    """One of every verdict and end, of many lengths, answers and classes."""
    ends = itertools.cycle(FinishReason)
    made = []
    for number, (verdict, text) in enumerate(itertools.product(Verdict, TEXTS)):
        meaning_class = number % 3 if verdict.is_valid else -1
        answer = None if verdict is Verdict.NO_ANSWER else "2"
        made.append(RewardCompletion(text, range(number % 7), next(ends), verdict, answer, answer or "", meaning_class))
    return made


@pytest.mark.parametrize("use", [*REWARDS, *OWN])
def test_rewards_keep_the_contract(use: str, examples: Any) -> None:
    settings = SETTINGS.get(use, {})
    reward = of_groups(use, load(use), settings) if use in OWN else lambda group: REWARDS[use](group, **settings)
    given = completions()
    rewards = numbers_of(reward(RewardGroup(PROBLEM, tuple(given))), len(given))
    assert len({value for value in rewards if value is not None}) > 1  # it tells completions apart
    order = random.Random(0).sample(range(len(given)), len(given))
    permuted = numbers_of(reward(RewardGroup(PROBLEM, tuple(given[place] for place in order))), len(given))
    assert permuted == [rewards[place] for place in order]
    assert len(numbers_of(reward(RewardGroup(PROBLEM, (given[0],))), 1)) == 1
