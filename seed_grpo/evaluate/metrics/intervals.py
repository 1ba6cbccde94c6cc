"""Estimates over problems with 95% intervals: shares (Wilson), means (Student's t, bootstrap), rank correlation.

Consumes one value or one judged group's summary per problem; produces an `Interval`, an `EvaluationResult`, or a
correlation. The bootstrap draws a problem whole, with all its completions (Efron and Tibshirani, "An Introduction to
the Bootstrap", 1993, ch. 13), so the noise of sampling the completions is in its interval as well. It samples and
judges nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from seed_grpo.messages import GroupSummary, Verdict

Z_95 = 1.959963984540054
"""97.5% quantile of the standard normal distribution"""


class Interval(NamedTuple):
    """An estimate with its 95% interval; nan where there is nothing to estimate from."""

    value: float
    low: float
    high: float


def wilson_interval(successes: int, n: int) -> Interval:
    """A share with its 95% Wilson score interval.

    With p = successes / n, the interval is (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n): E. B. Wilson,
    "Probable inference, the law of succession, and statistical inference", JASA 22 (1927). It keeps its coverage at
    small n and near 0 and 1, where the textbook interval p -+ z sqrt(p(1-p)/n) fails. nan for n = 0.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes must be between 0 and {n} trials")
    if n == 0:
        return Interval(math.nan, math.nan, math.nan)
    p, z2 = successes / n, Z_95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # exactly 0 and 1 at the ends, where rounding would leave 1e-17 of difference
    low = 0.0 if successes == 0 else centre - half
    return Interval(p, low, 1.0 if successes == n else centre + half)


def mean_interval(values_P: Sequence[float] | np.ndarray) -> Interval:
    """The mean of values [P] with its 95% interval by Student's t, mean -+ t(P-1) s / sqrt(P).

    s is the standard deviation with P - 1 in the denominator. One value has no interval (nan), none has no mean.
    """
    values_P = np.asarray(values_P, dtype=np.float64)
    n = len(values_P)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan)
    mean = float(values_P.mean())
    if n == 1:
        return Interval(mean, math.nan, math.nan)
    half = t_quantile(n - 1) * float(values_P.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half)


def t_quantile(df: int) -> float:
    """97.5% quantile of Student's t with `df` degrees of freedom.

    Exact for 1 and 2; above, the asymptotic series of Abramowitz and Stegun 26.7.5, right to 0.006 at 3 and better
    than 0.001 from 5 on.
    """
    if df == 1:
        return math.tan(0.475 * math.pi)
    if df == 2:
        return 0.95 * math.sqrt(2 / (1 - 0.95**2))
    z = Z_95
    return (
        z
        + (z**3 + z) / (4 * df)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * df**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * df**4)
    )


@dataclass(frozen=True)
class EvaluationResult:
    """Accuracy and mean semantic entropy of a policy, e.g. 275 of 500 right: accuracy 0.55 in [0.506, 0.593]."""

    accuracy: float
    """share of greedy completions that are right, among those that could be judged"""
    accuracy_low: float
    accuracy_high: float
    """ends of the 95% Wilson interval"""
    num_problems: int
    """problems behind the accuracy; those timed out or with a verifier error are not among them"""
    semantic_entropy: float
    """mean over the problems that were sampled, in nats; nan if none was"""
    semantic_entropy_low: float
    semantic_entropy_high: float
    """ends of the 95% interval by Student's t"""
    num_entropy_problems: int
    """problems behind the semantic entropy, with at least two answers in the partition"""
    verdict_correct: int
    verdict_incorrect: int
    verdict_no_answer: int
    verdict_timed_out: int
    verdict_verifier_error: int
    """greedy completions by verdict"""

    def as_metrics(self) -> dict[str, float]:
        """Field by field, as in evaluations.jsonl."""
        return asdict(self)

    @classmethod
    def from_metrics(cls, metrics: Mapping[str, Any]) -> EvaluationResult:
        """The inverse of `as_metrics`, of a record that may hold more; null, which stands for nan in evaluations.jsonl,
        becomes nan again."""
        own = [field.name for field in fields(cls)]
        values: dict[str, Any] = {name: math.nan if metrics[name] is None else metrics[name] for name in own}
        return cls(**values)


def summarize(greedy_P: Sequence[GroupSummary], sampled_P: Sequence[GroupSummary]) -> EvaluationResult:
    """The result of an evaluation.

    Args:
        greedy_P: groups of one greedy completion each.
        sampled_P: groups of G sampled completions each; may be empty.

    Raises:
        ValueError: a greedy group has more or fewer completions than one.
    """
    for summary in greedy_P:
        if len(summary.verdicts_G) != 1:
            raise ValueError(f"{summary.problem_id} has {len(summary.verdicts_G)} greedy completions instead of one")
    judged = [summary for summary in greedy_P if summary.valid_G[0]]
    right = sum(summary.verdicts_G[0] is Verdict.CORRECT for summary in judged)
    verdicts = [summary.verdicts_G[0] for summary in greedy_P]
    entropies = [summary.semantic_entropy for summary in sampled_P if summary.entropy_max > 0]
    return EvaluationResult(
        *wilson_interval(right, len(judged)),
        len(judged),
        *mean_interval(entropies),
        len(entropies),
        **{f"verdict_{verdict}": verdicts.count(verdict) for verdict in Verdict},
    )


RESAMPLES = 10_000
MAX_BYTES = 48 * 2**20
"""bytes for the resamples that are held in memory at once"""
BYTES_PER_DRAW = 48
"""bytes that one problem takes in one resample, with the working copies of whoever uses the counts"""
MAX_COLUMNS = 128
"""resamples at once, so that those of a few thousand problems stay in the processor's cache"""


def resample_counts(num_problems: int, seed: int, resamples: int = RESAMPLES) -> Iterator[np.ndarray]:
    """Counts of how often each problem is drawn, in chunks [P, R] float64 with `resamples` columns in all; each column
    sums to P.

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


TIE_DECIMALS = 12
"""places to which values are rounded before they are ranked: the order of a sum must not break ties"""


def rank_correlation(x_N: np.ndarray, y_N: np.ndarray) -> float:
    """Spearman's rank correlation of [N] pairs (The American Journal of Psychology 15, 1904), ties by midranks; pairs
    with nan are left out. nan where one side does not vary."""
    known = ~(np.isnan(x_N) | np.isnan(y_N))
    x_ranks, y_ranks = midranks(x_N[known]), midranks(y_N[known])
    if not known.any() or np.ptp(x_ranks) == 0 or np.ptp(y_ranks) == 0:
        return math.nan
    return float(np.corrcoef(x_ranks, y_ranks)[0, 1])


def midranks(values_N: np.ndarray) -> np.ndarray:
    """Ranks [N] from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(np.round(values_N, TIE_DECIMALS), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]
