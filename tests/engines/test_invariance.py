"""Invariant 6: three steps end with the same parameters however they are divided, against plain PyTorch.

Ranks 1, 2 and 3; ZeRO 0 to 3; splits into micro-batches; packing (each row in a forward pass of its own, or several);
the order of the samples; padding at the end of a row, which sequence parallelism needs; recomputation; offload.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import distributed
from transformers import AutoModelForCausalLM

from support.tiny_model import make_tiny_model
from support.trainer_process import largest_difference, make_samples, run_ranks, weights_of

pytestmark = [pytest.mark.timeout(600), pytest.mark.engine]  # the first test waits for all scenarios

STEPS = (0, 1, 2)
SETTINGS = {
    "one update": {},
    "several updates": {
        "epochs": 2,
        "mini_batches": 2,
        "loss": {
            "ratio": "sequence",
            "kl_coefficient": 0.05,
            "entropy_coefficient": 0.01,
            "importance_correction": "masked",
            "importance_level": "sequence",
        },
    },
}
WORLD_SIZES = (1, 2, 3)


ZERO = {f"zero {stage}": {"zero_stage": stage} for stage in range(4)}
SPLITS = {
    "all packed in one row": {"zero_stage": 2, "tokens_per_micro_batch": 4096},
    "near one row a pass": {"zero_stage": 1, "tokens_per_micro_batch": 48},
}
MEMORY = {
    "recomputed": {"zero_stage": 3, "gradient_checkpointing": True},
    "optimizer offloaded": {"zero_stage": 2, "offload": "optimizer"},
    "all offloaded": {"zero_stage": 3, "offload": "optimizer_and_parameters"},
}
SHARED = {f"tokens shared, zero {stage}": {"zero_stage": stage, "sequence_parallel_size": 2} for stage in (1, 3)}
WAYS = {1: ZERO | SPLITS | MEMORY, 2: ZERO | MEMORY | SHARED, 3: {"zero 1": ZERO["zero 1"], "zero 3": ZERO["zero 3"]}}
"""Changes, by number of ranks, of the trainer's settings that must not matter"""


def divisions(make, folder):
    make()  # joins the process group
    results = {}
    for settings, changes in SETTINGS.items():
        for way, own in WAYS[distributed.get_world_size()].items():
            if settings == "several updates" and way in MEMORY:
                continue  # what they change is the same for every update
            trainer = make(**changes, **own)
            metrics = [trainer.step(make_samples(seed)).metrics for seed in STEPS]
            results[settings, way] = (metrics, weights_of(trainer))
        trainer = make(**changes, zero_stage=1)
        backwards = [trainer.step(make_samples(seed)[::-1]).metrics for seed in STEPS]
        results[settings, "other order"] = (backwards, weights_of(trainer))
    return results


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("model"), tied=True, seed=1)


@pytest.fixture(scope="module")
def results(model, tmp_path_factory):
    """{(settings, way): (metrics, weights)} by number of ranks and rank."""
    folders = {count: tmp_path_factory.mktemp(f"ranks{count}") for count in WORLD_SIZES}
    return {count: run_ranks([divisions], count, folders[count], {True: model})["divisions"] for count in WORLD_SIZES}


def plain_steps(model_path):
    """The same steps with one row at a time, whole logits, torch's own clipping and AdamW."""
    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, betas=(0.9, 0.95), eps=1e-3, weight_decay=0.1)
    metrics = []
    for seed in STEPS:
        optimizer.zero_grad()
        total = 0.0
        tokens = sum(len(sample.completion_ids_T) for sample in make_samples(seed))
        for sample in make_samples(seed):
            ids = torch.tensor(np.concatenate([sample.prompt_ids_T, sample.completion_ids_T])).long()
            logprobs = torch.log_softmax(model(ids[None]).logits[0, :-1], -1).gather(1, ids[1:, None])[:, 0]
            logprobs = logprobs[len(sample.prompt_ids_T) - 1 :]
            rho = torch.exp(logprobs.detach() - torch.tensor(sample.rollout_logprobs_T)).clamp(max=2.0)
            ratio = torch.exp(logprobs - logprobs.detach())
            loss = -(rho * ratio * sample.advantage).sum() / tokens
            loss.backward()
            total += loss.item()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5).item()
        before = torch.cat([p.detach().flatten() for p in model.parameters()])
        optimizer.step()
        after = torch.cat([p.detach().flatten() for p in model.parameters()])
        ratio = ((after - before).norm() / before.norm()).item()
        metrics.append({"loss": total, "grad_norm": norm, "update_to_weight_ratio": ratio})
    return metrics, {name: p.detach().numpy() for name, p in model.named_parameters()}


def cases(results, world_size, settings):
    """Way, metrics and weights of each way under the settings, of every rank."""
    for rank_results in results[world_size]:
        for (own_settings, way), (metrics, weights) in rank_results.items():
            if own_settings == settings:
                yield way, metrics, weights


@pytest.mark.parametrize("world_size", WORLD_SIZES)
def test_every_division_of_the_steps_is_the_plain_one(model, results, world_size):
    # Averaging over 2 ranks instead of adding would halve the gradient norm; leaving the rows with advantage 0 out of
    # the denominator, the completion tokens of the step, would make the loss larger; attention across packed sequences
    # would change every logit.
    expected_metrics, expected_weights = plain_steps(model)
    for way, metrics, weights in cases(results, world_size, "one update"):
        assert largest_difference(weights, expected_weights) < 3e-6, way
        for one, expected in zip(metrics, expected_metrics, strict=True):
            assert one["loss"] == pytest.approx(expected["loss"], abs=1e-6), way
            assert one["grad_norm"] == pytest.approx(expected["grad_norm"], rel=1e-5), way
            assert one["update_to_weight_ratio"] == pytest.approx(expected["update_to_weight_ratio"], rel=1e-4)
            assert (one["learning_rate"], one["rows_trained"]) == (1e-2, 12)


@pytest.mark.parametrize("world_size", WORLD_SIZES)
def test_several_updates_do_not_depend_on_the_division_either(results, world_size):
    expected_metrics, expected_weights = results[1][0]["several updates", "zero 0"]
    assert expected_metrics[-1]["ratio_max"] > 1.05  # later updates do move away from the policy before the step
    for way, metrics, weights in cases(results, world_size, "several updates"):
        assert largest_difference(weights, expected_weights) < 2e-5, way
        for one, expected in zip(metrics, expected_metrics, strict=True):
            for name in ("loss", "grad_norm", "kl", "tokens", "clip_fraction_high", "importance_changed_fraction"):
                assert one[name] == pytest.approx(expected[name], rel=1e-3, abs=2e-5), (way, name)


@pytest.mark.parametrize("world_size", WORLD_SIZES)
def test_all_ranks_report_the_same(results, world_size):
    first, *others = results[world_size]
    for other in others:
        for case, (metrics, weights) in first.items():
            assert metrics == other[case][0], case
            assert all(np.array_equal(weights[name], other[case][1][name]) for name in weights), case
