"""The terms of the loss, each by hand: token weights, the clipped surrogate, the divergence."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from seed_grpo.algo.importance import LOG_RATIO_LIMIT
from seed_grpo.algo.loss import clipped_surrogate_T, k3_T, token_weights_B
from support.loss_tokens import leaf

LOG2 = math.log(2)


def test_token_weights_by_hand():
    lengths_B = np.array([2, 4, 0])
    # constant: 6 completions of at most 10 tokens, whatever came: 1/60. Counting the rows at hand would give 1/20.
    assert token_weights_B(lengths_B, "constant", 6, 10) == pytest.approx([1 / 60, 1 / 60, 0])
    # per completion: 2 rows with tokens; a token of the first weighs 1/(2*2), of the second 1/(2*4)
    assert token_weights_B(lengths_B, "per_completion", 6, 10) == pytest.approx([1 / 4, 1 / 8, 0])
    assert token_weights_B(lengths_B, "per_token", 6, 10) == pytest.approx([1 / 6, 1 / 6, 0])


def test_clipped_surrogate_by_hand():
    # ratios 1.5, 1.5, 0.5, 0.5 with advantages 1, -1, 1, -1 and clips [0.9, 1.3]:
    #   1.5 with A = 1 is clipped to 1.3, no gradient;   1.5 with A = -1 stays: min(-1.5, -1.3) = -1.5
    #   0.5 with A = 1 stays: min(0.5, 0.9) = 0.5;       0.5 with A = -1 is clipped to -0.9, no gradient
    # With the sides swapped, [0.7, 1.1], the clipped ones would be 1.1 and -0.7; with max for min, 1.5 and -0.5.
    ratio_T = leaf(1.5, 1.5, 0.5, 0.5)
    surrogate_T = clipped_surrogate_T(ratio_T, torch.tensor([1.0, -1.0, 1.0, -1.0]), clip_low=0.1, clip_high=0.3)
    assert surrogate_T.tolist() == pytest.approx([1.3, -1.5, 0.5, -0.9])
    surrogate_T.sum().backward()
    assert ratio_T.grad.tolist() == [0, -1, 1, 0]


@pytest.mark.parametrize("clip", [0.0, 0.2])
def test_a_ratio_of_one_has_its_whole_gradient(clip):
    ratio_T = leaf(1.0, 1.0)
    clipped_surrogate_T(ratio_T, torch.tensor([2.0, -3.0]), clip, clip).sum().backward()
    assert ratio_T.grad.tolist() == [2, -3]  # half of it is lost where one side of a tie has none


def test_k3_by_hand():
    # d = other - logp = log 2: k3 = 2 - 1 - log 2 = 0.306853, gradient 1 - 2 = -1: less likely than there, so raise it.
    # d = -log 2: k3 = 0.5 - 1 + log 2 = 0.193147, gradient 1 - 0.5. Swapped policies exchange the two; k1 = -d = -0.69.
    logprobs_T = leaf(-1.0, -1.0, -1.0)
    kl_T = k3_T(logprobs_T, torch.tensor([-1.0 + LOG2, -1.0 - LOG2, -1.0], dtype=torch.float64))
    assert kl_T.tolist() == pytest.approx([0.306853, 0.193147, 0], abs=1e-6)
    kl_T.sum().backward()
    assert logprobs_T.grad.tolist() == pytest.approx([-1, 0.5, 0])


def test_k3_of_near_and_far_policies():
    # near: d = 2^-12 and logp = 0, exact in float32: k3 = d^2 / 2 (1 + d / 3) = 2.98e-8, by exp(d) - 1 - d it is 0
    near = k3_T(torch.tensor([0.0]), torch.tensor([2.0**-12]))
    assert near.item() == pytest.approx(2.0**-25 * (1 + 2.0**-12 / 3), rel=1e-3)
    logprobs_T = torch.tensor([-500.0, 0.0], requires_grad=True)
    far_T = k3_T(logprobs_T, torch.tensor([0.0, -500.0]))
    far_T.sum().backward()
    assert far_T.tolist() == pytest.approx([math.exp(LOG_RATIO_LIMIT), 499], rel=1e-5)
    assert logprobs_T.grad.tolist() == pytest.approx([-math.exp(LOG_RATIO_LIMIT), 1], rel=1e-5)
