"""Intervals of accuracies and of means, worked by hand."""

from __future__ import annotations

import math

import pytest

from seed_grpo.evaluate.metrics.intervals import mean_interval, t_quantile, wilson_interval


def test_wilson_interval_worked_by_hand() -> None:
    # 8 of 10, z^2 = 3.841459: centre (0.8 + 0.192073) / 1.384146 = 0.716740,
    # half 1.959964 sqrt(0.016 + 0.009604) / 1.384146 = 0.226577.
    # The textbook interval would be 0.8 -+ 0.2479 = [0.552, 1.048], beyond 1.
    assert wilson_interval(8, 10) == pytest.approx((0.8, 0.490163, 0.943317), abs=2e-6)


def test_wilson_interval_at_the_ends() -> None:
    # 0 of n: the upper end is z^2 / (n + z^2) = 3.841459 / 13.841459; the textbook interval would have no width
    assert wilson_interval(0, 10) == (0.0, 0.0, pytest.approx(0.277533, abs=1e-6))
    assert wilson_interval(10, 10) == (1.0, pytest.approx(1 - 0.277533, abs=1e-6), 1.0)
    assert all(math.isnan(number) for number in wilson_interval(0, 0))
    with pytest.raises(ValueError, match="11 successes must be between 0 and 10"):
        wilson_interval(11, 10)


@pytest.mark.parametrize(
    ("df", "quantile", "tolerance"),  # of any table of Student's t
    [(1, 12.7062, 1e-4), (2, 4.3027, 1e-4), (3, 3.182, 6e-3), (5, 2.571, 1e-3), (9, 2.2622, 1e-4), (99, 1.9842, 1e-4)],
)
def test_t_quantile(df: int, quantile: float, tolerance: float) -> None:
    assert t_quantile(df) == pytest.approx(quantile, abs=tolerance)


def test_mean_interval_worked_by_hand() -> None:
    # 1..5: s = sqrt(10/4) = 1.581139, half = t(4) s / sqrt(5) = 2.7764 * 0.707107 = 1.9632.
    # With z in place of t it would be 1.386, with s over n instead of n-1 1.756.
    assert mean_interval([1, 2, 3, 4, 5]) == pytest.approx((3.0, 3 - 1.9632, 3 + 1.9632), abs=2e-3)
    one = mean_interval([2.0])
    assert one.value == 2.0 and math.isnan(one.low)
    assert math.isnan(mean_interval([]).value)
