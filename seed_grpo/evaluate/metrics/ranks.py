"""Spearman's rank correlation (C. Spearman, "The proof and measurement of association between two things", 1904)."""

from __future__ import annotations

import math

import numpy as np

DECIMALS = 12
"""values that differ by less are ties: the order of a sum must not decide"""


def rank_correlation(x_N: np.ndarray, y_N: np.ndarray) -> float:
    """Of [N] pairs, ties by midranks; pairs with nan are left out. nan where one side does not vary."""
    known = ~(np.isnan(x_N) | np.isnan(y_N))
    x_ranks, y_ranks = midranks(x_N[known]), midranks(y_N[known])
    if not known.any() or np.ptp(x_ranks) == 0 or np.ptp(y_ranks) == 0:
        return math.nan
    return float(np.corrcoef(x_ranks, y_ranks)[0, 1])


def midranks(values_N: np.ndarray) -> np.ndarray:
    """Ranks [N] from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(np.round(values_N, DECIMALS), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]
