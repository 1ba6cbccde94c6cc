"""The whole loss: by hand, against a slow reference in plain Python for every setting, and over splits and ranks."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from seed_grpo.algo.importance import CORRECTIONS, GAPS, RATIOS
from seed_grpo.algo.loss import MAXIMA, MEANS, SUMS, LossTokens, policy_loss
from seed_grpo.config.sections import LossConfig
from support.loss_tokens import LENGTHS, config_of, cut, random_tokens, tokens_of

LOG2, LOG3 = math.log(2), math.log(3)

SETTINGS = [
    {"ratio": ratio, "clip_against": against, "kl_coefficient": kl, "entropy_coefficient": entropy, **importance}
    for ratio, kl, entropy in itertools.product(RATIOS, (0.0, 0.3), (0.0, 0.05))
    for against, importance in [
        ("rollout", {"importance_correction": "none"}),
        *(
            ("trainer", {"importance_correction": correction, "importance_level": level})
            for correction, level in itertools.product(CORRECTIONS, GAPS)
        ),
    ]
]


def name_of(settings):
    return "-".join(map(str, settings.values()))


def has_derivative(settings):
    corrected_by_token = settings["importance_correction"] != "none" and settings["importance_level"] == "token"
    return not (settings["ratio"] == "sequence" and corrected_by_token)


def run(tokens, config):
    """The loss parts and the gradients by logprobs and entropies."""
    parts = policy_loss(tokens, config)
    leaves = (tokens.logprobs_T, tokens.entropies_T)
    gradients = torch.autograd.grad(parts.loss, leaves, allow_unused=True, materialize_grads=True)
    return parts, *gradients


def means_of(parts):
    return {name: (parts.sums[name] / parts.sums[mean.over]).item() for name, mean in MEANS.items()}


# ---------------------------------------------------------------- by hand


def test_the_decoupled_loss_by_hand():
    # one completion of two tokens, A = 2, clips [0.8, 1.2], cap 2, weights 1/4:
    #   token 1: ratio to old 1.5, clipped to 1.2, no gradient; old / rollout = 3, truncated to 2: -2 * 1.2 * 2 = -4.8
    #   token 2: ratio 1, old / rollout = 0.5: -0.5 * 1 * 2 = -1, gradient the same
    # loss = -5.8 / 4, gradient [0, -1 / 4]. Clipped against the engine, ratios 4.5 and 0.5 give -(1.2 + 0.5) * 2 / 4;
    # the correction on top of that would count the gap twice.
    tokens = tokens_of(
        [-1.0, -1.0],
        [0, 0],
        old=[-1 - math.log(1.5), -1.0],
        rollout=[-1 - math.log(4.5), -1 + LOG2],
        advantages=2.0,
        weights=0.25,
    )
    parts, gradient, _ = run(tokens, LossConfig(importance_cap=2.0))
    assert parts.loss.item() == pytest.approx(-1.45) and gradient.tolist() == pytest.approx([0, -0.25])
    parts, gradient, _ = run(tokens, LossConfig(clip_against="rollout", importance_correction="none"))
    assert parts.loss.item() == pytest.approx(-0.85) and gradient.tolist() == pytest.approx([0, -0.25])


def test_kl_and_entropy_terms_by_hand():
    # ref - logp = log 2: k3 = 2 - 1 - log 2 = 0.306853, gradient -1; entropy 1.5. With weight 3 and coefficients 0.1
    # and 0.2: loss 3 * (0.1 * 0.306853 - 0.2 * 1.5) = -0.807944; gradients -0.3 by logp and -0.6 by the entropy, whose
    # growth is rewarded. Outside of the weight, the loss would not depend on it.
    tokens = tokens_of([-1.0], [0], weights=3.0, entropies=1.5, reference=[-1 + LOG2])
    parts, by_logprob, by_entropy = run(tokens, LossConfig(kl_coefficient=0.1, entropy_coefficient=0.2))
    assert parts.loss.item() == pytest.approx(-0.807944, abs=1e-6)
    assert by_logprob.item() == pytest.approx(-0.3) and by_entropy.item() == pytest.approx(-0.6)


def test_sequence_ratio_is_gspo_in_value_and_gradient():
    # GSPO, arXiv 2507.18071, Eq. 5: the mean over completions of min(s A, clip(s) A), with the gradient THROUGH the
    # mean of log-ratios. Under per_completion weights 1 / (completions * length) the token form is the same.
    tokens = random_tokens()
    rows, lengths = tokens.rows_T, torch.tensor(LENGTHS)
    tokens = tokens._replace(weights_T=(1 / (len(LENGTHS) * lengths.double()))[rows])
    config = LossConfig(ratio="sequence", clip_low=0.15, clip_high=0.3, importance_correction="none")
    parts, gradient, _ = run(tokens, config)
    objective, clipped = torch.zeros((), dtype=torch.float64), 0
    for row in range(len(LENGTHS)):
        s = (tokens.logprobs_T - tokens.old_logprobs_T)[rows == row].mean().exp()
        advantage = tokens.advantages_T[rows == row][0]
        objective = objective + torch.minimum(s * advantage, s.clamp(0.85, 1.3) * advantage) / len(LENGTHS)
        clipped += bool((s * advantage) > s.clamp(0.85, 1.3) * advantage)
    expected = torch.autograd.grad(-objective, tokens.logprobs_T)[0]
    assert 0 < clipped < 4
    assert parts.loss.item() == pytest.approx(-objective.item(), abs=1e-12)
    assert torch.allclose(gradient, expected, atol=1e-12)


def test_metrics_by_hand():
    # completions of 3 tokens and 1; ratios to old 1.5, 0.5, 1 | 2 with A = 1 | -1 and clips [0.8, 1.2]: only the first
    # token loses its gradient. old - rollout = log 3, -log 2, 0 | log 2; cap 1.8 truncates tokens 1 and 4.
    tokens = tokens_of(
        np.log([1.5, 0.5, 1.0, 2.0]) - 5,
        [0, 0, 0, 1],
        old=[-5.0] * 4,
        rollout=np.array([-LOG3, LOG2, 0, -LOG2]) - 5,
        advantages=[1, 1, 1, -1],
        entropies=[1, 2, 3, 6],
    )
    parts, *_ = run(tokens, LossConfig(importance_cap=1.8))
    means = means_of(parts) | {name: parts.maxima[name].item() for name in MAXIMA}
    assert math.isnan(means.pop("kl"))  # no reference: nothing to divide by
    k3 = [3 - 1 - LOG3, 0.5 - 1 + LOG2, 0, 2 - 1 - LOG2]  # d = old - rollout; of rollout - old: 1/3 - 1 + log 3, ...
    by_token = {
        "clip_fraction_low": 0.0,
        "clip_fraction_high": 0.25,
        "ratio_mean": 5 / 4,
        "ratio_max": 2.0,
        "importance_weight_mean": (1.8 + 0.5 + 1 + 1.8) / 4,  # before truncation: 6.5 / 4
        "importance_weight_max": 1.8,
        "importance_changed_fraction": 0.5,
        "logprob_gap_mean": (LOG3 + LOG2 + LOG2) / 4,
        "logprob_gap_max": LOG3,
        "rollout_kl": sum(k3) / 4,
        "token_entropy": 3.0,
    }
    assert means == pytest.approx(by_token)
    # sequences: ratios (1.5 * 0.5)^(1/3) = 0.909 and 2; products old / rollout 1.5 and 2, the second truncated. Their
    # means are over the 2 completions, not weighted by length: over tokens the weights would give (3 * 1.5 + 1.8) / 4.
    parts, *_ = run(tokens, LossConfig(ratio="sequence", importance_level="sequence", importance_cap=1.8))
    means = means_of(parts)
    assert means["ratio_mean"] == pytest.approx((0.75 ** (1 / 3) + 2) / 2)
    assert means["importance_weight_mean"] == pytest.approx((1.5 + 1.8) / 2)
    assert means["importance_changed_fraction"] == 0.25  # of tokens
    assert means["clip_fraction_low"] == means["clip_fraction_high"] == 0


# ---------------------------------------------------------------- the slow reference


def slow_loss(tokens, config):
    """Loss, gradient by logprobs and metrics, completion by completion in plain Python floats; the gradient from the
    formula of the derivative, without autograd."""
    columns = [tensor.tolist() for tensor in tokens]
    loss, gradient, rows = 0.0, [], []
    for row in range(len(LENGTHS)):
        completion = list(
            zip(*([v for v, r in zip(c, columns[6], strict=True) if r == row] for c in columns), strict=True)
        )
        bases = [t[2] if config.clip_against == "trainer" else t[3] for t in completion]
        gaps = [t[0] - base for t, base in zip(completion, bases, strict=True)]
        offsets = [t[2] - t[3] for t in completion]
        for i, (logp, entropy, old, rollout, advantage, weight, _, reference) in enumerate(completion):
            ratio = math.exp(gaps[i]) if config.ratio == "token" else math.exp(sum(gaps) / len(gaps))
            rho = math.exp(offsets[i]) if config.importance_level == "token" else math.exp(sum(offsets))
            above = config.importance_correction != "none" and rho > config.importance_cap
            factor = {"none": 1.0, "truncated": min(rho, config.importance_cap), "masked": 0.0 if above else rho}[
                config.importance_correction
            ]
            low, high = 1 - config.clip_low, 1 + config.clip_high
            too_low, too_high = advantage < 0 and ratio < low, advantage > 0 and ratio > high
            effective = low if too_low else high if too_high else ratio
            k3 = math.exp(reference - logp) - (reference - logp) - 1
            loss += weight * (-factor * effective * advantage + config.kl_coefficient * k3)
            loss -= weight * config.entropy_coefficient * entropy
            slope = 0.0 if too_low or too_high else -factor * ratio * advantage
            gradient.append(weight * (slope + config.kl_coefficient * (1 - math.exp(reference - logp))))
            gap_kl = math.exp(old - rollout) - 1 - (old - rollout)
            rows.append((row, too_low, too_high, ratio, k3, factor, above, abs(old - rollout), gap_kl, entropy))
    return loss, gradient, slow_metrics(rows, config)


def slow_metrics(rows, config):
    firsts = [r for i, r in enumerate(rows) if i == 0 or rows[i - 1][0] != r[0]]
    metrics = {
        name: sum(r[i] for r in rows) / len(rows)
        for i, name in enumerate(MEANS, start=1)
        if name not in ("ratio_mean", "importance_weight_mean")
    }
    for name, i, level in (("ratio_mean", 3, config.ratio), ("importance_weight_mean", 5, config.importance_level)):
        units = rows if level == "token" else firsts
        metrics[name] = sum(r[i] for r in units) / len(units)
    maxima = {name: max(r[i] for r in rows) for name, i in zip(MAXIMA, (3, 5, 7), strict=True)}
    return metrics | maxima


@pytest.mark.parametrize("settings", SETTINGS, ids=name_of)
def test_every_setting_is_the_slow_reference(settings):
    config, tokens = config_of(settings), random_tokens()
    parts, by_logprob, by_entropy = run(tokens, config)
    loss, gradient, metrics = slow_loss(tokens, config)
    assert parts.loss.item() == pytest.approx(loss, abs=1e-12)
    assert by_logprob.tolist() == pytest.approx(gradient, abs=1e-12)
    assert by_entropy.tolist() == pytest.approx((-config.entropy_coefficient * tokens.weights_T).tolist(), abs=1e-15)
    assert means_of(parts) | {name: parts.maxima[name].item() for name in MAXIMA} == pytest.approx(metrics, abs=1e-12)
    # the data reach every branch
    assert metrics["clip_fraction_low"] > 0 and metrics["clip_fraction_high"] > 0
    assert (0 < metrics["importance_changed_fraction"] < 1) == (config.importance_correction != "none")


@pytest.mark.parametrize("settings", [s for s in SETTINGS if has_derivative(s)], ids=name_of)
def test_the_gradient_is_that_of_the_value(settings):
    """Compares with central differences. Left out: the ratio of sequences with weights of tokens, where GSPO-token by
    design has each token's own gradient, and the derivative of the value would spread the weights over all of it."""
    config, tokens = config_of(settings), random_tokens(seed=1)
    _, gradient, _ = run(tokens, config)
    step = 1e-6
    for t in range(len(gradient)):
        shift = torch.zeros_like(gradient).index_fill(0, torch.tensor([t]), step)
        up, down = (
            policy_loss(tokens._replace(logprobs_T=tokens.logprobs_T + sign * shift), config).loss for sign in (1, -1)
        )
        assert (up - down).item() / (2 * step) == pytest.approx(gradient[t].item(), abs=1e-8)


