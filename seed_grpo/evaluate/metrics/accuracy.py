"""Accuracy and mean semantic entropy of a policy, with 95% intervals.

Consumes the summaries of judged groups: one greedy completion per problem for the accuracy, G sampled ones for the
entropy. Produces an `EvaluationResult`. It samples and judges nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
        raise ValueError(f"{successes} successes of {n} trials")
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
    """How good and how certain a policy is, e.g. 275 of 500 right: accuracy 0.55 in [0.506, 0.593]."""

    accuracy: float
    """share of greedy completions that are right, among those that could be judged"""
    accuracy_low: float
    accuracy_high: float
    """95% Wilson interval"""
    num_problems: int
    """problems behind the accuracy; those timed out or with a verifier error are not among them"""
    semantic_entropy: float
    """nats, mean over the problems that were sampled; nan if none was"""
    semantic_entropy_low: float
    semantic_entropy_high: float
    """95% interval by Student's t"""
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
