"""Ratios of two policies and importance weights, by hand, near one and far out."""

from __future__ import annotations

import math

import pytest
import torch

from seed_grpo.algo.importance import LOG_RATIO_LIMIT, importance_weights, sequence_ratio_T, token_ratio_T
from seed_grpo.config.sections import LossConfig
from support.loss_tokens import leaf

LOG2, LOG3 = math.log(2), math.log(3)
ROWS_T = torch.tensor([0, 0, 1])  # a completion of two tokens, one of one


def test_ratios_by_hand():
    # gaps log 4 and 0 in the first completion, log 3 in the second. Tokens: 4, 1, 3. Sequences: exp(log(4) / 2) = 2 and
    # 3; the product over the completion, without the mean, would be 4, and a mean over the batch 12^(1/3) = 2.29.
    base_T = torch.tensor([-1.0 - 2 * LOG2, -1.0, -1.0 - LOG3], dtype=torch.float64)
    for function, expected in {token_ratio_T: [4, 1, 3], sequence_ratio_T: [2, 2, 3]}.items():
        logprobs_T = leaf(-1.0, -1.0, -1.0)
        ratio_T = function(logprobs_T, base_T, ROWS_T)
        assert ratio_T.tolist() == pytest.approx(expected)
        ratio_T.sum().backward()
        # each token has its own gradient, ratio times that of its logp; through the mean it would be the same 2, 2, 3
        assert logprobs_T.grad.tolist() == pytest.approx(expected)


def test_ratios_of_one_policy_are_exactly_one():
    logprobs_T = torch.tensor([-0.1, -7.3, -0.7])
    assert token_ratio_T(logprobs_T, logprobs_T, ROWS_T).tolist() == [1, 1, 1]
    assert sequence_ratio_T(logprobs_T, logprobs_T, ROWS_T).tolist() == [1, 1, 1]


def test_ratios_far_out_are_finite_and_still_pull_back():
    # exp(500) is infinite in float32, and so would the gradient be; a plain clamp of the gap would have no gradient
    logprobs_T = torch.tensor([0.0, 0.0, -500.0], requires_grad=True)
    ratio_T = token_ratio_T(logprobs_T, torch.tensor([-500.0, 0.0, 0.0]), ROWS_T)
    ratio_T.sum().backward()
    bound = math.exp(LOG_RATIO_LIMIT)
    assert ratio_T.tolist() == pytest.approx([bound, 1, 1 / bound], rel=1e-5)
    assert logprobs_T.grad.tolist() == pytest.approx([bound, 1, 1 / bound], rel=1e-5)


def test_importance_weights_by_hand():
    # old / rollout = 0.5 and 3 in the first completion, 3 in the second, cap 2; products over completions 1.5 and 3.
    # A mean in place of the product would give sqrt(1.5) = 1.22; rollout / old would give 2, 1/3, 1/3.
    rollout_T = torch.tensor([-1.0 + LOG2, -1.0 - LOG3, -1.0 - LOG3])
    expected = {
        ("token", "none"): ([1, 1, 1], [False, False, False]),
        ("token", "truncated"): ([0.5, 2, 2], [False, True, True]),
        ("token", "masked"): ([0.5, 0, 0], [False, True, True]),
        ("sequence", "none"): ([1, 1, 1], [False, False, False]),
        ("sequence", "truncated"): ([1.5, 1.5, 2], [False, False, True]),
        ("sequence", "masked"): ([1.5, 1.5, 0], [False, False, True]),
    }
    for (level, correction), (weights, changed) in expected.items():
        config = LossConfig(importance_level=level, importance_correction=correction, importance_cap=2.0)
        importance = importance_weights(torch.full((3,), -1.0), rollout_T, ROWS_T, config)
        assert importance.weights_T.tolist() == pytest.approx(weights), (level, correction)
        assert importance.changed_T.tolist() == changed, (level, correction)


@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize("correction", ["truncated", "masked"])
def test_importance_weights_of_one_policy_are_exactly_one_without_gradient(level, correction):
    # with cap 1 a mask of ratio >= cap, in place of >, would drop everything
    config = LossConfig(importance_level=level, importance_correction=correction, importance_cap=1.0)
    logprobs_T = torch.tensor([-0.1, -7.3, -0.7], requires_grad=True)
    importance = importance_weights(logprobs_T, logprobs_T.detach(), ROWS_T, config)
    assert importance.weights_T.tolist() == [1, 1, 1] and not importance.changed_T.any()
    assert not importance.weights_T.requires_grad


def test_importance_weights_of_hundreds_of_nats():
    # exp(200 + 200) is infinite in float32; its truncation is the cap, its mask 0, and exp(-400) is 0, none of them nan
    rollout_T = torch.tensor([-201.0, -201.0, 399.0])
    for correction, expected in {"truncated": [2, 2, 0], "masked": [0, 0, 0]}.items():
        config = LossConfig(importance_level="sequence", importance_correction=correction, importance_cap=2.0)
        importance = importance_weights(torch.full((3,), -1.0), rollout_T, ROWS_T, config)
        assert importance.weights_T.tolist() == pytest.approx(expected)
        assert importance.changed_T.tolist() == [True, True, False]