# ---------------------------------------------------------------- invariants


@pytest.mark.parametrize("settings", SETTINGS, ids=name_of)
def test_a_cut_between_completions_changes_nothing(settings):
    # a mean over the micro-batch's tokens, or row numbers taken for those of the update, would show here
    config, tokens = config_of(settings), random_tokens(seed=2)
    whole, by_logprob, by_entropy = run(tokens, config)
    pieces = [run(cut(tokens, *ends), config) for ends in ((0, 2), (2, 3), (3, 5))]
    assert sum(parts.loss.item() for parts, *_ in pieces) == pytest.approx(whole.loss.item(), abs=1e-12)
    assert torch.allclose(torch.cat([piece[1] for piece in pieces]), by_logprob, atol=1e-14)
    assert torch.allclose(torch.cat([piece[2] for piece in pieces]), by_entropy, atol=1e-14)
    for name in SUMS:
        assert sum(parts.sums[name].item() for parts, *_ in pieces) == pytest.approx(whole.sums[name].item(), abs=1e-11)
    for name in MAXIMA:
        assert max(parts.maxima[name].item() for parts, *_ in pieces) == whole.maxima[name].item()


@pytest.mark.parametrize("settings", SETTINGS, ids=name_of)
def test_the_scale_of_advantages_scales_the_surrogate_alone(settings):
    # SEED multiplies the advantages of a prompt; the KL and entropy terms must not follow
    config, tokens = config_of(settings), random_tokens(seed=3)
    (one, g1, _), (scaled, g2, _), (none, g0, _) = (
        run(tokens._replace(advantages_T=factor * tokens.advantages_T), config) for factor in (1.0, 0.25, 0.0)
    )
    assert (one.loss - none.loss).abs().item() > 1e-3
    assert (scaled.loss - none.loss).item() == pytest.approx(0.25 * (one.loss - none.loss).item(), abs=1e-12)
    assert torch.allclose(g2 - g0, 0.25 * (g1 - g0), atol=1e-12)


