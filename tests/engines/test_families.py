"""Families of models other than the one of most tests: packed rows, exports, and new weights in real engines.

They differ in what lies between a parameter of Transformers and one of vLLM: an output matrix that vLLM does not know
(Gemma), matrices that are fused in the checkpoint (Phi-3) or transposed (GPT-2), experts that Transformers keeps in
one parameter and under other names, and that vLLM packs (Mixtral, Qwen3-MoE), Transformers' code within vLLM (OLMo 2).
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.core_model_loading import Chunk, WeightConverter

from seed_grpo.errors import ModelError, WeightSyncError
from seed_grpo.train.weights import PolicyWeights, write_safetensors
from support.running_engine import Model, RunningEngine
from support.tiny_model import make_tokenizer

SMALL = {
    "vocab_size": 128,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 32,
    "max_position_embeddings": 512,
    "initializer_range": 0.15,
    "bos_token_id": None,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
OF_EXPERTS = ["mixtral", "qwen3_moe"]
EXPERTS = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64}
SOON = ["gemma", "mixtral", "phi3"]
LONG = ["olmo2", "gpt2", "llama", "qwen3", "mistral", "gemma3_text", "starcoder2", "qwen3_moe"]


class FamilyModel(Model):
    """A small random model with tied embeddings."""

    def __init__(self, folder: Path, family: str) -> None:
        self.folder, self.dtype = folder, "float32"
        experts = EXPERTS if family in OF_EXPERTS else {}
        config = AutoConfig.for_model(family, **SMALL, **experts, tie_word_embeddings=True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
        make_tokenizer().save_pretrained(folder)
        self.module = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def weights_of(module: PreTrainedModel) -> PolicyWeights:
    return PolicyWeights(module, lambda parameters: nullcontext(), 2**20)


@pytest.mark.engine
@pytest.mark.parametrize("family", [*SOON, *(pytest.param(family, marks=pytest.mark.long) for family in LONG)])
def test_new_weights_arrive(family: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = FamilyModel(tmp_path, family)
    running = RunningEngine(model, model, deterministic=False)
    assert running.canary(model) < 1e-3
    sender = running.sender(weights_of(model.module))
    for version in (1, 2):  # a second update goes the same way as the first
        with torch.no_grad():
            for parameter in model.module.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        with pytest.raises(WeightSyncError, match="canary of rollout-0"):
            running.canary(model)
        sender.send(version)
        assert running.canary(model) < 1e-3
    sender.close()
    running.shutdown()
    output = capfd.readouterr().err
    assert ("new weights go through vLLM's reload" in output) == (family in OF_EXPERTS)


@pytest.mark.parametrize("family", SOON + LONG)
def test_exports_are_what_transformers_saves(family: str, tmp_path: Path) -> None:
    model = FamilyModel(tmp_path / "saved", family)
    (tmp_path / "export").mkdir()
    write_safetensors(weights_of(model.module), tmp_path / "export", writes=True)
    saved, exported = (_content(tmp_path / folder) for folder in ("saved", "export"))
    assert exported.keys() == saved.keys()
    assert all(torch.equal(exported[name], saved[name]) for name in saved)


def test_what_is_saved_beside_parameters_is_exported_too(tmp_path: Path) -> None:
    model = FamilyModel(tmp_path, "qwen3").module
    model.register_buffer("bias", torch.tensor([1.5]))
    assert {name: tensor.tolist() for name, tensor in weights_of(model) if name == "bias"} == {"bias": [1.5]}


def test_weights_that_are_several_parameters_are_refused(tmp_path: Path) -> None:
    model = FamilyModel(tmp_path, "qwen3").module
    model._weight_conversions = [WeightConverter("both.weight", ["q_norm.weight", "k_norm.weight"], [Chunk(dim=0)])]
    with pytest.raises(ModelError, match=r"qwen3 models have 2 parameters for the weight model\.layers\.0.*both"):
        weights_of(model)


def _content(folder: Path) -> dict[str, Any]:
    return {name: tensor for path in folder.glob("*.safetensors") for name, tensor in load_file(path).items()}
