"""Advantages of one group, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from seed_grpo.algo.advantage import advantages_G


def test_advantages_by_hand():
    # valid rewards 1, 0, 0: mean 1/3; deviation over n - 1 = 2: sqrt((4/9 + 1/9 + 1/9) / 2) = sqrt(1/3) = 0.57735.
    # The invalid third completion (reward 0) in the baseline would give mean 1/4.
    rewards_G, valid_G = np.array([1.0, 0.0, 0.0, 0.0], np.float32), np.array([True, True, False, True])
    assert advantages_G(rewards_G, valid_G, "centered") == pytest.approx([2 / 3, -1 / 3, 0, -1 / 3])
    expected = [1.154699, -0.57735, 0, -0.57735]
    assert advantages_G(rewards_G, valid_G, "standardized") == pytest.approx(expected, abs=1e-5)
    # leave one out: 1 - mean(0, 0) = 1 and 0 - mean(1, 0) = -1/2
    assert advantages_G(rewards_G, valid_G, "leave_one_out") == pytest.approx([1, -0.5, 0, -0.5])