@pytest.mark.parametrize("settings", SETTINGS, ids=name_of)
def test_policies_far_apart_give_finite_float32_losses_and_gradients(settings):
    # gaps of +-500 nats and sums of +-400 against advantages of every sign, 0 too: exp would be inf, inf * 0 nan
    gaps = [500.0, -500.0, 0.0] * 3 + [4.0] * 100 + [-4.0] * 100
    rows = np.repeat(np.arange(11), [1] * 9 + [100] * 2)
    advantages = np.array([1.0, 1, 1, -1, -1, -1, 0, 0, 0, 1, -1])[rows]
    for gap_to in ("old", "rollout", "reference"):
        given = {"old": np.full(len(rows), -600.0), "rollout": np.full(len(rows), -600.0), "reference": [-600.0]}
        given[gap_to] = -600.0 + np.array(gaps)
        tokens = tokens_of([-600.0] * len(rows), rows, advantages=advantages, **given)
        tokens = LossTokens(*(t if t.dtype == torch.int64 else t.detach().float().requires_grad_() for t in tokens))
        parts, *gradients = run(tokens, config_of(settings))
        assert parts.loss.isfinite() and all(gradient.isfinite().all() for gradient in gradients), gap_to
        assert all(value.isfinite() for value in (parts.sums | parts.maxima).values()), gap_to


