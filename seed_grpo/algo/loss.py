"""The clipped policy-gradient loss, as a sum over tokens whose weights are fixed for the whole update.

Consumes, for the tokens of a micro-batch, log-probabilities, entropies and advantages; produces the micro-batch's part
of the loss and of the metrics. It runs no model and reduces nothing over ranks.

The policy is the one that is sampled, softmax(logits / T) with T = `rollout.temperature`. Every log-probability here is
at that temperature, the engine's, the trainer's and the reference's; so ratios, KL and token entropy are of policies at
T. The gradient of log p with respect to the logits has the factor 1 / T: at a lower temperature steps are larger.

T counts the completion tokens of all completions of a micro-batch, one after another, without padding. With token
weight w_t (`token_weights_B`), importance weight c_t and ratio_t (`algo.importance`), advantage A_t, entropy H_t:

    loss = sum_t w_t * ( -c_t * min(ratio_t A_t, clip(ratio_t, 1 - clip_low, 1 + clip_high) A_t)
                         + kl_coefficient * k3_t - entropy_coefficient * H_t )

Every term has the weight w_t, whose denominator is that of the whole update. The loss of an update is therefore the sum
over all micro-batches of all ranks, and neither it nor its gradient depends on the split. Completions are never cut, as
some quantities are of whole completions.

`clip_against: trainer` is the decoupled objective (Hilton et al., arXiv 2110.00641; AReaL, arXiv 2505.24298): the ratio
is to the trainer's policy before the step, however stale the sampling one, and c_t closes the gap between these two.
`rollout` takes the ratio to the sampling policy itself. In the first update of a step logp_old is logp in value: under
`trainer` the ratio is 1 and nothing is clipped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seed_grpo.algo.importance import RATIOS, ImportanceWeights, bounded_T, importance_weights
from seed_grpo.config.sections import LossConfig


def constant(lengths_N: np.ndarray, completions_per_update: int, max_completion_tokens: int) -> np.ndarray:
    """1 / (completions_per_update * max_completion_tokens): Dr.GRPO, arXiv 2503.20783, section 3.2. Both come from the
    configuration and neither from the rows at hand: a row weighs the same whichever others were dropped or short."""
    return np.full(len(lengths_N), 1.0 / (completions_per_update * max_completion_tokens))


def per_completion(lengths_N: np.ndarray, completions_per_update: int, max_completion_tokens: int) -> np.ndarray:
    """1 / (rows * length), the mean over rows of the mean over tokens: GRPO, arXiv 2402.03300, Eq. 3."""
    return 1.0 / (len(lengths_N) * lengths_N)


def per_token(lengths_N: np.ndarray, completions_per_update: int, max_completion_tokens: int) -> np.ndarray:
    """1 / (sum of lengths), the mean over tokens: DAPO, arXiv 2503.14476, Eq. 8."""
    return np.full(len(lengths_N), 1.0 / lengths_N.sum())


AGGREGATIONS: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {
    "constant": constant,
    "per_completion": per_completion,
    "per_token": per_token,
}
"""Functions by `algo.loss.aggregation`: each maps the lengths of the N >= 1 rows with tokens to the weight [N] of one
token of each row."""


def token_weights_B(
    lengths_B: np.ndarray, aggregation: str, completions_per_update: int, max_completion_tokens: int
) -> np.ndarray:
    """Weight [B] float64 of one token of each row, over all valid rows of the WHOLE update.

    Degenerate case: a row without tokens gets weight 0 and does not count as a row.

    Args:
        lengths_B: [B] completion tokens of every valid row of the update, those with advantage 0 too.
        aggregation: a key of `AGGREGATIONS`.
        completions_per_update: prompts times completions per prompt of one update, as configured.
        max_completion_tokens: completion tokens allowed.
    """
    if lengths_B.ndim != 1:
        raise ValueError(f"lengths must be [B], not {lengths_B.shape}")
    filled_B = lengths_B > 0
    weights_B = np.zeros(len(lengths_B), dtype=np.float64)
    if filled_B.any():
        weights_B[filled_B] = AGGREGATIONS[aggregation](
            lengths_B[filled_B], completions_per_update, max_completion_tokens
        )
    return weights_B


def clipped_surrogate_T(ratio_T: Tensor, advantages_T: Tensor, clip_low: float, clip_high: float) -> Tensor:
    """min(ratio A, clip(ratio, 1 - clip_low, 1 + clip_high) A), to be made large.

    PPO, arXiv 1707.06347, Eq. 7; clips of their own below and above: DAPO, arXiv 2503.14476, section 3.1.
    """
    return torch.minimum(ratio_T * advantages_T, ratio_T.clamp(1.0 - clip_low, 1.0 + clip_high) * advantages_T)


def k3_T(logprobs_T: Tensor, other_logprobs_T: Tensor) -> Tensor:
    """Estimate in nats, never negative, of KL(policy || other) from each token that the policy sampled.

    exp(d) - 1 - d with d = logp_other - logp (Schulman 2020, "Approximating KL divergence"; GRPO, arXiv 2402.03300,
    Eq. 4). Through expm1: for d = 1e-4, exp(d) - 1 in float32 would be wrong in the fourth digit and k3 in the first.
    As a loss term it pulls by 1 - exp(d): not multiplied by the ratio, as DeepSeek-V3.2 (arXiv 2512.02556) does.
    """
    difference_T = other_logprobs_T - logprobs_T
    return torch.expm1(bounded_T(difference_T)) - difference_T


class Mean(NamedTuple):
    over: str
    """the denominator, one of `COUNTS`"""
    meaning: str


COUNTS = ("tokens", "reference_tokens", "ratios", "importance_weights")
"""Denominators: tokens, those with a reference, and tokens or completions, whichever `ratio` and `importance_level` go
by: a completion counts at its first token."""
MEANS = {
    "clip_fraction_low": Mean("tokens", "share of tokens whose gradient the lower clip removed"),
    "clip_fraction_high": Mean("tokens", "share of tokens whose gradient the upper clip removed"),
    "ratio_mean": Mean("ratios", "mean of the clipped ratio before the clip, over tokens or, if of sequences, those"),
    "kl": Mean("reference_tokens", "nats a token, k3 estimate of KL(policy || reference)"),
    "importance_weight_mean": Mean("importance_weights", "mean over tokens or, if of sequences, those"),
    "importance_changed_fraction": Mean("tokens", "share of tokens whose importance weight was truncated or masked"),
    "logprob_gap_mean": Mean("tokens", "nats, mean |logprob of the trainer before the step - of the engine|"),
    "rollout_kl": Mean("tokens", "nats a token, k3 estimate of KL(engine || trainer before the step)"),
    "token_entropy": Mean("tokens", "nats, mean entropy of the policy's next-token distribution"),
}
"""Metrics that are a sum divided by a count"""
SUMS = (*COUNTS, *MEANS)
"""Quantities that add up over micro-batches and ranks"""
MAXIMA = {
    "ratio_max": "largest ratio before the clip",
    "importance_weight_max": "largest importance weight, after the correction",
    "logprob_gap_max": "nats, largest |logprob of the trainer before the step - of the engine|",
}
"""Quantities of which micro-batches and ranks contribute the maximum; none is negative"""


class LossTokens(NamedTuple):
    """The T >= 1 completion tokens of a micro-batch's completions, one completion after another, each of them whole.

    E.g. completions of 2 tokens and 1 with rewards 1 and 0 under `per_token`: rows_T [0, 0, 1],
    advantages_T [0.5, 0.5, -0.5], weights_T [1/3, 1/3, 1/3].
    """

    logprobs_T: Tensor
    """float32 nats, of the policy that learns, with gradient"""
    entropies_T: Tensor
    """nats, of the distributions that the tokens came from; with gradient where `entropy_coefficient` is above 0"""
    old_logprobs_T: Tensor
    """float32 nats, of the trainer's policy before the step, without gradient"""
    rollout_logprobs_T: Tensor
    """float32 nats, of the engine that sampled, without gradient"""
    advantages_T: Tensor
    """advantage of the token's completion, scaled"""
    weights_T: Tensor
    """weight of the token's row from `token_weights_B`; the caller owns the denominator, which is that of the whole
    update"""
    rows_T: Tensor
    """int64, number of the token's completion within the micro-batch: from 0, ascending"""
    reference_logprobs_T: Tensor | None = None
    """float32 nats, of the frozen reference; needed if `kl_coefficient` is above 0"""


