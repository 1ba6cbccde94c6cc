"""Tokens of completions for tests of the loss, and micro-batches cut from them."""

from __future__ import annotations

import numpy as np
import torch

from seed_grpo.algo.loss import LossTokens
from seed_grpo.config.sections import LossConfig

LENGTHS = (4, 1, 6, 2, 5)


def config_of(settings):
    return LossConfig(clip_low=0.15, clip_high=0.3, importance_cap=1.4, **settings)


def tokens_of(logprobs, rows, *, old=None, rollout=None, advantages=0.0, weights=1.0, entropies=0.0, reference=None):
    """`LossTokens` in float64; a single number is every token's; `old` is like `logprobs`, `rollout` like `old`."""

    def column(values):
        return torch.tensor(np.broadcast_to(values, len(logprobs)).copy(), dtype=torch.float64)

    old = logprobs if old is None else old
    return LossTokens(
        logprobs_T=column(logprobs).requires_grad_(),
        entropies_T=column(entropies).requires_grad_(),
        old_logprobs_T=column(old),
        rollout_logprobs_T=column(old if rollout is None else rollout),
        advantages_T=column(advantages),
        weights_T=column(weights),
        rows_T=torch.tensor(rows),
        reference_logprobs_T=None if reference is None else column(reference),
    )


def random_tokens(seed=0, reference=True):
    """Completions of `LENGTHS`, with gaps that every clip and cap catches some of and leaves some of."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(len(LENGTHS)), LENGTHS)
    logprobs = rng.normal(-2, 1, len(rows))
    # a part of each gap is the completion's, so that means and sums over it leave the clips too
    old = logprobs + rng.normal(0, 0.3, len(rows)) + np.array([0.4, -0.6, -0.3, 0.5, 0.0])[rows]
    rollout = old + rng.normal(0, 0.3, len(rows)) + np.array([-0.2, 0.3, -0.2, 0.2, 0.0])[rows]
    return tokens_of(
        logprobs,
        rows,
        old=old,
        rollout=rollout,
        advantages=np.array([1.0, 0.7, -0.8, -0.5, 0.0])[rows],
        weights=rng.uniform(0.02, 0.1, len(LENGTHS))[rows],
        entropies=rng.uniform(0.1, 2, len(rows)),
        reference=logprobs + rng.normal(0, 0.5, len(rows)) if reference else None,
    )


def cut(tokens, start, stop):
    """The micro-batch of completions start..stop-1, numbered from 0."""
    chosen = (tokens.rows_T >= start) & (tokens.rows_T < stop)
    part = LossTokens(*(None if tensor is None else tensor.detach()[chosen] for tensor in tokens))
    return part._replace(
        logprobs_T=part.logprobs_T.requires_grad_(),
        entropies_T=part.entropies_T.requires_grad_(),
        rows_T=part.rows_T - start,
    )


def leaf(*values):
    """A tensor in float64 that has a gradient."""
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)
