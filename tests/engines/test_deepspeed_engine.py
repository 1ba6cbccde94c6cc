"""The DeepSpeed trainer in real processes, against a plain PyTorch step, over ZeRO stages, ranks and splits."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from seed_grpo.errors import CheckpointError, TrainerError
from support.model_folders import setting
from support.tiny_model import make_tiny_model
from support.trainer_process import largest_difference, make_samples, run_ranks, weights_of

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]  # the first test waits for all scenarios


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Transformers refuses to save their generation configuration, which exports pass on as it is."""
    folder = tmp_path_factory.mktemp("models")
    made = {tied: make_tiny_model(folder / str(tied), tied=tied, seed=1) for tied in (True, False)}
    for model in made.values():
        setting("generation_config.json", do_sample=False, temperature=0.7)(model)
    return made


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {ranks: tmp_path_factory.mktemp("ranks") for ranks in (1, 2)}


@pytest.fixture(scope="module")
def ranks(models, folders):
    """Results of the scenarios, by number of ranks, scenario and rank."""
    scenarios = {1: [edges, resume, adapters], 2: [edges, resume, failures, export, misfits, anchor, adapters]}
    return {count: run_ranks(scenarios[count], count, folders[count], models) for count in (1, 2)}


# ---------------------------------------------------------------- scenarios, run inside the ranks


def train(trainer, seeds):
    metrics = [trainer.step(make_samples(seed)).metrics for seed in seeds]
    return {"metrics": metrics, "weights": weights_of(trainer), "score": trainer.score(np.arange(2, 12))}


def edges(make, folder):
    """One row for all ranks, and a step without any signal after one with it."""
    results = {}
    for stage in (0, 3):
        trainer = make(zero_stage=stage)
        one = trainer.step(make_samples(0)[1:2]).metrics
        none = trainer.step([dataclasses.replace(s, advantage=0.0) for s in make_samples(0)]).metrics
        results[stage] = {"one": one, "none": none, "weights": weights_of(trainer)}
    return results


def resume(make, folder):
    """Two steps, a checkpoint, two more; and the same two in another engine from the checkpoint."""
    results = {}
    in_bfloat16 = ((1, "bfloat16"), (3, "bfloat16"))
    for stage, dtype in (*((stage, "float32") for stage in range(4)), *in_bfloat16):
        where = folder / f"{stage}-{dtype}"
        where.mkdir(exist_ok=True)
        trainer = make(zero_stage=stage, dtype=dtype, schedule="linear", warmup_steps=3)
        train(trainer, (0, 1))
        trainer.save(where)
        draws = (random.random(), np.random.random(), torch.rand(()).item())
        straight = train(trainer, (2, 3))
        resumed = make(zero_stage=stage, dtype=dtype, schedule="linear", warmup_steps=3)
        resumed.step(make_samples(9))  # all of which must be gone
        resumed.load(where)
        assert draws == (random.random(), np.random.random(), torch.rand(()).item())
        results[stage, dtype] = (straight, train(resumed, (2, 3)))
    return results


def failures(make, folder):
    """A step with a NaN is skipped and changes nothing, then training goes on as if it had not been; the third in a row
    stops, also when a checkpoint lies between them."""
    results = {}
    for stage, dtype in ((0, "float32"), (2, "float32"), (3, "float32"), (1, "bfloat16"), (2, "bfloat16")):
        trainer, other = make(zero_stage=stage, dtype=dtype), make(zero_stage=stage, dtype=dtype)
        for one in (trainer, other):
            one.step(make_samples(0))
        before = weights_of(trainer)
        bad = make_samples(1)
        bad[3] = dataclasses.replace(bad[3], advantage=float("nan"))
        skipped = trainer.step(bad)
        after = weights_of(trainer)
        results[stage, dtype] = (before, after, skipped, train(trainer, (2,)), train(other, (2,)))
        trainer.step(bad), trainer.step(bad)
        where = folder / f"{stage}-{dtype}"
        where.mkdir(exist_ok=True)
        trainer.save(where)
        resumed = make(zero_stage=stage, dtype=dtype)
        resumed.load(where)
        with pytest.raises(TrainerError, match=r"3 updates in a row .* in step 6, had loss nan and .* norm"):
            resumed.step(bad)
    return results


def adapters(make, folder):
    """Steps with LoRA, whose weights and export are merged; and a checkpoint of the adapters alone."""
    results = {}
    for stage in (0, 2, 3):
        trainer = make(zero_stage=stage, lora={"rank": 4, "alpha": 8})
        before = weights_of(trainer)
        trained = train(trainer, (0, 1))
        trainer.export(folder / f"export-{stage}")
        where = folder / str(stage)
        where.mkdir(exist_ok=True)
        trainer.save(where)
        straight = train(trainer, (2,))
        resumed = make(zero_stage=stage, lora={"rank": 4, "alpha": 8})
        resumed.load(where)
        sizes = sum(path.stat().st_size for path in where.glob("*.safetensors"))
        results[stage] = (before, trained, straight, train(resumed, (2,)), sizes)
    return results


def export(make, folder):
    """A step under ZeRO-3, the weights, their export, and a checkpoint that other settings refuse."""
    results = {}
    for tied in (True, False):
        trainer = make(tied=tied, zero_stage=3)
        trainer.step(make_samples(0))
        trainer.export(folder / str(tied))
        metadata = [tuple(info) for info in trainer.weights().metadata()]
        results[tied] = {"weights": weights_of(trainer), "metadata": metadata}
    return results