class LossParts(NamedTuple):
    """A micro-batch's part: `loss` and `sums` add up over micro-batches and ranks, `maxima` are taken by maximum."""

    loss: Tensor
    """scalar with gradient"""
    sums: dict[str, Tensor]
    """the scalars of `SUMS`"""
    maxima: dict[str, Tensor]
    """the scalars of `MAXIMA`"""


def policy_loss(tokens: LossTokens, config: LossConfig) -> LossParts:
    """The loss part of a micro-batch; see the module's formula. A token of importance weight 0 keeps its KL and entropy
    terms and has exactly no gradient through the surrogate."""
    shapes = {name: tuple(tensor.shape) for name, tensor in tokens._asdict().items() if tensor is not None}
    if tokens.logprobs_T.ndim != 1 or tokens.logprobs_T.numel() == 0 or len(set(shapes.values())) > 1:
        raise ValueError(f"all tensors must be [T] with T >= 1; they are {shapes}")
    against_trainer = config.clip_against == "trainer"
    base_logprobs_T = tokens.old_logprobs_T if against_trainer else tokens.rollout_logprobs_T
    ratio_T = RATIOS[config.ratio](tokens.logprobs_T, base_logprobs_T, tokens.rows_T)
    importance = importance_weights(tokens.old_logprobs_T, tokens.rollout_logprobs_T, tokens.rows_T, config)
    surrogate_T = clipped_surrogate_T(ratio_T, tokens.advantages_T, config.clip_low, config.clip_high)
    loss_T = -importance.weights_T * surrogate_T
    kl_T = torch.zeros_like(ratio_T)
    if tokens.reference_logprobs_T is not None:
        kl_T = k3_T(tokens.logprobs_T, tokens.reference_logprobs_T)
    if config.kl_coefficient > 0:
        assert tokens.reference_logprobs_T is not None, "kl_coefficient > 0 needs the reference's log-probabilities"
        loss_T = loss_T + config.kl_coefficient * kl_T
    if config.entropy_coefficient > 0:
        assert tokens.entropies_T.requires_grad == tokens.logprobs_T.requires_grad, "entropies without gradient"
        loss_T = loss_T - config.entropy_coefficient * tokens.entropies_T
    return LossParts((tokens.weights_T * loss_T).sum(), *_metrics(tokens, config, ratio_T.detach(), kl_T, importance))


