"""Steps at `rollout.temperature` 0.7 against plain PyTorch: one row at a time, whole logits, divided by 0.7.

The loss has all its terms: ratio, importance correction, KL to the initial policy, token entropy. Rows are packed, and
split into micro-batches, and divided over two ranks, by ZeRO and by sequence parallelism.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import distributed
from transformers import AutoModelForCausalLM

from support.tiny_model import make_tiny_model
from support.trainer_process import largest_difference, make_samples, run_ranks, weights_of

pytestmark = [pytest.mark.timeout(600), pytest.mark.engine]  # the first test waits for all scenarios

TEMPERATURE, KL, ENTROPY, STEPS = 0.7, 0.05, 0.01, (0, 1)
LOSS = {"kl_coefficient": KL, "entropy_coefficient": ENTROPY}
PROBE = np.arange(2, 12)
WAYS = {
    1: {
        "packed": {"zero_stage": 0, "tokens_per_micro_batch": 4096},
        "split and recomputed": {"zero_stage": 3, "tokens_per_micro_batch": 48, "gradient_checkpointing": True},
        "adapters": {"zero_stage": 2, "lora": {"rank": 4, "alpha": 8}},
    },
    2: {"two ranks": {"zero_stage": 2}, "tokens shared": {"zero_stage": 3, "sequence_parallel_size": 2}},
}
"""Ways to make the same steps, by number of ranks; adapters, which begin as nothing, share only the first loss"""


def tempered(make, folder):
    results = {}
    make()  # joins the process group
    for way, changes in WAYS[distributed.get_world_size()].items():
        trainer = make(temperature=TEMPERATURE, loss=LOSS, **changes)
        canary = trainer.score(PROBE)
        metrics = [trainer.step(make_samples(seed)).metrics for seed in STEPS]
        results[way] = (metrics, weights_of(trainer), canary)
    return results


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("model"), tied=True, seed=1)


@pytest.fixture(scope="module")
def results(model, tmp_path_factory):
    """Metrics, weights and canary, by way and rank."""
    of_counts = [run_ranks([tempered], count, tmp_path_factory.mktemp("ranks"), {True: model}) for count in WAYS]
    return [(way, *result) for ranks in of_counts for rank in ranks["tempered"] for way, result in rank.items()]


def distribution(model, sample):
    """Log-probabilities [T] and entropies [T] of a sample's completion, from whole logits over the temperature."""
    ids = torch.tensor(np.concatenate([sample.prompt_ids_T, sample.completion_ids_T])).long()
    every_TV = torch.log_softmax(model(ids[None]).logits[0, :-1] / TEMPERATURE, -1)[len(sample.prompt_ids_T) - 1 :]
    chosen_T = every_TV.gather(1, ids[len(sample.prompt_ids_T) :, None])[:, 0]
    return chosen_T, -(every_TV.exp() * every_TV).sum(-1)


def plain_steps(model_path):
    """The metrics of each step, and the weights at the end."""
    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32)
    initial = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, betas=(0.9, 0.95), eps=1e-3, weight_decay=0.1)
    metrics = []
    for seed in STEPS:
        optimizer.zero_grad()
        tokens = sum(len(sample.completion_ids_T) for sample in make_samples(seed))
        sums = {"loss": 0.0, "kl": 0.0, "token_entropy": 0.0, "logprob_gap_mean": 0.0}
        for sample in make_samples(seed):
            logprobs_T, entropies_T = distribution(model, sample)
            with torch.no_grad():
                reference_T, _ = distribution(initial, sample)
            gaps_T = logprobs_T.detach() - torch.tensor(sample.rollout_logprobs_T)
            surrogate_T = gaps_T.exp().clamp(max=2.0) * torch.exp(logprobs_T - logprobs_T.detach()) * sample.advantage
            kl_T = torch.exp(reference_T - logprobs_T) - (reference_T - logprobs_T) - 1
            loss = (-surrogate_T + KL * kl_T - ENTROPY * entropies_T).sum() / tokens
            loss.backward()
            for name, values in zip(sums, (loss * tokens, kl_T, entropies_T, gaps_T.abs()), strict=True):
                sums[name] += values.sum().item() / tokens
        sums["grad_norm"] = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5).item()
        optimizer.step()
        metrics.append(sums)
    return metrics, {name: p.detach().numpy() for name, p in model.named_parameters()}


def test_loss_and_gradient_are_those_of_logits_over_the_temperature(model, results):
    # At temperature 1 the first loss would be another by 0.1, its gradient norm by a tenth.
    expected_metrics, expected_weights = plain_steps(model)
    assert expected_metrics[1]["kl"] > 1e-3
    for way, metrics, weights, _ in results:
        for number, (one, expected) in enumerate(zip(metrics, expected_metrics, strict=True)):
            if way == "adapters" and number:
                continue
            for name, value in expected.items():
                if name != "grad_norm":
                    assert one[name] == pytest.approx(value, abs=2e-6), (way, number, name)
                elif way != "adapters":
                    assert one[name] == pytest.approx(value, rel=1e-5), (way, number)
        if way != "adapters":
            assert largest_difference(weights, expected_weights) < 3e-6, way


def test_the_canary_stays_at_temperature_1(model, results):
    ids = torch.from_numpy(PROBE)
    with torch.no_grad():
        logits_TV = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)(ids[None]).logits[0, :-1]
    expected_T = torch.log_softmax(logits_TV, -1).gather(1, ids[1:, None])[:, 0].numpy()
    for way, _, _, canary_T in results:
        assert np.abs(canary_T - expected_T).max() < 1e-5, way
