"""Small random models of families other than the one of most tests, and which of them a run of the tests takes."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from seed_grpo.train.weights import PolicyWeights
from support.running_engine import Model
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
