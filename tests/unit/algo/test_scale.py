"""Scale, advantage and the pieces of the loss against numbers worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from seed_grpo.algo.advantage import ADVANTAGES, advantages_G
from seed_grpo.algo.importance import LOG_RATIO_LIMIT, importance_weights, sequence_ratio_T, token_ratio_T
from seed_grpo.algo.loss import AGGREGATIONS, clipped_surrogate_T, k3_T, token_weights_B
from seed_grpo.algo.scale import SCALES, scale, scales_P
from seed_grpo.config import LossConfig, ScaleConfig


def test_scales_by_hand():
    # SE = log 2 of SE_max = log 4 is exactly half: x = alpha / 2. A wrong denominator (SE alone) would give
    # 1 - 0.4 * 0.693 = 0.723 for linear.
    half = (math.log(2), math.log(4))
    assert scale(*half, ScaleConfig(kind="linear", alpha=0.4)) == pytest.approx(0.8)
    assert scale(*half, ScaleConfig(kind="exponential", alpha=0.4)) == pytest.approx(math.exp(-0.2))
    assert scale(*half, ScaleConfig(kind="focal", alpha=0.4, gamma=2)) == pytest.approx(0.64)
    assert scale(*half, ScaleConfig(kind="reciprocal", alpha=0.4)) == pytest.approx(1 / 1.2)
    assert scale(*half, ScaleConfig(kind="none", alpha=0.4)) == 1.0


@pytest.mark.parametrize("kind", SCALES)
def test_every_scale_is_one_without_uncertainty_and_stays_in_the_unit_interval(kind):
    config = ScaleConfig(kind=kind, alpha=1.0, gamma=3.0)
    values = [scale(entropy, math.log(8), config) for entropy in np.linspace(0, math.log(8), 20)]
    assert values[0] == 1.0
    assert all(0.0 <= value <= 1.0 for value in values)
    assert values == sorted(values, reverse=True)
    assert scale(0.0, 0.0, config) == 1.0  # fewer than two completions: no uncertainty is known


def test_scale_refuses_an_entropy_above_its_maximum():
    with pytest.raises(ValueError, match=r"outside \[0, 1\.0\]"):
        scale(1.1, 1.0, ScaleConfig())


def test_controls():
    entropy_P, top_P = np.array([0.0, 0.5, 1.0, 0.25]), np.ones(4)
    plain = scales_P(entropy_P, top_P, ScaleConfig(alpha=1.0), np.random.default_rng(0))
    assert plain.tolist() == [1.0, 0.5, 0.0, 0.75]
    matched = scales_P(entropy_P, top_P, ScaleConfig(alpha=1.0, control="mean_matched"), np.random.default_rng(0))
    assert matched.tolist() == [0.5625] * 4  # (1 + 0.5 + 0 + 0.75) / 4
    shuffled = [
        scales_P(entropy_P, top_P, ScaleConfig(alpha=1.0, control="shuffled"), np.random.default_rng(seed)).tolist()
        for seed in (1, 1, 2)
    ]
    assert sorted(shuffled[0]) == sorted(plain.tolist())
    assert shuffled[0] == shuffled[1] != shuffled[2]


def test_advantages_by_hand():
    # valid rewards 1, 0, 0: mean 1/3; deviation over n - 1 = 2: sqrt((4/9 + 1/9 + 1/9) / 2) = sqrt(1/3) = 0.57735.
    # The invalid third completion (reward 0) in the baseline would give mean 1/4.
    rewards_G, valid_G = np.array([1.0, 0.0, 0.0, 0.0], np.float32), np.array([True, True, False, True])
    assert advantages_G(rewards_G, valid_G, "centered") == pytest.approx([2 / 3, -1 / 3, 0, -1 / 3])
    expected = [1.154699, -0.57735, 0, -0.57735]
    assert advantages_G(rewards_G, valid_G, "standardized") == pytest.approx(expected, abs=1e-5)
    # leave one out: 1 - mean(0, 0) = 1 and 0 - mean(1, 0) = -1/2
    assert advantages_G(rewards_G, valid_G, "leave_one_out") == pytest.approx([1, -0.5, 0, -0.5])


@pytest.mark.parametrize("kind", ADVANTAGES)
def test_advantages_without_a_signal_are_exact_zeros(kind):
    # (0.1 + 0.1 + 0.1) / 3 is not 0.1: a plain r - mean(r) leaves -1e-17, and rows that have no signal would be run
    equal = advantages_G(np.full(3, 0.1), np.ones(3, bool), kind)
    alone = advantages_G(np.array([1.0, 0.0]), np.array([True, False]), kind)
    assert not equal.any() and not alone.any()


def test_token_weights_by_hand():
    lengths_B = np.array([2, 4, 0])
    # constant: 6 completions of at most 10 tokens, whatever came: 1/60. Counting the rows at hand would give 1/20.
    assert token_weights_B(lengths_B, "constant", 6, 10) == pytest.approx([1 / 60, 1 / 60, 0])
    # per completion: 2 rows with tokens; a token of the first weighs 1/(2*2), of the second 1/(2*4)
    assert token_weights_B(lengths_B, "per_completion", 6, 10) == pytest.approx([1 / 4, 1 / 8, 0])
    assert token_weights_B(lengths_B, "per_token", 6, 10) == pytest.approx([1 / 6, 1 / 6, 0])


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_token_weights_without_tokens_are_zeros(aggregation):
    assert token_weights_B(np.array([0, 0]), aggregation, 6, 10).tolist() == [0, 0]
    assert token_weights_B(np.array([], np.int64), aggregation, 6, 10).tolist() == []


def leaf(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


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