def misfits(make, folder):
    """Errors of checkpoints that do not fit; and a model that still trains after."""
    trainer = make(zero_stage=3)
    trainer.save(folder)
    faults = []
    for changes in ({"zero_stage": 2}, {"zero_stage": 3, "dtype": "bfloat16"}):
        with pytest.raises(CheckpointError) as caught:
            make(**changes).load(folder)
        faults.append(str(caught.value))
    if trainer.rank == trainer.world_size - 1:  # one rank's part is damaged: all ranks must say so
        (folder / f"rank_{trainer.rank}.safetensors").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=f"cannot read rank {trainer.world_size - 1}'s part"):
        trainer.load(folder)
    trainer.step(make_samples(0))
    return faults


def anchor(make, folder):
    """The KL divergence to the initial policy in the first step and the second."""
    trainer = make(zero_stage=3, loss={"kl_coefficient": 0.1})
    return [trainer.step(make_samples(seed)).metrics["kl"] for seed in (0, 1)]


def assert_close(weights, expected, tolerance=2e-6):
    worst = largest_difference(weights, expected)
    assert worst < tolerance, f"weights differ by {worst}"


def assert_identical(result, expected):
    assert result["metrics"] == expected["metrics"]
    assert result["score"].tolist() == expected["score"].tolist()
    assert all(np.array_equal(result["weights"][name], expected["weights"][name]) for name in expected["weights"])


# ---------------------------------------------------------------- tests


def test_fewer_rows_than_ranks_and_a_step_without_signal(ranks):
    alone = ranks[1]["edges"][0]
    for shared in ranks[2]["edges"]:
        for stage in (0, 3):
            assert shared[stage]["one"]["loss"] == pytest.approx(alone[stage]["one"]["loss"], abs=1e-7)
            assert shared[stage]["one"]["rows_trained"] == 1
            # momentum still moves the weights, alike on one rank and on two
            assert shared[stage]["none"]["grad_norm"] == 0.0 and shared[stage]["none"]["tokens"] == 0
            assert "logprob_gap_max" not in shared[stage]["none"]
            assert_close(shared[stage]["weights"], alone[0]["weights"])


@pytest.mark.parametrize("world_size", [1, 2])
def test_a_resumed_run_is_the_straight_run_to_the_bit(ranks, world_size):
    for rank_results in ranks[world_size]["resume"]:
        for straight, resumed in rank_results.values():
            assert_identical(resumed, straight)


def test_a_step_that_is_not_finite_changes_nothing(ranks):
    for rank_results in ranks[2]["failures"]:
        for before, after, skipped, went_on, undisturbed in rank_results.values():
            assert all(np.array_equal(before[name], after[name]) for name in before)
            assert_identical(went_on, undisturbed)
            assert skipped.skipped == (0, 1, 2, 3) and skipped.metrics["skipped_updates"] == 1
            assert np.isnan(skipped.metrics["loss"]) and np.isnan(skipped.metrics["grad_norm"])


@pytest.mark.parametrize("world_size", [1, 2])
def test_adapters_are_trained_alone_and_leave_merged(ranks, folders, world_size):
    for rank_results in ranks[world_size]["adapters"]:
        reference = rank_results[0]
        for stage, (before, trained, straight, resumed, checkpoint_bytes) in rank_results.items():
            assert_close(trained["weights"], reference[1]["weights"])
            changed = {name for name in before if not np.array_equal(before[name], trained["weights"][name])}
            assert changed and all("_proj" in name for name in changed)
            assert_identical(resumed, straight)
            # rank 4 beside all linear layers of 2 layers: 4 * (in + out) numbers, with two moments each, is
            # 3 * 4 bytes * 4 * 2 * (128 + 96 + 96 + 128 + 3 * 192) = 98 KB; the whole model's would be over 1 MB
            assert checkpoint_bytes < 300_000
            model = AutoModelForCausalLM.from_pretrained(folders[world_size] / "adapters" / f"export-{stage}")
            exported = {name: p.detach().numpy() for name, p in model.named_parameters()}
            assert_close(trained["weights"], exported, tolerance=1e-12)
            ids = torch.arange(2, 12)
            logprobs = torch.log_softmax(model(ids[None]).logits[0, :-1], -1).gather(1, ids[1:, None])[:, 0]
            assert np.abs(logprobs.detach().numpy() - trained["score"]).max() < 1e-5  # merged is what was trained


@pytest.mark.parametrize("tied", [True, False])
def test_weights_and_exports(ranks, folders, models, tied):
    folder = folders[2] / "export" / str(tied)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    exported = {name: p.detach().numpy() for name, p in model.named_parameters()}
    for result in ranks[2]["export"]:
        assert_close(result[tied]["weights"], exported, tolerance=1e-12)
        shapes = {name: ("float32", tensor.shape) for name, tensor in result[tied]["weights"].items()}
        assert {name: (dtype, shape) for name, dtype, shape in result[tied]["metadata"]} == shapes
    assert ("lm_head.weight" in shapes) == (not tied)  # a tied one is the embedding, and there once
    assert (model.lm_head.weight is model.model.embed_tokens.weight) == tied
    assert AutoTokenizer.from_pretrained(folder)("1+1")["input_ids"]
    for name in ("generation_config.json", "tokenizer.json"):
        assert (folder / name).read_bytes() == (models[tied] / name).read_bytes()


def test_checkpoints_that_do_not_fit_are_refused(ranks):
    for other_stage, other_dtype in ranks[2]["misfits"]:
        assert "zero_stage=3, this run has zero_stage=2" in other_stage
        assert "dtype=float32, this run has dtype=bfloat16" in other_dtype


def test_kl_is_measured_against_the_initial_policy(ranks):
    for first, second in ranks[2]["anchor"]:
        assert first == pytest.approx(0.0, abs=1e-7) and second > 1e-4
