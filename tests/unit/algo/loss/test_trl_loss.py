"""The loss against that of TRL 1.16's `GRPOTrainer`, same model, same tokens: value, and gradient of every parameter.

A real GRPOTrainer on a tiny model computes `_compute_loss` from padded tensors as its own data path makes them (prompts
padded on the left, completions on the right). Here the model is loaded anew, every row runs alone without padding, and
`policy_loss` gets the completion tokens one after another.

Conventions that differ, with what the tests do about them:

- TRL multiplies the KL term by the ratio unless `use_bias_correction_kl=False` (DeepSeek-V3.2, arXiv 2512.02556), which
  changes its gradient even where the ratio is 1. SEED has the k3 of GRPO as it stands, and so do the tests but one.
- TRL divides by what is in the micro-batch (`grpo`, `dr_grpo`: its rows; `dapo`: the tokens of the generation batch),
  then by the number of accumulated micro-batches. SEED's token weights hold the update's denominator. The two are equal
  where micro-batches have equally many rows, and apart where not.
- TRL's entropy bonus is the mean over the micro-batch's tokens whatever the loss type. SEED's has the token weights of
  the other terms, so that it does not depend on the split: the same under `dapo` alone.
- TRL computes importance weights where it scores completions, with vLLM alone: there is no function to call, so the
  tests give `_compute_loss` the weights that its formula makes.
- TRL counts a completion without tokens as a row; SEED does not. Neither engine makes one, as its end is a token.
- TRL reports sequence-level clip fractions over sequences; SEED's are of tokens. Not compared.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from seed_grpo.algo.loss import LossTokens, k3_T, policy_loss, token_weights_B
from seed_grpo.algo.scale import scale
from seed_grpo.config.sections import LossConfig, ScaleConfig
from seed_grpo.train.logprobs import lean_logprobs
from support.tiny_model import make_tiny_model

AGGREGATION = {"dr_grpo": "constant", "grpo": "per_completion", "dapo": "per_token"}
PROMPT_LENGTHS, LENGTHS, MAX_LENGTH = (3, 5, 2, 4), (6, 1, 4, 3), 8
CLIP_LOW, CLIP_HIGH, CAP = 0.1, 0.3, 1.3
ALL_ROWS = (0, 1, 2, 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("trl") / "model", tied=False, seed=1)


def logprobs_and_entropies(model, prompt, completion, temperature=1.0):
    """Log-probabilities of a completion's tokens, by itself, from the whole logits."""
    logits_TV = model(torch.cat([prompt, completion])[None]).logits[0, len(prompt) - 1 : -1]
    all_logprobs_TV = torch.log_softmax(logits_TV / temperature, -1)
    return all_logprobs_TV.gather(1, completion[:, None])[:, 0], torch.special.entr(all_logprobs_TV.exp()).sum(-1)


@pytest.fixture(scope="module")
def batch(folder):
    return batch_at(folder, 1.0)


