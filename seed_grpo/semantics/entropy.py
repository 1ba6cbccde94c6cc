"""Semantic entropy of one prompt (SEED-GRPO, arXiv 2505.12346, Eq. 4 and 5; Kuhn et al. 2023, Farquhar et al. 2024).

Consumes the meaning classes and the log-likelihoods of the G completions of one prompt; produces the entropy over the
C classes, in nats. Pure functions; it neither judges nor partitions.

    mass        counts      p_k = |C_k| / n
                likelihood  p_k = sum over C_k of exp(l_i), renormalised over the n completions in the partition
    functional  paper       SE = -(1/C) sum_k log p_k      (Eq. 5)
                shannon     SE = -sum_k p_k log p_k

One class gives exactly 0, n equal singletons give log n, and the estimate is clipped to [0, log n]: with unequal
likelihoods the paper's functional exceeds log n. Everything stays in log space, since l_i may be -3000.

The l_i are log-probabilities of the policy that was sampled from, softmax(logits / T) with T = `rollout.temperature`.
With either mass the estimate is of that policy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from seed_grpo.config.sections import SemanticEntropyConfig
from seed_grpo.errors import ConfigError
from seed_grpo.extensions import entry


class SemanticEntropy(NamedTuple):
    """Estimate for one prompt, e.g. for two classes of two, by counts: `SemanticEntropy(0.693, 1.386, False)`."""

    value: float
    """nats, in [0, maximum]"""
    maximum: float
    """log n for the n completions in the partition; 0 for n below 2"""
    clipped: bool
    """true if the estimate exceeded the maximum"""


def log_likelihood(logprobs_T: np.ndarray, kind: str) -> float:
    """The completion's log-likelihood l_i: the `mean` or the `sum` of its sampled log-probabilities [T], in nats.

    They are as the engine reports them, at the temperature that the completion was sampled at.

    Degenerate case: an empty completion has 0, as the empty sum.
    """
    if kind not in ("mean", "sum"):
        raise ValueError(f"log-likelihoods are by mean or sum, not {kind!r}")
    if len(logprobs_T) == 0:
        return 0.0
    total = float(np.sum(logprobs_T, dtype=np.float64))
    return total / len(logprobs_T) if kind == "mean" else total


def class_log_mass(class_ids_G: np.ndarray, log_likelihoods_G: np.ndarray, mass: str) -> np.ndarray:
    """Log of the class masses p_k, [C] float64; their exponentials sum to 1.

    Args:
        class_ids_G: [G] ids 0..C-1; -1 takes no part.
        log_likelihoods_G: [G] in nats; not looked at under `counts`.
        mass: `counts` or `likelihood`.
    """
    if class_ids_G.shape != log_likelihoods_G.shape or class_ids_G.ndim != 1:
        raise ValueError(f"class ids {class_ids_G.shape} and likelihoods {log_likelihoods_G.shape} must both be [G]")
    if mass not in ("counts", "likelihood"):
        raise ValueError(f"class masses are by counts or likelihood, not {mass!r}")
    inside = class_ids_G >= 0
    ids_n = class_ids_G[inside]
    weights_n = log_likelihoods_G[inside].astype(np.float64) if mass == "likelihood" else np.zeros(len(ids_n))
    num_classes = int(ids_n.max(initial=-1)) + 1
    log_mass_C = np.array([np.logaddexp.reduce(weights_n[ids_n == k]) for k in range(num_classes)])
    return log_mass_C - np.logaddexp.reduce(weights_n)


_DEFAULT = SemanticEntropyConfig()


def paper(log_mass_C: np.ndarray) -> float:
    return -float(np.mean(log_mass_C))


def shannon(log_mass_C: np.ndarray) -> float:
    return -float(np.sum(np.exp(log_mass_C) * log_mass_C))


FUNCTIONALS: dict[str, Callable[[np.ndarray], float]] = {"paper": paper, "shannon": shannon}
"""Functions by `algo.semantic_entropy.functional`: each maps log masses [C] to nats."""


def semantic_entropy(
    class_ids_G: np.ndarray,
    log_likelihoods_G: np.ndarray | None = None,
    config: SemanticEntropyConfig = _DEFAULT,
) -> SemanticEntropy:
    """Semantic entropy of one prompt.

    Args:
        class_ids_G: [G] meaning classes 0..C-1; -1 takes no part.
        log_likelihoods_G: [G] by `log_likelihood`, in nats. None: the completions are equally likely, so a class has
            the mass |C_k| / n of its counts.
        config: which mass and which functional; Eq. 5 of the paper over likelihoods by default.

    Raises:
        ValueError: the two are not of one length.
        ConfigError: a function of the user's own cannot be imported, or gives no number.
    """
    if log_likelihoods_G is None:
        log_likelihoods_G = np.zeros(class_ids_G.shape)
    log_mass_C = class_log_mass(class_ids_G, log_likelihoods_G, config.mass)
    num_inside = int(np.sum(class_ids_G >= 0))
    maximum = math.log(num_inside) if num_inside > 1 else 0.0
    if len(log_mass_C) < 2:
        return SemanticEntropy(0.0, maximum, False)
    estimate = float(entry(FUNCTIONALS, config.functional)(log_mass_C))
    if math.isnan(estimate):
        raise ConfigError(f"algo.semantic_entropy.functional={config.functional} gives no number for {log_mass_C}")
    # rounding alone is no clip: n equal singletons give log n, give or take the last bit
    clipped = estimate > maximum * (1 + 1e-12)
    return SemanticEntropy(min(max(estimate, 0.0), maximum), maximum, clipped)
