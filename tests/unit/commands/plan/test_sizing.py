"""The arithmetic of `seed-grpo plan`, against numbers worked by hand for Qwen2.5's public shapes."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from seed_grpo.commands.plan.page import plan_page
from seed_grpo.commands.plan.sizing import GIB, LOGITS_AT_ONCE, Sizing
from seed_grpo.config import Config
from seed_grpo.config.loading import parse_config
from seed_grpo.errors import ConfigError, ModelError
from seed_grpo.pretrained.shape import Shape, read_shape
from seed_grpo.runtime.cluster.placement import make_plan
from seed_grpo.train import logprobs
from seed_grpo.train.weights import PolicyWeights
from support.model_shapes import QWEN_1_5B, QWEN_7B, folder_of, small_model

N = 7_615_616_512


def configured(folder: Path, *overrides: str) -> Config:
    """128 prompts x 8; prompts of at most 1024, completions of at most 3000 tokens: at the mean 256 and 1500."""
    tree: dict[str, Any] = {
        "run": {"directory": "runs/x", "steps": 10},
        "model": {"path": str(folder)},
        "data": {"source": "x.jsonl"},
        "rollout": {"prompts_per_step": 128, "completions_per_prompt": 8, "memory_fraction": 0.85},
        "trainer": {"gradient_checkpointing": True, "tokens_per_micro_batch": 16384},
    }
    return parse_config(tree, "test", list(overrides))


def sizing(folder: Path, *overrides: str, gpus: int = 8, memory: float = 80.0) -> Sizing:
    config = configured(folder, *overrides)
    return Sizing(config, read_shape(config.model), gpus, memory * GIB, 8, 50e9)


@pytest.fixture
def model_7b(tmp_path: Path) -> Path:
    return folder_of(QWEN_7B, tmp_path / "7b")


@pytest.fixture
def model_1_5b(tmp_path: Path) -> Path:
    return folder_of(QWEN_1_5B, tmp_path / "1.5b")


def test_memory_of_a_rank_by_part(model_7b: Path) -> None:
    # A layer keeps of a token 2 x (4 + 4) x 3584 + 2 x (2 x 32 x 128 + 4 x 18944) = 225,280 bytes; recomputed, that of
    # one layer and 28 x 2 x 3584 = 200,704 of inputs: 425,984 x 16384 tokens = 6,979,321,856.
    # Logits: 3 blocks of 2^26 float32, 16384 x 3584 float32, and the output matrix's gradient of 2 x 152064 x 3584.
    logits = 3 * 4 * 2**26 + 4 * 16384 * 3584 + 2 * 152_064 * 3584
    run = sizing(model_7b)
    by_hand = {
        "weights": 2 * N / 4,
        "layers made whole": 2e9,
        "gradients": 4 * N / 4,
        "float32 weights and Adam": 12 * N / 4,
        "reference policy": 0,
        "exchange buffers": 6e8,
        "activations": 6_979_321_856,
        "logit block": logits,
        "Adam's step beyond these two": 0,  # 4 N / 4 = 7.6e9, less than the 9.1e9 that are gone then
    }
    assert run.rank(3, 4) == pytest.approx(by_hand)
    assert run.rank(2, 4) == pytest.approx(by_hand | {"weights": 2 * N, "layers made whole": 0})
    # ZeRO 1 in bfloat16 adds whole gradients up in float32, beside those of the last micro-batch
    first = by_hand | {"weights": 2 * N, "layers made whole": 0, "gradients": 6 * N}
    assert run.rank(1, 4) == pytest.approx(first)
    # one rank updates all of 7B: 4 N = 30.5e9
    assert run.rank(2, 1)["Adam's step beyond these two"] == pytest.approx(4 * N - 6_979_321_856 - logits)


@pytest.mark.parametrize(
    ("overrides", "changed"),
    [
        (["trainer.gradient_checkpointing=false"], {"activations": 225_280 * 28 * 16384}),
        (["trainer.sequence_parallel_size=4", "trainer.num_workers=4"], {"activations": 6_979_321_856 / 4}),
        (["algo.loss.kl_coefficient=0.01"], {"reference policy": 2 * N}),
        (["trainer.zero_stage=3", "trainer.offload=optimizer"], {"gradients": 0, "float32 weights and Adam": 0}),
        (
            ["trainer.zero_stage=3", "trainer.offload=optimizer_and_parameters"],
            {"weights": 0, "gradients": 0, "float32 weights and Adam": 0},
        ),
        # adapters of rank 16 on all matrices of a layer: 16 x (2 x 7168 + 2 x 4096 + 3 x 22528) = 1,441,792, 28 layers
        (["model.lora={rank: 16}"], {"gradients": 28 * 1_441_792, "logit block": 3 * 2**28 + 4 * 16384 * 3584}),
    ],
    ids=["all activations", "shared tokens", "reference", "offload", "offload all", "adapters"],
)
def test_settings_change_their_part_of_the_memory(overrides: list[str], changed: dict, model_7b: Path) -> None:
    parts = sizing(model_7b, *overrides).rank(3, 4)
    assert {name: parts[name] for name in changed} == pytest.approx(changed)


def test_the_logit_block_is_that_of_the_trainer() -> None:
    assert logprobs.LOGITS_AT_ONCE["cuda"] == LOGITS_AT_ONCE
    assert logprobs.SMALLEST_BLOCK == 256


def test_cache_and_the_sequences_that_fit(model_7b: Path, model_1_5b: Path) -> None:
    run = sizing(model_7b)
    # keys and values x 28 layers x 4 heads x 128 x 2 bytes; two GPUs have half each, eight as much as four
    assert [run.cache(n) for n in (1, 2, 4, 8)] == [57_344, 28_672, 14_336, 14_336]
    # (0.85 x 80 GiB - 2 N - 3 GiB) / (4024 x 57,344) = 54,561,985,536 / 230,752,256 = 236.5
    assert run.sequences(1) == 236
    # 8 does not divide 28 heads; 6 of 1.5B's 12 not the MLP's 8960; 3 and 6 of 12 divide 9216, but not 4 key heads
    uneven = Sizing(run.config, Shape(1536, 28, 12, 4, 128, 9216, 1000, tied=True, vectors=0), 8, 80 * GIB, 8, 50e9)
    for each in (run, sizing(model_1_5b), uneven):
        assert each.tensor_parallel_sizes() == [1, 2, 4]
    # 15 GiB x 0.85 hold less than the 14.2 GiB of weights
    assert sizing(model_7b, memory=15).sequences(1) == 0


def test_seconds_to_sample(model_7b: Path) -> None:
    # 4 engines have 32 prompts x 8 = 256 completions, 236 at once: 256 x 1500 / 236 = 1,627 token steps, but the
    # longest takes 3000. Weights 3000 x 2 N = 4.569e13 bytes, caches 256 x 1500 x (256 + 750) x 57,344 = 2.215e13:
    # 6.785e13 / (0.7 x 3.35e12) = 28.93 s, and 3000 x 4 ms.
    assert sizing(model_7b).sampling(4, 1) == pytest.approx(28.93 + 12, abs=0.01)
    # other steps' completions fill the engine: 1,627.1 token steps; (2.478e13 + 2.215e13) / 2.345e12 = 20.01, and 6.51
    assert sizing(model_7b, "run.max_staleness=1").sampling(4, 1) == pytest.approx(20.01 + 6.51, abs=0.01)
    # 16 engines have 64 each, and 64 of the next step: 750 token steps, (1.142e13 + 5.538e12) / 2.345e12 = 7.23, and 3
    assert sizing(model_7b, "run.max_staleness=1").sampling(16, 1) == pytest.approx(7.23 + 3, abs=0.01)
    # over 2 GPUs half of the bytes, and 2 x 28 exchanges of 20 us in each of 3000 token steps
    assert sizing(model_7b).sampling(4, 2) == pytest.approx(28.93 / 2 + 12 + 3.36, abs=0.01)


def test_seconds_to_train_and_to_send(model_7b: Path, model_1_5b: Path) -> None:
    # 1024 / 4 = 256 completions of 1756 tokens, 8 N FLOP each, 4e14 a second
    seconds = 256 * 1756 * 8 * N / 4e14
    assert sizing(model_7b).training(4) == pytest.approx(seconds)
    assert sizing(model_7b).training(4) == pytest.approx(68.47, abs=0.01)
    pairs = {
        "trainer.gradient_checkpointing=false": 6 / 8,
        "model.lora={rank: 16}": 6 / 8,  # no gradients of the frozen weights: 2 + 2 + 2
        "trainer.mini_batches=2": 10 / 8,  # log-probabilities before the step
        "algo.loss.kl_coefficient=0.01": 10 / 8,  # those of the reference
        "trainer.epochs=2": 18 / 8,
    }
    for override, factor in pairs.items():
        assert sizing(model_7b, override).training(4) == pytest.approx(factor * seconds), override
    # 2 N bytes at 50 GB/s; the tied matrix of 1.5B is among its parameters, and goes once
    assert sizing(model_7b).sync_bytes() == 2 * N
    assert sizing(model_1_5b).sync_bytes() == 2 * 1_543_714_304


@pytest.mark.parametrize("tied", [False, True])
def test_a_sync_sends_what_the_trainer_sends(tied: bool, tmp_path: Path) -> None:
    model = small_model("qwen2", tied, torch.bfloat16)
    model.save_pretrained(tmp_path)
    sent = PolicyWeights(model, lambda parameters: torch.no_grad(), 2**20).metadata()
    assert sizing(tmp_path).sync_bytes() == sum(2 * torch.Size(weight.shape).numel() for weight in sent)


def test_a_step_takes_the_sum_of_phases_or_with_staleness_the_longer_one(model_7b: Path) -> None:
    turns = sizing(model_7b).split(4, 3, 4, 1)
    assert turns.seconds == pytest.approx(turns.sampling + turns.training + 2 * N / 50e9)
    assert turns.gpus == 8
    overlapped = sizing(model_7b, "run.max_staleness=1").split(4, 3, 4, 1)
    assert overlapped.seconds == pytest.approx(overlapped.training + 2 * N / 50e9)


SHARED_TOKENS = ["trainer.sequence_parallel_size=2", "trainer.num_workers=2"]


@pytest.mark.parametrize("overrides", [[], ["run.max_staleness=2"], SHARED_TOKENS, ["rollout.prompts_per_step=20"]])
def test_more_gpus_are_never_slower_and_every_split_fits(overrides: list[str], model_7b: Path) -> None:
    before = float("inf")
    for gpus in range(6, 41):
        run = sizing(model_7b, *overrides, gpus=gpus, memory=48)  # 4 ranks fit with ZeRO-3, 6 with ZeRO-2
        splits = run.splits()
        assert splits[0].seconds == min(split.seconds for split in splits) <= before, f"{gpus} GPUs"
        before = splits[0].seconds
        for split in splits:
            assert split.gpus == split.ranks + split.engines * split.tensor_parallel <= gpus
            assert sum(run.rank(split.stage, split.ranks).values()) <= 0.9 * 48 * GIB
            assert run.sequences(split.tensor_parallel) >= 1
            assert split.ranks % run.config.trainer.sequence_parallel_size == 0


def test_an_engine_stays_on_one_machine(model_7b: Path) -> None:
    # 8 machines of 3 GPUs have room for one engine of 2 each; 24 - 3 ranks leave 21 GPUs, which would be 10 engines
    config = configured(model_7b)
    splits = Sizing(config, read_shape(config.model), 24, 80 * GIB, 3, 50e9).splits()
    assert max(split.engines for split in splits if split.tensor_parallel == 2) == 8
    assert {split.tensor_parallel for split in splits} == {1, 2}


def test_the_settings_of_the_page_are_those_of_the_best_split(model_7b: Path) -> None:
    config = configured(model_7b, "rollout.cpus_per_worker=3", "trainer.cpus_per_worker=2")
    page = plan_page(config, gpus=24)
    best = sizing(model_7b, gpus=24).splits()[0]
    block = page.partition("Settings of the first")[2].partition("\n\n")[0].partition("\n")[2]
    settings = yaml.safe_load(block)
    assert settings["trainer"] == {"num_workers": best.ranks, "zero_stage": best.stage}
    tree = config.model_dump(mode="json")
    planned = make_plan(Config.model_validate({**tree, **{k: tree[k] | settings[k] for k in settings}}))
    assert planned.gpus == best.gpus <= 24
    assert f"({planned.cpus:g} CPU cores)" in page
    # what the reader can check by hand
    for text in ("7,615,616,512", "57,344", "1,024 completions of 1500 tokens on prompts of 256", "8 FLOP", "15.23"):
        assert text in page


def test_verifiers_keep_up_with_the_step(model_7b: Path) -> None:
    # code may take 0.8 s on each of two inputs: 1024 x 1.6 s of work in a step
    overrides = ["verifier.relation=code", "verifier.code_inputs=['1','2']"]
    seconds = sizing(model_7b, *overrides).splits()[0].seconds
    page = plan_page(configured(model_7b, *overrides), gpus=8)
    assert f"verifier: {{ num_workers: {-int(-1024 * 1.6 // seconds)} }}" in page


def test_one_gpu_for_both(model_1_5b: Path) -> None:
    shared = ["weight_sync.transport=ipc", "rollout.memory_fraction=0.4"]
    page = plan_page(configured(model_1_5b, *shared), gpus=8)
    assert "(40.0 may be taken)" in page  # 80 x (1 - 0.1 - 0.4)
    assert "trainer: { num_workers: 1, zero_stage: 2 }" in page
    (split,) = sizing(model_1_5b, *shared, "run.max_staleness=1", gpus=1).splits()
    assert split.gpus == 1
    assert split.seconds > split.sampling + split.training


def test_a_run_that_fits_nowhere_is_refused_with_its_numbers(model_7b: Path) -> None:
    # the activations alone are 28 x 225,280 x 16384 = 96 GiB, whatever the number of ranks
    kept = configured(model_7b, "trainer.gradient_checkpointing=false")
    with pytest.raises(ConfigError, match=r"116\.6 of 72\.0 GiB \(fewest that fit: none\).*gradient_checkpointing"):
        plan_page(kept, gpus=8)
    # 3 ranks fit 3 GPUs, but then no GPU is left for an engine
    with pytest.raises(ConfigError, match=r"\(fewest that fit: 3\), an engine over 1 .* takes 17\.4 of 68\.0"):
        plan_page(configured(model_7b), gpus=3)
    with pytest.raises(ConfigError, match=r"an engine over 4 .* of 4024 tokens takes 6\.6 of 3\.4"):
        plan_page(configured(model_7b), gpus=8, gpu_memory_gib=4)


def test_no_gpus_are_no_plan(model_7b: Path) -> None:
    with pytest.raises(ConfigError, match=r"0 GPUs of 80\.0 GiB.* needs numbers above 0"):
        plan_page(configured(model_7b), gpus=0)
    with pytest.raises(ConfigError, match=r"cluster\.device=cpu"):
        plan_page(configured(model_7b, "cluster.device=cpu"), gpus=8)


def test_models_without_known_sizes_are_refused(tmp_path: Path) -> None:
    experts = folder_of(QWEN_7B | {"model_type": "qwen3_moe"}, tmp_path / "experts")
    with pytest.raises(ModelError, match=r"is a qwen3_moe model; name one of llama"):
        plan_page(configured(experts), gpus=8)
    without = folder_of({"model_type": "qwen2"}, tmp_path / "without")
    with pytest.raises(ModelError, match="KeyError: 'num_attention_heads'"):
        plan_page(configured(without), gpus=8)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="FileNotFoundError"):
        plan_page(configured(tmp_path / "empty"), gpus=8)
    with pytest.raises(ModelError, match="HFValidationError"):
        plan_page(configured(tmp_path / "missing"), gpus=8)


def test_the_page_needs_neither_torch_nor_ray(model_7b: Path) -> None:
    code = (
        "import sys; from seed_grpo.config import Config; from seed_grpo.commands.plan.page import plan_page; "
        "plan_page(Config.model_validate_json(sys.argv[1]), 8); "
        "print([m for m in ('torch', 'transformers', 'ray', 'vllm', 'deepspeed') if m in sys.modules])"
    )
    config = configured(model_7b).model_dump_json()
    done = subprocess.run([sys.executable, "-c", code, config], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")
