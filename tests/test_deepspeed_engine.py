"""The DeepSpeed trainer in real processes, against a plain PyTorch step, over ZeRO stages, ranks and splits."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from seed_grpo.errors import CheckpointError, ModelError, TrainerError
from seed_grpo.train.logprobs import PolicyLogprobs, predicted_tokens
from seed_grpo.train.model import load_model
from seed_grpo.train.schedule import learning_rate
from tiny_model import make_tiny_model
from trainer_process import make_config, make_samples, run_ranks

engine = pytest.mark.engine
pytestmark = pytest.mark.timeout(600)  # the first engine test waits for all scenarios


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {tied: make_tiny_model(folder / str(tied), tied=tied, seed=1) for tied in (True, False)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {ranks: tmp_path_factory.mktemp("ranks") for ranks in (1, 2)}


@pytest.fixture(scope="module")
def ranks(models, folders):
    """Results of the scenarios, by number of ranks, scenario and rank."""
    scenarios = {1: [equivalence, edges, resume], 2: [equivalence, edges, resume, failures, export, misfits, anchor]}
    return {count: run_ranks(scenarios[count], count, folders[count], models) for count in (1, 2)}


def weights_of(trainer):
    return {name: tensor.float().numpy().copy() for name, tensor in trainer.weights()}


# ---------------------------------------------------------------- scenarios, run inside the ranks


def train(trainer, seeds):
    metrics = [trainer.step(make_samples(seed)).metrics for seed in seeds]
    return {"metrics": metrics, "weights": weights_of(trainer), "score": trainer.score(np.arange(2, 12))}


def equivalence(make, folder):
    """The same two steps in every way to divide them."""
    ways = {f"zero {stage}": {"zero_stage": stage} for stage in range(4)}
    ways["one micro-batch"] = {"zero_stage": 2, "tokens_per_micro_batch": 4096}
    ways["recomputed"] = {"zero_stage": 3, "gradient_checkpointing": True}
    return {name: train(make(**changes), (0, 1)) for name, changes in ways.items()}


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
    """A step with a NaN raises and changes nothing, then training goes on as if it had not been."""
    results = {}
    for stage, dtype in ((0, "float32"), (2, "float32"), (3, "float32"), (1, "bfloat16"), (2, "bfloat16")):
        trainer, other = make(zero_stage=stage, dtype=dtype), make(zero_stage=stage, dtype=dtype)
        for one in (trainer, other):
            one.step(make_samples(0))
        before = weights_of(trainer)
        bad = make_samples(1)
        bad[3] = dataclasses.replace(bad[3], advantage=float("nan"))
        with pytest.raises(TrainerError, match="optimiser step 2 gave loss nan and gradient norm"):
            trainer.step(bad)
        after = weights_of(trainer)
        results[stage, dtype] = (before, after, train(trainer, (2,)), train(other, (2,)))
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
    """What the errors say of checkpoints that do not fit; and a model that still trains after."""
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
    trainer = make(zero_stage=3, kl=0.1)
    return [trainer.step(make_samples(seed)).metrics["kl"] for seed in (0, 1)]


# ---------------------------------------------------------------- the reference: PyTorch without DeepSpeed


def plain_steps(model_path, seeds):
    """The same steps with one row at a time, whole logits, torch's own clipping and AdamW."""
    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, betas=(0.9, 0.95), eps=1e-3, weight_decay=0.1)
    metrics = []
    for seed in seeds:
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
        optimizer.step()
        metrics.append({"loss": total, "grad_norm": norm})
    return metrics, {name: p.detach().numpy() for name, p in model.named_parameters(remove_duplicate=False)}


def assert_close(weights, expected, tolerance=2e-6):
    assert weights.keys() == expected.keys()
    worst = max(float(np.abs(weights[name] - expected[name]).max()) for name in expected)
    assert worst < tolerance, f"weights differ by {worst}"


def assert_identical(result, expected):
    assert result["metrics"] == expected["metrics"]
    assert result["score"].tolist() == expected["score"].tolist()
    assert all(np.array_equal(result["weights"][name], expected["weights"][name]) for name in expected["weights"])


# ---------------------------------------------------------------- tests


@engine
@pytest.mark.parametrize("world_size", [1, 2])
def test_every_division_of_a_step_is_the_plain_step(models, ranks, world_size):
    # Averaging over 2 ranks instead of adding would halve the gradient norm; leaving the rows with advantage 0 out of
    # the denominator, the completion tokens of the step, would make the loss larger.
    expected_metrics, expected_weights = plain_steps(models[True], (0, 1))
    results = ranks[world_size]["equivalence"]
    for rank_results in results:
        for result in rank_results.values():
            assert_close(result["weights"], expected_weights)
            for metrics, expected in zip(result["metrics"], expected_metrics, strict=True):
                assert metrics["loss"] == pytest.approx(expected["loss"], abs=1e-6)
                assert metrics["grad_norm"] == pytest.approx(expected["grad_norm"], abs=2e-6)
                assert metrics["learning_rate"] == 1e-2
                assert metrics["rows_trained"] == 12
    for way in results[0]:
        assert [r[way]["metrics"] for r in results] == [results[0][way]["metrics"]] * world_size  # alike on all ranks