@torch.no_grad()
def _metrics(
    tokens: LossTokens, config: LossConfig, ratio_T: Tensor, kl_T: Tensor, importance: ImportanceWeights
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The `SUMS` in float64 and the `MAXIMA`."""
    gaps_T = tokens.old_logprobs_T - tokens.rollout_logprobs_T
    values_T = {
        "clip_fraction_low": (ratio_T < 1.0 - config.clip_low) & (tokens.advantages_T < 0),
        "clip_fraction_high": (ratio_T > 1.0 + config.clip_high) & (tokens.advantages_T > 0),
        "ratio_mean": ratio_T,
        "kl": kl_T,
        "importance_weight_mean": importance.weights_T,
        "importance_changed_fraction": importance.changed_T,
        "logprob_gap_mean": gaps_T.abs(),
        "rollout_kl": k3_T(tokens.rollout_logprobs_T, tokens.old_logprobs_T),
        "token_entropy": tokens.entropies_T,
    }
    each_T = torch.ones_like(tokens.rows_T)
    first_T = torch.diff(tokens.rows_T, prepend=-each_T[:1]).sign()
    by_level_T = {"token": each_T, "sequence": first_T}
    counted_T = {
        "tokens": each_T,
        "reference_tokens": torch.zeros_like(each_T) if tokens.reference_logprobs_T is None else each_T,
        "ratios": by_level_T[config.ratio],
        "importance_weights": by_level_T[config.importance_level],
    }
    sums = {name: counted_T[name].sum(dtype=torch.float64) for name in COUNTS}
    sums |= {name: (counted_T[mean.over] * values_T[name]).sum(dtype=torch.float64) for name, mean in MEANS.items()}
    maxima = {
        "ratio_max": ratio_T.max(),
        "importance_weight_max": importance.weights_T.max(),
        "logprob_gap_max": gaps_T.abs().max(),
    }
    return sums, maxima
