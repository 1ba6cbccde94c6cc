"""Scales and advantages of one optimiser step: A_i = scale(SE(q)) * (r_i - mean r), sections 3.1 and 3.2 of SEED-GRPO
(arXiv 2505.12346).

Consumes, of each prompt's group, its semantic entropy and its completions' rewards; produces one scale a group and one
advantage a completion. The loop trains with them, and what-if studies replay them. It estimates no entropies and
chooses no groups.

Shape suffixes: P prompts, G completions of a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seed_grpo.algo.advantage import advantages_G
from seed_grpo.algo.overlong import overlong_G
from seed_grpo.algo.scale import scales_P
from seed_grpo.config.sections import AlgoConfig


class GroupOutcome(NamedTuple):
    """One group as far as its scale and advantages depend on it."""

    semantic_entropy: float
    """semantic entropy in nats"""
    entropy_max: float
    """largest value that the estimate can have, in nats"""
    rewards_G: np.ndarray
    """[G] rewards"""
    valid_G: np.ndarray
    """[G] bool; False for a completion without a verdict"""
    num_tokens_G: np.ndarray
    """[G] completion tokens"""


class StepEstimate(NamedTuple):
    """Scales and advantages of the groups of one step."""

    scale_P: np.ndarray
    """[P] in [0, 1]"""
    overlong_PG: list[np.ndarray]
    """[P] arrays [G] in [-1, 0], which a completion's length adds to its reward"""
    unscaled_PG: list[np.ndarray]
    """[P] arrays [G], advantages before the scale"""

    @property
    def advantages_PG(self) -> list[np.ndarray]:
        """[P] arrays [G], scaled."""
        return [scale * unscaled_G for scale, unscaled_G in zip(self.scale_P, self.unscaled_PG, strict=True)]


def estimate(
    groups: Sequence[GroupOutcome], algo: AlgoConfig, max_completion_tokens: int, rng: np.random.Generator
) -> StepEstimate:
    """Scales and advantages of the groups [P] of one step.

    Args:
        groups: [P], in the order in which the step takes them.
        max_completion_tokens: from which `algo.overlong_tokens` counts back.
        rng: for the control `shuffled`; see `scales_P`.
    """
    scale_P = scales_P(
        np.array([group.semantic_entropy for group in groups]),
        np.array([group.entropy_max for group in groups]),
        algo.scale,
        rng,
    )
    overlong_PG = [overlong_G(group.num_tokens_G, max_completion_tokens, algo.overlong_tokens) for group in groups]
    unscaled_PG = [
        advantages_G(group.rewards_G + added_G, group.valid_G, algo.advantage)
        for group, added_G in zip(groups, overlong_PG, strict=True)
    ]
    return StepEstimate(scale_P, overlong_PG, unscaled_PG)