def batch_at(folder, temperature):
    """Four completions with old, rollout and reference log-probabilities near the model's own, as lists of rows."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    rng = torch.Generator().manual_seed(0)
    rows = SimpleNamespace(
        prompts=[torch.randint(2, 98, (length,), generator=rng) for length in PROMPT_LENGTHS],
        completions=[torch.randint(2, 98, (length,), generator=rng) for length in LENGTHS],
        # of two prompts with SEED's scale: x = 0.4 * 0.5 and 0.4 * 0.25
        advantages=torch.tensor([1.0, -0.8, 0.6, -1.2])
        * torch.tensor([scale(x, 1.0, ScaleConfig(alpha=0.4)) for x in (0.5, 0.5, 0.25, 0.25)]),
    )
    with torch.no_grad():
        both = zip(rows.prompts, rows.completions, strict=True)
        present = [logprobs_and_entropies(model, *row, temperature)[0] for row in both]

    def near(values, spread, shifts=(0.0, 0.0, 0.0, 0.0)):
        noise = [shift + spread * torch.randn(len(v), generator=rng) for v, shift in zip(values, shifts, strict=True)]
        return [value + n for value, n in zip(values, noise, strict=True)]

    rows.old = near(present, 0.2, (-0.6, 0.4, 0.1, 0.4))  # sequences leave the clips too: two too high or low
    rows.rollout = near(rows.old, 0.2, (-0.1, 0.0, 0.1, 0.0))
    rows.reference = near(present, 0.5)
    return rows


def trl_trainer(folder, tmp_path, **settings):
    """A real GRPOTrainer, as if within an update: in training mode, of one micro-batch unless changed."""
    from datasets import Dataset  # here, since trl takes seconds to import and imports deepspeed
    from trl import GRPOConfig, GRPOTrainer

    arguments = GRPOConfig(
        output_dir=str(tmp_path),
        use_cpu=True,
        bf16=False,
        report_to=[],
        num_generations=4,
        gradient_checkpointing=False,
        max_completion_length=MAX_LENGTH,
        epsilon=CLIP_LOW,
        epsilon_high=CLIP_HIGH,
        **{"per_device_train_batch_size": 4, "gradient_accumulation_steps": 1, "use_bias_correction_kl": False}
        | settings,
    )
    trainer = GRPOTrainer(
        model=str(folder),
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=arguments,
        train_dataset=Dataset.from_dict({"prompt": ["1"] * 4}),
    )
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = arguments.gradient_accumulation_steps
    return trainer


def pad(rows, left=False):
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_side="left" if left else "right")


def trl_loss(trainer, batch, rows=ALL_ROWS, **more):
    """Loss of one micro-batch, whose gradient is added to the model's."""
    chosen = {name: [values[row] for row in rows] for name, values in vars(batch).items()}
    inputs = {
        "prompt_ids": pad(chosen["prompts"], left=True),
        "prompt_mask": pad([torch.ones_like(prompt) for prompt in chosen["prompts"]], left=True),
        "completion_ids": pad(chosen["completions"]),
        "completion_mask": pad([torch.ones_like(completion) for completion in chosen["completions"]]),
        "advantages": torch.stack(chosen["advantages"]),
        "old_per_token_logps": pad(chosen["old"]),
        "ref_per_token_logps": pad(chosen["reference"]),
        "num_items_in_batch": torch.tensor(sum(LENGTHS)),
        **more,
    }
    loss = trainer._compute_loss(trainer.model, inputs)
    loss.backward()
    return loss.item()


def lean_at(temperature):
    """As `logprobs_and_entropies`, at a temperature and as the trainer computes them."""

    def of_row(model, prompt, completion):
        hidden_TH = model.model(torch.cat([prompt, completion])[None]).last_hidden_state[0, len(prompt) - 1 : -1]
        return lean_logprobs(hidden_TH, model.lm_head.weight, completion, temperature=temperature)

    return of_row


def seed_loss(model, batch, config, rows=ALL_ROWS, of_row=logprobs_and_entropies):
    """Loss part of one micro-batch, whose gradient is added to the model's; and its metrics."""
    weights_B = token_weights_B(np.array(LENGTHS), config.aggregation, len(LENGTHS), MAX_LENGTH)
    outputs = [of_row(model, batch.prompts[row], batch.completions[row]) for row in rows]
    lengths = torch.tensor([LENGTHS[row] for row in rows])
    parts = policy_loss(
        LossTokens(
            logprobs_T=torch.cat([logprobs for logprobs, _ in outputs]),
            entropies_T=torch.cat([entropies for _, entropies in outputs]),
            old_logprobs_T=torch.cat([batch.old[row] for row in rows]),
            rollout_logprobs_T=torch.cat([batch.rollout[row] for row in rows]),
            advantages_T=batch.advantages[list(rows)].repeat_interleave(lengths),
            weights_T=torch.tensor(weights_B[list(rows)], dtype=torch.float32).repeat_interleave(lengths),
            rows_T=torch.arange(len(rows)).repeat_interleave(lengths),
            reference_logprobs_T=torch.cat([batch.reference[row] for row in rows]),
        ),
        config,
    )
    parts.loss.backward()
    return parts.loss.item(), parts


def seed_config(loss_type, **settings):
    defaults = {"clip_low": CLIP_LOW, "clip_high": CLIP_HIGH, "importance_correction": "none", "importance_cap": CAP}
    return LossConfig(aggregation=AGGREGATION[loss_type], **defaults | settings)


