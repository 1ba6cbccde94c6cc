"""The factor that semantic entropy puts on the advantages of a prompt (SEED-GRPO, arXiv 2505.12346, Eq. 6 and 7).

Consumes the semantic entropy of each prompt and its maximum; produces one factor in [0, 1] a prompt. It does not
estimate entropies and does not touch advantages.

With x = alpha * SE / SE_max, the relative uncertainty of the policy about the prompt:

    linear       1 - x
    exponential  exp(-x)
    focal        (1 - x) ** gamma
    reciprocal   1 / (1 + x)
    none         1            (Dr.GRPO)

Assumes 0 <= SE <= SE_max. Degenerate case: SE_max = 0 (fewer than two completions in the partition) says nothing
about uncertainty, so x = 0 and the scale is 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from seed_grpo.config.sections import ScaleConfig
from seed_grpo.errors import ConfigError
from seed_grpo.extensions import entry


def linear(x: float, config: ScaleConfig) -> float:
    return 1.0 - x


def exponential(x: float, config: ScaleConfig) -> float:
    return math.exp(-x)


def focal(x: float, config: ScaleConfig) -> float:
    return (1.0 - x) ** config.gamma


def reciprocal(x: float, config: ScaleConfig) -> float:
    return 1.0 / (1.0 + x)


def none(x: float, config: ScaleConfig) -> float:
    return 1.0


SCALES: dict[str, Callable[[float, ScaleConfig], float]] = {
    "linear": linear,
    "exponential": exponential,
    "focal": focal,
    "reciprocal": reciprocal,
    "none": none,
}
"""Functions by `algo.scale.kind`: each maps x in [0, alpha] to the scale in [0, 1]."""


def scale(semantic_entropy: float, entropy_max: float, config: ScaleConfig) -> float:
    """Scale of one prompt, in [0, 1].

    Args:
        semantic_entropy: nats, in [0, entropy_max].
        entropy_max: nats, log of the number of completions in the partition; 0 where there are fewer than two.
        config: `algo.scale`; its check guarantees that the built-in scales stay in [0, 1].

    Raises:
        ConfigError: a function of the user's own cannot be imported, or leaves [0, 1].
    """
    if not 0.0 <= semantic_entropy <= entropy_max:
        raise ValueError(f"semantic entropy {semantic_entropy} is outside [0, {entropy_max}]; clip the estimate")
    x = config.alpha * semantic_entropy / entropy_max if entropy_max > 0 else 0.0
    value = float(entry(SCALES, config.kind)(x, config))
    if not 0.0 <= value <= 1.0:
        raise ConfigError(f"algo.scale.kind={config.kind} gives {value} at x={x:.4g}; a scale lies in [0, 1]")
    return value


def scales_P(
    entropy_P: np.ndarray, entropy_max_P: np.ndarray, config: ScaleConfig, rng: np.random.Generator
) -> np.ndarray:
    """Scales [P] of the prompts of one step, after the control that `config.control` names.

    `mean_matched` gives every prompt the mean of the scales: the same mean step size without any re-weighting.
    `shuffled` permutes the scales over the prompts: the same scales without their meaning.

    Args:
        entropy_P: [P] semantic entropies in nats.
        entropy_max_P: [P] their maxima.
        rng: decides the permutation of `shuffled`; unused otherwise. Owned by the caller, who makes it from the
            run's seed and the step, so that a resumed run permutes alike.
    """
    if entropy_P.shape != entropy_max_P.shape or entropy_P.ndim != 1:
        raise ValueError(f"entropies {entropy_P.shape} and maxima {entropy_max_P.shape} must both be [P]")
    pairs = zip(entropy_P, entropy_max_P, strict=True)
    scales = np.array([scale(float(entropy), float(top), config) for entropy, top in pairs], dtype=np.float64)
    if config.control == "mean_matched" and len(scales):
        return np.full_like(scales, scales.mean())
    if config.control == "shuffled":
        return rng.permutation(scales)
    return scales
