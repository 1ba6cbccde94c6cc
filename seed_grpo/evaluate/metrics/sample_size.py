"""Error of the semantic entropy of G samples, against that of many more samples of the same prompts.

Consumes sampled groups of N completions each, N large (256). Draws disjoint groups of G from each; for each the entropy
of all the other completions stands for the truth, so that an estimate is no part of what it is compared with. Produces
bias, root-mean-square error and rank correlation of the small groups' entropy. It samples nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seed_grpo.evaluate.metrics.estimators import Estimator
from seed_grpo.evaluate.metrics.intervals import rank_correlation
from seed_grpo.records.rollout_table import RecordedGroup, subgroup


@dataclass(frozen=True)
class SizeResult:
    """Error of one estimator at one size, e.g. `SizeResult("semantic_entropy/shannon/counts", 8, 100, 0.7, -0.1, 0.2,
    0.9)`.

    The rank correlation is that of single estimates with the truth over prompts (Spearman), the mean over the draws."""

    estimator: str
    size: int
    problems: int
    truth: float
    """mean over prompts and draws of the entropy of the N - G others; nats, as the next two"""
    bias: float
    """mean of estimate minus truth"""
    rmse: float
    rank_correlation: float
    """rank correlation with the truth; nan if all prompts have the same value"""


def entropy_by_size(
    groups: Sequence[RecordedGroup], sizes: Sequence[int], estimators: dict[str, Estimator], seed: int
) -> list[SizeResult]:
    """Estimators at smaller G.

    Args:
        groups: [P] of N completions each; N // G disjoint groups of G are drawn from each.
        sizes: the G, each less than N.
        seed: of the draws.
    """
    fewest = min(len(group.valid_G) for group in groups)
    rng = np.random.default_rng(seed)
    orders_P = [rng.permutation(len(group.valid_G)) for group in groups]
    results = []
    for size in sizes:
        pairs_DP = [
            [_apart(group, order, d * size, size) for group, order in zip(groups, orders_P, strict=True)]
            for d in range(fewest // size)
        ]
        for name, estimate in estimators.items():
            found_DP = np.array([[(estimate(few), estimate(others)) for few, others in pairs] for pairs in pairs_DP])
            results.append(_size_result(name, size, found_DP[..., 0], found_DP[..., 1]))
    return results


def _apart(group: RecordedGroup, order: np.ndarray, start: int, size: int) -> tuple[RecordedGroup, RecordedGroup]:
    """Splits a group into so many completions, and all the others."""
    return subgroup(group, order[start : start + size]), subgroup(group, np.delete(order, np.s_[start : start + size]))


def _size_result(name: str, size: int, estimates_DP: np.ndarray, truths_DP: np.ndarray) -> SizeResult:
    error_DP = estimates_DP - truths_DP
    correlations_D = [rank_correlation(*pair) for pair in zip(estimates_DP, truths_DP, strict=True)]
    known_D = [correlation for correlation in correlations_D if not math.isnan(correlation)]
    return SizeResult(
        name,
        size,
        estimates_DP.shape[1],
        float(np.nanmean(truths_DP)),
        float(np.nanmean(error_DP)),
        float(np.sqrt(np.nanmean(error_DP**2))),
        float(np.mean(known_D)) if known_D else math.nan,
    )