@engine
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


@engine
@pytest.mark.parametrize("world_size", [1, 2])
def test_a_resumed_run_is_the_straight_run_to_the_bit(ranks, world_size):
    for rank_results in ranks[world_size]["resume"]:
        for straight, resumed in rank_results.values():
            assert_identical(resumed, straight)


@engine
def test_a_step_that_is_not_finite_changes_nothing(ranks):
    for rank_results in ranks[2]["failures"]:
        for before, after, went_on, undisturbed in rank_results.values():
            assert all(np.array_equal(before[name], after[name]) for name in before)
            assert_identical(went_on, undisturbed)


@engine
@pytest.mark.parametrize("tied", [True, False])
def test_weights_and_exports(ranks, folders, tied):
    folder = folders[2] / "export" / str(tied)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    exported = {name: p.detach().numpy() for name, p in model.named_parameters(remove_duplicate=False)}
    for result in ranks[2]["export"]:
        assert_close(result[tied]["weights"], exported, tolerance=1e-12)
        shapes = {name: ("float32", tensor.shape) for name, tensor in result[tied]["weights"].items()}
        assert {name: (dtype, shape) for name, dtype, shape in result[tied]["metadata"]} == shapes
    assert "lm_head.weight" in shapes  # the tied one too, by its own name
    assert (model.lm_head.weight is model.model.embed_tokens.weight) == tied
    assert AutoTokenizer.from_pretrained(folder)("1+1")["input_ids"]


@engine
def test_checkpoints_that_do_not_fit_are_refused(ranks):
    for other_stage, other_dtype in ranks[2]["misfits"]:
        assert "zero_stage=3, this run has zero_stage=2" in other_stage
        assert "dtype=float32, this run has dtype=bfloat16" in other_dtype


@engine
def test_kl_is_measured_against_the_initial_policy(ranks):
    for first, second in ranks[2]["anchor"]:
        assert first == pytest.approx(0.0, abs=1e-7) and second > 1e-4


def test_logprobs_do_not_depend_on_padding_and_chunks(models, monkeypatch):
    policy = PolicyLogprobs(load_model(make_config(models[False]).model))
    short, long = (np.arange(2, 6), np.arange(6, 9)), (np.arange(10, 20), np.arange(20, 45))
    together, entropies = policy(predicted_tokens([short, long]))
    alone, _ = policy(predicted_tokens([short]))
    assert torch.allclose(together[:3], alone, atol=1e-6)
    monkeypatch.setattr("seed_grpo.train.logprobs.LOGITS_PER_CHUNK", 98 * 5)
    chunked, chunked_entropies = policy(predicted_tokens([short, long]))
    assert torch.allclose(together, chunked, atol=1e-6) and torch.allclose(entropies, chunked_entropies, atol=1e-6)
    gradients = []
    for logprobs in (together, chunked):
        policy.zero_grad()
        logprobs.sum().backward()
        gradients.append([p.grad.clone() for p in policy.parameters()])
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(*gradients, strict=True))


def test_predicted_tokens_by_hand():
    tokens = predicted_tokens([(np.array([5, 6]), np.array([7])), (np.array([5]), np.array([8, 9, 4]))])
    assert tokens.token_ids_BL.tolist() == [[5, 6, 7, 0], [5, 8, 9, 4]]
    assert tokens.predictors_T.tolist() == [1, 4, 5, 6]  # one later would let a token predict itself
    assert tokens.targets_T.tolist() == [7, 8, 9, 4]


def test_learning_rates_by_hand():
    config = make_config("unused", schedule="linear", warmup_steps=2, learning_rate=0.8).trainer
    assert [learning_rate(step, 6, config) for step in range(6)] == pytest.approx([0.4, 0.8, 0.8, 0.6, 0.4, 0.2])
    config = make_config("unused", warmup_steps=2, learning_rate=0.8).trainer
    assert [learning_rate(step, 6, config) for step in range(4)] == pytest.approx([0.4, 0.8, 0.8, 0.8])


def test_a_missing_model_is_one_clear_error(tmp_path):
    with pytest.raises(ModelError, match=r"there is no folder .*absent with a model; set model\.path"):
        load_model(make_config(tmp_path / "absent").model)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"cannot load the model of model\.path="):
        load_model(make_config(tmp_path / "empty").model)