@pytest.fixture
def model(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def assert_same_gradients(model, trainer):
    expected = {name: parameter.grad for name, parameter in trainer.model.named_parameters()}
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        assert (gradient - expected[name]).abs().max().item() < 1e-6, name
    assert max(gradient.abs().max().item() for gradient in gradients.values()) > 1e-2  # there is something to compare


@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize("beta", [0.0, 0.1])
@pytest.mark.parametrize("loss_type", AGGREGATION)
def test_loss_and_gradient_are_those_of_trl(folder, batch, model, tmp_path, loss_type, beta, level):
    # The lengths 6, 1, 4, 3 and the 8 tokens allowed set the three denominators apart: 32, 4 * length, 14. A width of
    # the padded batch for the tokens allowed would give 24. Old policies are off by up to 0.6 nats a token.
    trainer = trl_trainer(folder, tmp_path, loss_type=loss_type, beta=beta, importance_sampling_level=level)
    expected = trl_loss(trainer, batch)
    loss, parts = seed_loss(model, batch, seed_config(loss_type, ratio=level, kl_coefficient=beta))
    assert parts.sums["clip_fraction_high"] > 0 and parts.sums["clip_fraction_low"] > 0
    assert loss == pytest.approx(expected, abs=1e-6)
    assert_same_gradients(model, trainer)
    metrics = trainer._metrics["train"]
    assert (parts.sums["token_entropy"] / sum(LENGTHS)).item() == pytest.approx(metrics["entropy"][0], abs=1e-5)
    if beta:
        assert (parts.sums["kl"] / sum(LENGTHS)).item() == pytest.approx(metrics["kl"][0], abs=1e-5)
    if level == "token":
        assert (parts.sums["clip_fraction_low"] / sum(LENGTHS)).item() == pytest.approx(
            metrics["clip_ratio/low_mean"][0]
        )
        high = (parts.sums["clip_fraction_high"] / sum(LENGTHS)).item()
        assert high == pytest.approx(metrics["clip_ratio/high_mean"][0])


@pytest.mark.parametrize("level", ["token", "sequence"])
def test_loss_and_gradient_at_another_temperature_are_those_of_trl(folder, model, tmp_path, level):
    # TRL divides its logits by the temperature for the policy, the entropy bonus and the KL term alike.
    batch = batch_at(folder, 0.7)
    more = {"beta": 0.1, "entropy_coef": 0.05, "temperature": 0.7}
    trainer = trl_trainer(folder, tmp_path, loss_type="dapo", importance_sampling_level=level, **more)
    expected = trl_loss(trainer, batch)
    config = seed_config("dapo", ratio=level, kl_coefficient=0.1, entropy_coefficient=0.05)
    loss, parts = seed_loss(model, batch, config, of_row=lean_at(0.7))
    assert parts.sums["clip_fraction_high"] > 0 and parts.sums["clip_fraction_low"] > 0
    assert loss == pytest.approx(expected, abs=1e-6)
    assert_same_gradients(model, trainer)
    assert (parts.sums["token_entropy"] / sum(LENGTHS)).item() == pytest.approx(
        trainer._metrics["train"]["entropy"][0], abs=1e-5
    )
    model.zero_grad()
    assert abs(seed_loss(model, batch, config, of_row=lean_at(1.0))[0] - expected) > 1e-2


@pytest.mark.parametrize("mode", ["token_truncate", "token_mask", "sequence_truncate", "sequence_mask"])
def test_importance_weights_stand_where_trl_has_them(folder, batch, model, tmp_path, mode):
    # TRL's factors, from its formula; the KL term stays outside. Their place is what is compared.
    level, correction = mode.split("_")
    gaps = pad([old - rollout for old, rollout in zip(batch.old, batch.rollout, strict=True)])  # padding: 0
    ratio = torch.exp(gaps.sum(-1, keepdim=True) if level == "sequence" else gaps)
    assert (ratio > CAP).any()
    ratio = ratio.clamp(max=CAP) if correction == "truncate" else ratio.masked_fill(ratio > CAP, 0.0)
    trainer = trl_trainer(folder, tmp_path, loss_type="grpo", beta=0.1)
    trainer.use_vllm, trainer.vllm_importance_sampling_correction = True, True
    expected = trl_loss(trainer, batch, importance_sampling_ratio=ratio)
    ours = {"truncate": "truncated", "mask": "masked"}[correction]
    config = seed_config("grpo", kl_coefficient=0.1, importance_correction=ours, importance_level=level)
    loss, _ = seed_loss(model, batch, config)
    assert loss == pytest.approx(expected, abs=1e-6)
    assert_same_gradients(model, trainer)


@pytest.mark.parametrize("loss_type", AGGREGATION)
def test_two_equal_micro_batches_are_one_update_in_both(folder, batch, model, tmp_path, loss_type):
    accumulated = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
    trainer = trl_trainer(folder, tmp_path, loss_type=loss_type, beta=0.1, **accumulated)
    expected = trl_loss(trainer, batch, rows=(0, 1)) + trl_loss(trainer, batch, rows=(2, 3))
    loss, _ = seed_loss(model, batch, seed_config(loss_type, kl_coefficient=0.1))
    assert loss == pytest.approx(expected, abs=1e-6)
    assert_same_gradients(model, trainer)


@pytest.mark.parametrize("loss_type", ["dr_grpo", "grpo"])
def test_unequal_micro_batches_are_one_update_here_and_not_in_trl(folder, batch, model, tmp_path, loss_type):
    # 3 rows and 1: TRL takes (mean of 3 + mean of 1) / 2, where the update is (3 * mean of 3 + mean of 1) / 4
    accumulated = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
    trainer = trl_trainer(folder, tmp_path, loss_type=loss_type, beta=0.1, **accumulated)
    of_three, of_one = (2 * trl_loss(trainer, batch, rows=rows) for rows in ((0, 1, 2), (3,)))
    config = seed_config(loss_type, kl_coefficient=0.1)
    loss = seed_loss(model, batch, config, rows=(0, 1, 2))[0] + seed_loss(model, batch, config, rows=(3,))[0]
    assert loss == pytest.approx((3 * of_three + of_one) / 4, abs=1e-6)
    assert abs(loss - (of_three + of_one) / 2) > 1e-2


@pytest.mark.parametrize("loss_type", AGGREGATION)
def test_the_entropy_bonus_is_that_of_trl_but_for_its_denominator(folder, batch, model, tmp_path, loss_type):
    trainer = trl_trainer(folder, tmp_path, loss_type=loss_type, beta=0.0, entropy_coef=0.05)
    expected = trl_loss(trainer, batch)
    loss, parts = seed_loss(model, batch, seed_config(loss_type, entropy_coefficient=0.05))
    weights_B = torch.tensor(token_weights_B(np.array(LENGTHS), AGGREGATION[loss_type], len(LENGTHS), MAX_LENGTH))
    with torch.no_grad():
        entropies = [
            logprobs_and_entropies(model, *row)[1] for row in zip(batch.prompts, batch.completions, strict=True)
        ]
    ours = sum(weight * values.sum() for weight, values in zip(weights_B, entropies, strict=True)).item()
    theirs = (parts.sums["token_entropy"] / sum(LENGTHS)).item()
    assert loss + 0.05 * ours == pytest.approx(expected + 0.05 * theirs, abs=1e-6)
    assert (abs(ours - theirs) < 1e-5) == (loss_type == "dapo")
    if loss_type == "dapo":
        assert_same_gradients(model, trainer)


def test_the_kl_term_of_trl_by_default_is_multiplied_by_the_ratio(folder, batch, model, tmp_path):
    trainer = trl_trainer(folder, tmp_path, loss_type="dapo", beta=0.1, use_bias_correction_kl=True)
    expected = trl_loss(trainer, batch)
    loss, _ = seed_loss(model, batch, seed_config("dapo", kl_coefficient=0.1))
    with torch.no_grad():
        rows = zip(batch.prompts, batch.completions, strict=True)
        present_T = torch.cat([logprobs_and_entropies(model, *row)[0] for row in rows])
    ratio_T = torch.exp(present_T - torch.cat(batch.old))
    added = 0.1 * ((ratio_T - 1) * k3_T(present_T, torch.cat(batch.reference))).mean().item()
    assert abs(added) > 1e-3
    assert loss + added == pytest.approx(expected, abs=1e-6)
