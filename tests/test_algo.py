"""Scale, advantage and loss against numbers worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from seed_grpo.algo.advantage import ADVANTAGES, advantages_G
from seed_grpo.algo.loss import importance_weights_T, policy_loss, token_weights_B
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


def loss_of(logprobs, old, rollout, advantages, config, reference=None, weights=None):
    tensors = [torch.tensor(values) for values in (logprobs, old, rollout, advantages)]
    tensors[0].requires_grad_()
    weights_T = torch.tensor(weights or [1.0] * len(logprobs))
    parts = policy_loss(
        *tensors, weights_T, config, torch.ones(len(logprobs)), None if reference is None else torch.tensor(reference)
    )
    parts.loss.backward()
    return parts, tensors[0].grad


def test_clipping_by_hand():
    # ratios 1.5, 1.5, 0.5, 0.5 with advantages 1, -1, 1, -1 and clips [0.9, 1.3]:
    #   1.5 with A = 1 is clipped to 1.3, no gradient;   1.5 with A = -1 stays: min(-1.5, -1.3) = -1.5
    #   0.5 with A = 1 stays: min(0.5, 0.9) = 0.5;       0.5 with A = -1 is clipped to -0.9, no gradient
    # loss = -(1.3 - 1.5 + 0.5 - 0.9) = 0.6; d loss / d logp = -A * ratio where not clipped
    old = [math.log(1 / 1.5), math.log(1 / 1.5), math.log(2.0), math.log(2.0)]
    config = LossConfig(clip_low=0.1, clip_high=0.3, importance_correction="none")
    parts, gradient = loss_of([0.0] * 4, old, [0.0] * 4, [1.0, -1.0, 1.0, -1.0], config)
    assert parts.loss.item() == pytest.approx(0.6)
    assert gradient.tolist() == pytest.approx([0.0, 1.5, -0.5, 0.0])
    assert (parts.sums["clip_fraction_high"].item(), parts.sums["clip_fraction_low"].item()) == (1, 1)


def test_importance_correction_by_hand():
    # old / rollout = 0.5 and 3 with cap 2: truncated 0.5 and 2, masked 0.5 and 0, none 1 and 1; A = 1, ratio = 1
    logprobs, rollout = [-1.0, -1.0], [-1.0 + math.log(2), -1.0 - math.log(3)]
    for kind, weights in {"truncated": [0.5, 2.0], "masked": [0.5, 0.0], "none": [1.0, 1.0]}.items():
        config = LossConfig(importance_correction=kind, importance_cap=2.0)
        parts, gradient = loss_of(logprobs, logprobs, rollout, [1.0, 1.0], config)
        assert gradient.tolist() == pytest.approx([-w for w in weights])  # with a gradient through it: twice that
        assert parts.sums["importance_weight_mean"].item() == pytest.approx(sum(weights))
        assert parts.maxima["logprob_gap_max"].item() == pytest.approx(math.log(3))
        assert parts.sums["logprob_gap_mean"].item() == pytest.approx(math.log(6))


def test_importance_weights_carry_no_gradient():
    logprobs_T = torch.tensor([-1.0], requires_grad=True)
    assert not importance_weights_T(logprobs_T, torch.tensor([-1.5]), LossConfig()).requires_grad


def test_kl_by_hand():
    # ref - logp = log 2: k3 = 2 - log 2 - 1 = 0.306853, d k3 / d logp = 1 - 2 = -1; coefficient 0.1, weight 3
    config = LossConfig(kl_coefficient=0.1)
    parts, gradient = loss_of([-1.0], [-1.0], [-1.0], [0.0], config, [-1.0 + math.log(2)], weights=[3.0])
    assert parts.loss.item() == pytest.approx(0.1 * 3 * 0.306853, abs=1e-6)
    assert gradient.item() == pytest.approx(-0.3)
    assert parts.sums["kl"].item() == pytest.approx(0.306853, abs=1e-6)


def test_loss_is_a_sum_over_tokens_whatever_the_split():
    rng = np.random.default_rng(0)
    logprobs, old, rollout, advantages = (rng.normal(size=7).astype(np.float32).tolist() for _ in range(4))
    weights = rng.uniform(size=7).astype(np.float32).tolist()
    whole, gradient = loss_of(logprobs, old, rollout, advantages, LossConfig(), weights=weights)
    columns = (logprobs, old, rollout, advantages)
    first, left = loss_of(*(c[:3] for c in columns), LossConfig(), weights=weights[:3])
    second, right = loss_of(*(c[3:] for c in columns), LossConfig(), weights=weights[3:])
    assert (first.loss + second.loss).item() == pytest.approx(whole.loss.item(), abs=1e-6)
    assert torch.allclose(torch.cat([left, right]), gradient)
    for name in whole.sums:
        assert (first.sums[name] + second.sums[name]).item() == pytest.approx(whole.sums[name].item(), abs=1e-5)


def test_inputs_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"all inputs must be \[T\]"):
        policy_loss(*(torch.zeros(n) for n in (3, 3, 2, 3, 3)), LossConfig(), torch.zeros(3))