def test_a_masked_completion_keeps_its_kl_alone():
    # products old / rollout: 1 and e; the second completion is masked at cap 2, each of its tokens (e^0.5) is not
    given = {"advantages": 1.0, "reference": [-1.0 + LOG2] * 4, "rollout": [-1, -1, -1.5, -1.5]}
    tokens = tokens_of([-1.0] * 4, [0, 0, 1, 1], **given)
    masked = {"importance_correction": "masked", "importance_cap": 2.0}
    _, gradient, _ = run(tokens, LossConfig(importance_level="sequence", **masked))
    assert gradient.tolist() == [-1, -1, 0, 0]
    _, gradient, _ = run(tokens, LossConfig(importance_level="sequence", kl_coefficient=0.1, **masked))
    assert gradient.tolist() == pytest.approx([-1.1, -1.1, -0.1, -0.1])
    _, gradient, _ = run(tokens, LossConfig(importance_level="token", **masked))
    assert gradient.tolist() == pytest.approx([-1, -1, -math.exp(0.5), -math.exp(0.5)])


def test_inputs_that_do_not_fit_are_refused():
    tokens = random_tokens()
    with pytest.raises(ValueError, match=r"all tensors must be \[T\] with T >= 1; .*'advantages_T': \(17,\)"):
        policy_loss(tokens._replace(advantages_T=tokens.advantages_T[1:]), LossConfig())
    with pytest.raises(ValueError, match=r"all tensors must be \[T\] with T >= 1"):
        policy_loss(LossTokens(*(tensor[:0] for tensor in tokens)), LossConfig())
    with pytest.raises(AssertionError, match="needs the reference's"):
        policy_loss(random_tokens(reference=False), LossConfig(kl_coefficient=0.1))
    with pytest.raises(AssertionError, match="entropies without gradient"):  # a bonus that would do nothing
        policy_loss(tokens._replace(entropies_T=tokens.entropies_T.detach()), LossConfig(entropy_coefficient=0.1))


# ---------------------------------------------------------------- the metrics of a step
