"""Likelihood ratios between policies: the one that is clipped, and the one that corrects for the sampling engine.

Consumes log-probabilities of the tokens of a micro-batch under two policies; produces one ratio a token, by itself or
over its completion. It applies no clip and knows no advantages (`algo.loss`). Both policies are at the temperature that
was sampled at, or else their ratio would correct for the temperature as if it were a gap of numerics.

T counts the completion tokens of all completions of a micro-batch, one after another; rows_T numbers each token's
completion. Every completion is there whole: a sum over part of its tokens would be another completion's.

Ratios are exponentials of differences that nothing bounds. Those that are clipped afterwards are held within
exp(+-20), as verl does (https://github.com/verl-project/verl, `compute_policy_loss`): far outside any clip, and finite,
since infinity times a mask of 0 is not a number. The correction, whose cap is a setting, is compared in log space.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from seed_grpo.config.sections import LossConfig

LOG_RATIO_LIMIT = 20.0
"""nats; exp(20) = 4.9e8"""


def completion_sums_T(values_T: Tensor, rows_T: Tensor) -> Tensor:
    """Sum over each token's completion, at every token.

    T entries hold the sums of the at most T completions, so that no GPU is waited for to say how many there are.
    """
    return torch.zeros_like(values_T).index_add(0, rows_T, values_T)[rows_T]


def bounded_T(log_ratio_T: Tensor) -> Tensor:
    """Values held within +-`LOG_RATIO_LIMIT`, while their gradient passes unchanged: a token far outside is pulled back
    with a bounded force, not left alone."""
    return log_ratio_T.detach().clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT) + (log_ratio_T - log_ratio_T.detach())


def token_ratio_T(logprobs_T: Tensor, base_logprobs_T: Tensor, rows_T: Tensor) -> Tensor:
    """exp(logp_t - logp_base_t), PPO (arXiv 1707.06347, section 3). Equal policies give exactly 1."""
    return torch.exp(bounded_T(logprobs_T - base_logprobs_T))


def sequence_ratio_T(logprobs_T: Tensor, base_logprobs_T: Tensor, rows_T: Tensor) -> Tensor:
    """s = exp(mean over the completion of logp - logp_base), GSPO (arXiv 2507.18071, section 4.1), on every token.

    In the form of GSPO-token (section 4.3): the value of s, and s times the gradient of the token's own logp. Where
    the tokens of a completion share advantage and weight, their sum has the value and the gradient of GSPO. A
    completion of one token has the token ratio.
    """
    gaps_T = logprobs_T - base_logprobs_T
    lengths_T = completion_sums_T(torch.ones_like(gaps_T), rows_T)
    means_T = completion_sums_T(gaps_T.detach(), rows_T) / lengths_T
    return torch.exp(bounded_T(means_T) + (gaps_T - gaps_T.detach()))


RATIOS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "token": token_ratio_T,
    "sequence": sequence_ratio_T,
}
"""Functions by `algo.loss.ratio`: each maps logprobs_T, base_logprobs_T and rows_T to ratios [T] with gradient."""


def token_gaps_T(gaps_T: Tensor, rows_T: Tensor) -> Tensor:
    return gaps_T


GAPS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"token": token_gaps_T, "sequence": completion_sums_T}
"""Functions by `algo.loss.importance_level`: each maps the log-probability gaps [T] and rows_T to the log of the ratio
[T] that corrects them, the token's own or the product over its completion."""


def uncorrected_T(log_ratio_T: Tensor, log_cap: float) -> Tensor:
    return torch.ones_like(log_ratio_T)


def truncated_T(log_ratio_T: Tensor, log_cap: float) -> Tensor:
    """min(ratio, cap): truncated importance sampling (Yao et al. 2025, "Your efficient RL framework secretly brings
    you off-policy RL training")."""
    return torch.exp(log_ratio_T.clamp(max=log_cap))


def masked_T(log_ratio_T: Tensor, log_cap: float) -> Tensor:
    """ratio where ratio <= cap, else 0: masked importance sampling (Liu et al. 2025, "When speed kills stability:
    demystifying RL collapse from the training-inference mismatch")."""
    return torch.where(log_ratio_T > log_cap, torch.zeros_like(log_ratio_T), truncated_T(log_ratio_T, log_cap))


CORRECTIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "none": uncorrected_T,
    "truncated": truncated_T,
    "masked": masked_T,
}
"""Functions by `algo.loss.importance_correction`: each maps log ratios [T] and the log of the cap to weights [T]."""


class ImportanceWeights(NamedTuple):
    """Factors of the surrogates of T tokens, without gradient."""

    weights_T: Tensor
    changed_T: Tensor
    """[T] bool: the ratio was above the cap, and so was truncated or masked"""


def importance_weights(
    old_logprobs_T: Tensor, rollout_logprobs_T: Tensor, rows_T: Tensor, config: LossConfig
) -> ImportanceWeights:
    """Weights of tokens that the engine's policy sampled and the trainer's policy before the step is clipped against.

    The ratio is exp(logp_old - logp_rollout): the behaviour policy's part of the decoupled objective (Hilton et al.,
    arXiv 2110.00641; AReaL, arXiv 2505.24298, "Decoupled PPO Objective"), whether the two differ in numerics alone or
    in staleness too. Degenerate case: equal log-probabilities give 1.
    """
    log_cap = math.log(config.importance_cap)
    log_ratio_T = GAPS[config.importance_level]((old_logprobs_T - rollout_logprobs_T).detach(), rows_T)
    return ImportanceWeights(
        weights_T=CORRECTIONS[config.importance_correction](log_ratio_T, log_cap),
        changed_T=(log_ratio_T > log_cap) & (config.importance_correction != "none"),
    )
