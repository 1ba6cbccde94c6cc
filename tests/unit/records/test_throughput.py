"""Throughput of a step, against numbers worked by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from seed_grpo.config import Config
from seed_grpo.records.throughput import METRICS, PEAK_FLOPS, Throughput, peak_flops

SHAPE = {
    "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 1000, "tie_word_embeddings": False,
}  # fmt: skip
STEP = {"completion_tokens": 1000.0, "row_tokens": 1200.0, "row_length": 100.0}
SECONDS = {"rollout": 5.0, "train": 2.0, "total": 10.0}
# A layer: q and o 64 x 64, k and v 64 x 32, MLP 3 x 64 x 128: 36,864. Two of them and the output matrix of 64,000, with
# the embedding left out: 137,728. Times 6, and 12 x 2 layers x 4 heads x 16 x 100 tokens of attention.
FLOP = 6 * 137_728 + 153_600


def throughput(
    tmp_path: Path, device: str = "NVIDIA H200", shape: dict[str, Any] = SHAPE, **sections: Any
) -> Throughput:
    (tmp_path / "config.json").write_text(json.dumps(shape))
    tree = {"run": {"directory": "d", "steps": 1}, "model": {"path": str(tmp_path)}, "data": {"source": "s"}}
    for name, section in sections.items():
        tree[name] = {**tree.get(name, {}), **section}
    return Throughput(Config.model_validate(tree), device)


def test_tokens_a_second_and_device_and_mfu(tmp_path: Path) -> None:
    made = throughput(tmp_path, trainer={"num_workers": 4}, rollout={"num_workers": 3, "tensor_parallel_size": 2})
    found = made.of_step(STEP, SECONDS, engines=3)
    assert found.keys() == METRICS.keys() and made.note == ""
    assert found["tokens_per_second_per_device"] == pytest.approx(1000 / 10 / (4 + 3 * 2))
    assert found["trainer_tokens_per_second_per_device"] == pytest.approx(1200 / 2 / 4)
    assert found["mfu"] == pytest.approx(1200 * FLOP / (2 * 4 * 9.89e14))
    # an engine that was drained is no device of the step
    assert made.of_step(STEP, SECONDS, engines=1)["tokens_per_second_per_device"] == pytest.approx(100 / 6)


def test_frozen_weights_have_no_gradient_of_their_own(tmp_path: Path) -> None:
    lora = {"rank": 8, "target_modules": ["q_proj"]}
    made = throughput(tmp_path, model={"lora": lora})
    adapters = 2 * 8 * (64 + 64)
    flop = 4 * 137_728 + 6 * adapters + 153_600
    assert made.of_step(STEP, SECONDS, 1)["mfu"] == pytest.approx(1200 * flop / (2 * 9.89e14))


def test_an_engine_on_the_trainers_gpu_is_no_further_device(tmp_path: Path) -> None:
    shared = throughput(tmp_path, weight_sync={"transport": "ipc"}, rollout={"memory_fraction": 0.4})
    assert shared.of_step(STEP, SECONDS, 1)["tokens_per_second_per_device"] == pytest.approx(100)


def test_on_cpu_a_device_is_a_core_and_mfu_needs_a_peak(tmp_path: Path) -> None:
    cpu = {"cluster": {"device": "cpu"}, "model": {"dtype": "float32"}, "rollout": {"cpus_per_worker": 0.5}}
    made = throughput(tmp_path, "", **cpu, trainer={"cpus_per_worker": 2})
    found = made.of_step(STEP, SECONDS, 1)
    assert found == pytest.approx(
        {"tokens_per_second_per_device": 100 / 2.5, "trainer_tokens_per_second_per_device": 1200 / 2 / 2}
    )
    assert made.note == ""
    cpu["cluster"]["peak_flops"] = 1e11
    made = throughput(tmp_path, "", **cpu, trainer={"cpus_per_worker": 2})
    assert made.of_step(STEP, SECONDS, 1)["mfu"] == pytest.approx(1200 * FLOP / (2 * 2 * 1e11))


def test_a_step_that_ran_no_row_has_no_rate_of_the_trainer(tmp_path: Path) -> None:
    found = throughput(tmp_path).of_step({"completion_tokens": 1000.0, "tokens": 0.0}, SECONDS, 1)
    assert found.keys() == {"tokens_per_second_per_device"}


def test_why_there_is_no_mfu_is_said(tmp_path: Path) -> None:
    unknown = throughput(tmp_path, "NVIDIA X1")
    assert "no peak FLOP/s of 'NVIDIA X1' in bfloat16 is known" in unknown.note
    assert "set cluster.peak_flops" in unknown.note
    assert "mfu" not in unknown.of_step(STEP, SECONDS, 1)
    family = throughput(tmp_path, shape={**SHAPE, "model_type": "gemma3_text"})
    assert "gemma3_text" in family.note and "mfu" not in family.of_step(STEP, SECONDS, 1)


@pytest.mark.parametrize(
    ("device", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 9.89e14),
        ("NVIDIA H100 PCIe", 7.56e14),
        ("NVIDIA H100 NVL", 8.35e14),
        ("NVIDIA H200", 9.89e14),
        ("NVIDIA GH200 480GB", 9.89e14),
        ("NVIDIA GB200", 2.5e15),
        ("NVIDIA B200", 2.25e15),
        ("NVIDIA A100-SXM4-80GB", 3.12e14),
        ("NVIDIA A10", 1.25e14),
        ("NVIDIA L40S", 3.62e14),
        ("NVIDIA L4", 1.21e14),
        ("NVIDIA A10G", None),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None),
        ("", None),
    ],
)
def test_peaks_by_the_names_that_cuda_gives(device: str, peak: float | None) -> None:
    assert peak_flops(device, "bfloat16") == peak
    assert peak_flops(device, "float32") is None


def test_no_peak_hides_another() -> None:
    assert [name for name in PEAK_FLOPS if peak_flops(f"NVIDIA {name}", "bfloat16") != PEAK_FLOPS[name]] == []
