"""Shapes of public models, their folders, and small real models of the same families."""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

QWEN_7B = {
    "model_type": "qwen2", "hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28,
    "num_key_value_heads": 4, "intermediate_size": 18944, "vocab_size": 152064, "tie_word_embeddings": False,
}  # fmt: skip
QWEN_1_5B = {
    "model_type": "qwen2", "hidden_size": 1536, "num_hidden_layers": 28, "num_attention_heads": 12,
    "num_key_value_heads": 2, "intermediate_size": 8960, "vocab_size": 151936, "tie_word_embeddings": True,
}  # fmt: skip
SMALL = {
    "hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 24,
    "intermediate_size": 256, "vocab_size": 200,
}  # fmt: skip


def folder_of(shape: dict[str, Any], folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(shape))
    return folder


def small_model(family: str, tied: bool, dtype: torch.dtype = torch.float32, attention: str = "sdpa") -> Any:
    config = AutoConfig.for_model(family, **SMALL, tie_word_embeddings=tied)
    return AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=attention)
