"""Scales and their controls, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seed_grpo.algo.scale import scale, scales_P
from seed_grpo.config.sections import ScaleConfig
from seed_grpo.errors import ConfigError


def test_scales_by_hand():
    # SE = log 2 of SE_max = log 4 is exactly half: x = alpha / 2. A wrong denominator (SE alone) would give
    # 1 - 0.4 * 0.693 = 0.723 for linear.
    half = (math.log(2), math.log(4))
    assert scale(*half, ScaleConfig(kind="linear", alpha=0.4)) == pytest.approx(0.8)
    assert scale(*half, ScaleConfig(kind="exponential", alpha=0.4)) == pytest.approx(math.exp(-0.2))
    assert scale(*half, ScaleConfig(kind="focal", alpha=0.4, gamma=2)) == pytest.approx(0.64)
    assert scale(*half, ScaleConfig(kind="reciprocal", alpha=0.4)) == pytest.approx(1 / 1.2)
    assert scale(*half, ScaleConfig(kind="none", alpha=0.4)) == 1.0


def test_scale_refuses_an_entropy_above_its_maximum():
    with pytest.raises(ValueError, match=r"outside \[0, 1\.0\]"):
        scale(1.1, 1.0, ScaleConfig())


def test_controls():
    entropy_P, top_P = np.array([0.0, 0.5, 1.0, 0.25]), np.ones(4)
    plain = scales_P(entropy_P, top_P, ScaleConfig(alpha=1.0), np.random.default_rng(0))
    assert plain.tolist() == [1.0, 0.5, 0.0, 0.75]
    matched = scales_P(entropy_P, top_P, ScaleConfig(alpha=1.0, control="mean_matched"), np.random.default_rng(0))
    assert matched.tolist() == [0.5625] * 4  # (1 + 0.5 + 0 + 0.75) / 4
    shuffled = [
        scales_P(entropy_P, top_P, ScaleConfig(alpha=1.0, control="shuffled"), np.random.default_rng(seed)).tolist()
        for seed in (1, 1, 2)
    ]
    assert sorted(shuffled[0]) == sorted(plain.tolist())
    assert shuffled[0] == shuffled[1] != shuffled[2]


def test_a_scale_of_ones_own_gets_x_and_the_settings(examples):
    # own_scale.threshold: 1 - max(0, 2x - alpha), x = alpha SE / SE_max; alpha 0.5: x = 0.125, 0.375, 0.5
    config = ScaleConfig(kind="own_scale:threshold", alpha=0.5)
    assert [scale(entropy, 1.0, config) for entropy in (0.25, 0.75, 1.0)] == pytest.approx([1.0, 0.75, 0.5])


@pytest.mark.parametrize(
    ("name", "x", "said"), [("scale_of_two", 0.0, "2.0 at x=0"), ("no_scale", 0.5, "nan at x=0.5")]
)
def test_a_scale_of_ones_own_that_leaves_its_range_is_an_error(name, x, said):
    with pytest.raises(
        ConfigError, match=f"algo.scale.kind=support.own_functions:{name} gives {said}; a scale lies in"
    ):
        scale(x, 1.0, ScaleConfig(kind=f"support.own_functions:{name}", alpha=1.0))
