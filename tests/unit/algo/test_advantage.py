"""Advantages of one group, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from seed_grpo.algo.advantage import advantages_G
from seed_grpo.errors import ConfigError


def test_advantages_by_hand():
    # valid rewards 1, 0, 0: mean 1/3; deviation over n - 1 = 2: sqrt((4/9 + 1/9 + 1/9) / 2) = sqrt(1/3) = 0.57735.
    # The invalid third completion (reward 0) in the baseline would give mean 1/4.
    rewards_G, valid_G = np.array([1.0, 0.0, 0.0, 0.0], np.float32), np.array([True, True, False, True])
    assert advantages_G(rewards_G, valid_G, "centered") == pytest.approx([2 / 3, -1 / 3, 0, -1 / 3])
    expected = [1.154699, -0.57735, 0, -0.57735]
    assert advantages_G(rewards_G, valid_G, "standardized") == pytest.approx(expected, abs=1e-5)
    # leave one out: 1 - mean(0, 0) = 1 and 0 - mean(1, 0) = -1/2
    assert advantages_G(rewards_G, valid_G, "leave_one_out") == pytest.approx([1, -0.5, 0, -0.5])


def test_an_advantage_of_ones_own_gets_the_valid_rewards():
    # squares 1, 0, 4 of the three that are valid, less their mean 5/3
    advantages = advantages_G(
        np.array([1.0, 7.0, 0.0, 2.0]), np.array([1, 0, 1, 1], bool), "support.own_functions:squares"
    )
    assert advantages.tolist() == pytest.approx([-2 / 3, 0, -5 / 3, 7 / 3])


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("name", ["too_few", "infinite"])
def test_an_advantage_of_ones_own_that_gives_no_numbers_is_an_error(name):
    with pytest.raises(ConfigError, match=f"algo.advantage=support.own_functions:{name} gives .* for 2 rewards"):
        advantages_G(np.array([1.0, 2.0]), np.ones(2, bool), f"support.own_functions:{name}")
