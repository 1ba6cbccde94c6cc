"""The clipped policy-gradient loss, as a sum over tokens whose weights are fixed for the whole step.

Consumes, for the tokens of a micro-batch, log-probabilities and advantages; produces the micro-batch's part of the
loss and of the metrics. It runs no model and reduces nothing over ranks.

T here counts the completion tokens of all rows of a micro-batch, one after another, without padding. With the
importance weight c_t and the token weight w_t (below), ratio_t = exp(logp_t - logp_old_t) and advantage A_t:

    loss = sum_t w_t * ( -c_t * min(ratio_t A_t, clip(ratio_t, 1 - clip_low, 1 + clip_high) A_t) + beta * k3_t )
    k3_t = exp(logp_ref_t - logp_t) - (logp_ref_t - logp_t) - 1

(PPO, arXiv 1707.06347, Eq. 7; separate clips: DAPO, arXiv 2503.14476, Eq. 10; k3: GRPO, arXiv 2402.03300, Eq. 4).

The loss of the step is the sum over all micro-batches of all ranks, since w_t holds a denominator of the whole
step: neither the loss nor its gradient depends on the split. With one optimiser step per batch, logp_old is logp
itself without gradient: the ratio is 1 in value, and nothing is clipped.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from seed_grpo.config import LossConfig


def token_weights_B(
    lengths_B: np.ndarray, aggregation: str, completions_per_step: int, max_completion_tokens: int
) -> np.ndarray:
    """Weight [B] float64 of one token of each row, over all valid rows of the WHOLE step.

    `constant` (Dr.GRPO, arXiv 2503.20783): 1 / (completions_per_step * max_completion_tokens). Both come from the
    configuration and neither from the rows at hand: a row weighs the same whichever other rows were dropped, timed
    out or short. `per_completion` (GRPO): 1 / (rows * length), the mean over rows of the mean over tokens.
    `per_token` (DAPO, arXiv 2503.14476, Eq. 8): 1 / (sum of lengths). Degenerate case: a row without tokens gets
    weight 0 and does not count as a row.

    Args:
        lengths_B: [B] completion tokens of every valid row of the step, those with advantage 0 too.
        aggregation: `algo.loss.aggregation`.
        completions_per_step: prompts times completions per prompt, as configured.
        max_completion_tokens: completion tokens allowed.
    """
    if lengths_B.ndim != 1:
        raise ValueError(f"lengths must be [B], not {lengths_B.shape}")
    filled = lengths_B > 0
    weights = np.zeros(len(lengths_B), dtype=np.float64)
    if aggregation == "constant":
        weights[filled] = 1.0 / (completions_per_step * max_completion_tokens)
    elif aggregation == "per_completion":
        weights[filled] = 1.0 / (filled.sum() * lengths_B[filled])
    elif aggregation == "per_token":
        weights[filled] = 1.0 / lengths_B.sum()
    else:
        raise ValueError(f"unknown aggregation {aggregation!r}; one of constant, per_completion, per_token")
    return weights


def importance_weights_T(
    old_logprobs_T: torch.Tensor, rollout_logprobs_T: torch.Tensor, config: LossConfig
) -> torch.Tensor:
    """Factor [T] that corrects for tokens sampled by the engine but trained on by the trainer; no gradient.

    With rho_t = exp(logp_old_t - logp_rollout_t): `truncated` min(rho_t, cap) (truncated importance sampling, Yao et
    al. 2025, "Your efficient RL framework secretly brings you off-policy RL training"); `masked` rho_t where
    rho_t <= cap and else 0; `none` 1. Degenerate case: equal engines give 1.
    """
    if config.importance_correction == "none":
        return torch.ones_like(old_logprobs_T)
    rho = torch.exp(old_logprobs_T.detach() - rollout_logprobs_T)
    if config.importance_correction == "truncated":
        return rho.clamp(max=config.importance_cap)
    return torch.where(rho > config.importance_cap, torch.zeros_like(rho), rho)


SUMS = (
    "tokens",
    "clip_fraction_low",
    "clip_fraction_high",
    "kl",
    "importance_weight_mean",
    "logprob_gap_mean",
    "token_entropy",
)
"""Sums over tokens; all but `tokens` are divided by it in the end."""
MAXIMA = ("importance_weight_max", "logprob_gap_max")


class LossParts(NamedTuple):
    """A micro-batch's part of the step: `loss` and `sums` add up over micro-batches and ranks, `maxima` by maximum."""

    loss: torch.Tensor
    """scalar with gradient"""
    sums: dict[str, torch.Tensor]
    """the scalars of `SUMS`"""
    maxima: dict[str, torch.Tensor]
    """the scalars of `MAXIMA`"""


def policy_loss(
    logprobs_T: torch.Tensor,
    old_logprobs_T: torch.Tensor,
    rollout_logprobs_T: torch.Tensor,
    advantages_T: torch.Tensor,
    weights_T: torch.Tensor,
    config: LossConfig,
    entropies_T: torch.Tensor,
    reference_logprobs_T: torch.Tensor | None = None,
) -> LossParts:
    """The loss part of T >= 1 tokens, see the module's formula.

    Args:
        logprobs_T: [T] float32, of the policy that learns, with gradient.
        old_logprobs_T: [T], of the policy that the ratio is taken against, without gradient.
        rollout_logprobs_T: [T], of the engine that sampled.
        advantages_T: [T], scaled, the row's for each of its tokens.
        weights_T: [T], the row's weight of `token_weights_B`: the caller owns the denominator.
        entropies_T: [T], token entropies in nats, for the metrics alone.
        reference_logprobs_T: [T], of the frozen reference; needed where `kl_coefficient` is above 0.
    """
    inputs = (logprobs_T, old_logprobs_T, rollout_logprobs_T, advantages_T, weights_T, entropies_T)
    if logprobs_T.ndim != 1 or any(tensor.shape != logprobs_T.shape for tensor in inputs):
        raise ValueError(f"all inputs must be [T]; they are {[tuple(tensor.shape) for tensor in inputs]}")
    ratio = torch.exp(logprobs_T - old_logprobs_T)
    clipped = ratio.clamp(1.0 - config.clip_low, 1.0 + config.clip_high)
    importance = importance_weights_T(old_logprobs_T, rollout_logprobs_T, config)
    per_token = -importance * torch.minimum(ratio * advantages_T, clipped * advantages_T)
    kl = torch.zeros_like(ratio)
    if config.kl_coefficient > 0:
        assert reference_logprobs_T is not None, "kl_coefficient > 0 needs the reference's log-probabilities"
        difference = reference_logprobs_T - logprobs_T
        kl = torch.exp(difference) - difference - 1.0
        per_token = per_token + config.kl_coefficient * kl
    gap = (old_logprobs_T - rollout_logprobs_T).abs()
    sums = {
        "tokens": torch.ones_like(ratio),
        "clip_fraction_low": ((ratio < 1.0 - config.clip_low) & (advantages_T < 0)).float(),
        "clip_fraction_high": ((ratio > 1.0 + config.clip_high) & (advantages_T > 0)).float(),
        "kl": kl,
        "importance_weight_mean": importance,
        "logprob_gap_mean": gap,
        "token_entropy": entropies_T,
    }
    return LossParts(
        loss=(weights_T * per_token).sum(),
        sums={name: tensor.detach().sum() for name, tensor in sums.items()},
        maxima={"importance_weight_max": importance.max(), "logprob_gap_max": gap.max()},
    )
