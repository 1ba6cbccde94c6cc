"""Bootstrap over problems: how far an average would move had other problems of the same kind been asked.

Consumes one value per problem; produces 95% percentile intervals (Efron and Tibshirani, "An Introduction to the
Bootstrap", 1993, ch. 13). A problem is drawn whole, with all its completions, so the noise of sampling the completions
is in the interval as well. It computes no metric, and draws at most `MAX_BYTES` of resamples at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from seed_grpo.evaluate.metrics.accuracy import Interval

RESAMPLES = 10_000
MAX_BYTES = 48 * 2**20
"""for the resamples that are in memory at once"""
BYTES_PER_DRAW = 48
"""of one problem in one resample, with the working copies of whoever uses the counts"""
MAX_COLUMNS = 128
"""resamples at once, so that those of a few thousand problems stay in the processor's cache"""


def resample_counts(num_problems: int, seed: int, resamples: int = RESAMPLES) -> Iterator[np.ndarray]:
    """How often each problem is drawn, in chunks [P, R] float64 with `resamples` columns in all; each column sums to P.

    Args:
        num_problems: P, at least 1.
        seed: the same seed and P give the same counts.
    """
    rng = np.random.default_rng(seed)
    columns = max(1, min(MAX_COLUMNS, MAX_BYTES // (BYTES_PER_DRAW * num_problems)))
    for start in range(0, resamples, columns):
        count = min(columns, resamples - start)
        slots = rng.integers(num_problems, size=(num_problems, count)) * count + np.arange(count)
        yield np.bincount(slots.ravel(), minlength=slots.size).reshape(slots.shape).astype(np.float64)


def percentile_interval(value: float, resampled_R: np.ndarray) -> Interval:
    """The value with the 2.5% and 97.5% quantiles of its resamples [R]; resamples that are nan say nothing."""
    known = resampled_R[~np.isnan(resampled_R)]
    if math.isnan(value) or not len(known):
        return Interval(value, math.nan, math.nan)
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(value, float(low), float(high))


def mean_intervals(values_PM: np.ndarray, seed: int, resamples: int = RESAMPLES) -> list[Interval]:
    """The mean over problems of each of M metrics, with its interval; all metrics share the resamples.

    Args:
        values_PM: [P, M]; nan where a problem does not have the metric: it is left out of that mean.

    Returns:
        [M]. A metric of one problem has no interval (nan), one of none no mean.
    """
    known_PM = ~np.isnan(values_PM)
    sums_and_numbers = np.concatenate([np.where(known_PM, values_PM, 0.0), known_PM], axis=1)
    if not len(values_PM):
        return [Interval(math.nan, math.nan, math.nan)] * values_PM.shape[1]
    drawn = [counts_PR.T @ sums_and_numbers for counts_PR in resample_counts(len(values_PM), seed, resamples)]
    sums, numbers = np.split(np.concatenate([sums_and_numbers.sum(axis=0, keepdims=True), *drawn]), 2, axis=1)
    with np.errstate(invalid="ignore"):
        means = sums / numbers  # the first row is the estimate itself, the others are its resamples
    means[1:, known_PM.sum(axis=0) < 2] = np.nan
    return [percentile_interval(float(column[0]), column[1:]) for column in means.T]
