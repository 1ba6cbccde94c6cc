"""Every built-in reward and those of the examples keep the contract of rewards."""

from __future__ import annotations

from typing import Any

import pytest

from seed_grpo.testing import check_reward
from seed_grpo.verify.rewards import REWARDS

SETTINGS: dict[str, dict[str, Any]] = {"length": {"target": 4}}
RECORDS: dict[str, dict[str, Any]] = {"own_data:carrying": {"extra_info": {"carries": 1}}}
OWN = ("own_reward:graded", "own_reward:short_steps", "own_data:carrying")


@pytest.mark.parametrize("use", [*REWARDS, *OWN])
def test_rewards_keep_the_contract(use: str, examples: Any) -> None:
    check_reward(use, SETTINGS.get(use), RECORDS.get(use))
