"""How well G samples estimate the semantic entropy: against that of many more samples of the same prompts.

Consumes sampled groups of N completions each, N large (256): their entropy stands for the truth. Draws disjoint groups
of G from each, and produces bias, root-mean-square error and rank correlation of the small groups' entropy. It samples
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seed_grpo.evaluate.estimators import Estimator
from seed_grpo.evaluate.ranks import rank_correlation
from seed_grpo.evaluate.rollouts import RecordedGroup, subgroup


@dataclass(frozen=True)
class SizeResult:
    """Of one estimator at one size, e.g. `SizeResult("semantic_entropy/shannon/counts", 8, 100, 0.7, -0.1, 0.2, 0.9)`.

    The rank correlation is that of single estimates with the truth over prompts (Spearman), the mean over the draws."""

    estimator: str
    size: int
    problems: int
    truth: float
    """mean over prompts of the entropy of all N completions; nats, as the next two"""
    bias: float
    """mean of estimate minus truth"""
    rmse: float
    rank_correlation: float
    """nan where all prompts have the same value"""


def entropy_by_size(
    groups: Sequence[RecordedGroup], sizes: Sequence[int], estimators: dict[str, Estimator], seed: int
) -> list[SizeResult]:
    """Estimators at smaller G.

    Args:
        groups: [P] of N completions each; N // G disjoint groups of G are drawn from each.
        sizes: the G, each at most N.
        seed: of the draws.
    """
    fewest = min(len(group.valid_G) for group in groups)
    rng = np.random.default_rng(seed)
    orders_P = [rng.permutation(len(group.valid_G)) for group in groups]
    results = []
    for name, estimate in estimators.items():
        truth_P = np.array([estimate(group) for group in groups])
        for size in sizes:
            draws = fewest // size
            pairs = list(zip(groups, orders_P, strict=True))
            estimates_DP = np.array(
                [[estimate(subgroup(group, order[d * size : (d + 1) * size])) for group, order in pairs]
                 for d in range(draws)]
            )  # fmt: skip
            error_DP = estimates_DP - truth_P
            known = ~np.isnan(error_DP)
            results.append(
                SizeResult(
                    name,
                    size,
                    len(groups),
                    float(np.nanmean(truth_P)),
                    float(error_DP[known].mean()),
                    float(np.sqrt((error_DP[known] ** 2).mean())),
                    float(np.mean([rank_correlation(estimates_P, truth_P) for estimates_P in estimates_DP])),
                )
            )
    return results
