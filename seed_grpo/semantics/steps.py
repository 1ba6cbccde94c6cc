"""Semantic entropy beyond final answers: the mean over the positions of a chain of results.

Consumes the meaning classes of the G completions of one prompt at each position (their first intermediate results,
their second ones, ..., their final answers); produces one entropy. Pure; it finds and compares no results
(`seed_grpo.verify.math.steps` does, and the relation).

SEED-GRPO (arXiv 2505.12346) clusters completions by their final answers, and leaves entropy at the steps of the
reasoning to later work without a formula. This is one answer, and our own choice: SE = 1/|I| sum over i in I of SE_i,
where SE_i is Eq. 5 on the classes at position i, and I holds the last position, the final answers, and every other one
at which two completions or more take part (one alone says nothing). Every position weighs the same.

Each SE_i is in [0, log n_i] with n_i <= n, so the mean is in [0, log n]; one class at every position gives exactly 0;
without intermediate results it is the entropy of the final answers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seed_grpo.config.sections import SemanticEntropyConfig
from seed_grpo.semantics.entropy import SemanticEntropy, semantic_entropy


def step_entropy(
    class_ids: Sequence[np.ndarray], log_likelihoods_G: np.ndarray, config: SemanticEntropyConfig
) -> SemanticEntropy:
    """Mean semantic entropy over positions, in nats.

    Args:
        class_ids: for each position [G] meaning classes 0..C-1; -1 takes no part there. The final answers come last,
            at least they are there, and who takes no part in them takes part nowhere.
        log_likelihoods_G: [G] by `log_likelihood`, of whole completions.
        config: which mass and which functional.

    Returns:
        its `maximum` is that of the final answers, and it is `clipped` where any position was.
    """
    *before, final = class_ids
    if any(np.any(ids_G[final < 0] >= 0) for ids_G in before):
        raise ValueError("a completion outside the partition of final answers has a class at another position")
    told = [ids_G for ids_G in before if np.sum(ids_G >= 0) > 1]
    entropies = [semantic_entropy(ids_G, log_likelihoods_G, config) for ids_G in (*told, final)]
    maximum = entropies[-1].maximum
    mean = sum(entropy.value for entropy in entropies) / len(entropies)
    return SemanticEntropy(min(mean, maximum), maximum, any(entropy.clipped for entropy in entropies))
