"""Loads the policy and its tokenizer from a Hugging Face folder or hub id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from seed_grpo.config import ModelConfig
from seed_grpo.errors import ModelError
from seed_grpo.train import attention

PACKABLE_LAYERS = {"full_attention", "sliding_attention", "sparse", "dense"}
"""kinds of layers that see other tokens through attention alone, or not at all"""
UNPACKABLE_ROPE = {"dynamic", "longrope"}
"""kinds of position embeddings that depend on the largest position of the whole row"""


def load_model(config: ModelConfig) -> PreTrainedModel:
    """The causal language model in `config.dtype` on the CPU, for packed rows (`train.attention`), with all dropout
    off: the policy that samples has none.

    Raises:
        ModelError: it is not there, or is not a causal language model.
    """
    _check_path(config.path)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            config.path,
            dtype=getattr(torch, config.dtype),
            attn_implementation=attention.NAME,
            trust_remote_code=config.trust_remote_code,
        )
    except (OSError, ValueError) as error:
        raise _cannot_load("model", config, error) from error
    _check_layers(model, config)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.0  # type: ignore[assignment]
    return model


def _check_layers(model: PreTrainedModel, config: ModelConfig) -> None:
    """Refuses models in which tokens of packed sequences would reach one another, or know how they are packed."""
    text = model.config.get_text_config()
    mixing = set(getattr(text, "layer_types", None) or ()) - PACKABLE_LAYERS
    rope = getattr(text, "rope_parameters", None) or {}
    kinds = {each.get("rope_type") for each in (rope, *rope.values()) if isinstance(each, dict)}
    faults = [f"layers of the kind {kind}" for kind in sorted(mixing)]
    faults += [f"positions of the kind {kind}" for kind in sorted(UNPACKABLE_ROPE & kinds)]
    if faults:
        raise ModelError(
            f"{model.config.model_type} models have {', '.join(faults)}, which do not keep packed sequences apart; "
            f"choose another model.path than {config.path}"
        )


def recompute(model: PreTrainedModel) -> None:
    """Has the model keep layers' inputs alone, and compute the rest again for the gradient.

    Raises:
        ModelError: the model cannot.
    """
    try:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    except ValueError as error:
        raise ModelError(
            f"{model.config.model_type} models know no recomputation; set trainer.gradient_checkpointing=false"
        ) from error


def load_tokenizer(config: ModelConfig) -> PreTrainedTokenizerBase:
    """The tokenizer that comes with the model.

    Raises:
        ModelError: it is not there.
    """
    _check_path(config.path)
    try:
        # that of mistral-common, which a `tekken.json` calls for, writes no control tokens that a template asks for
        return AutoTokenizer.from_pretrained(
            config.path, trust_remote_code=config.trust_remote_code, mistral_format=False
        )
    except (OSError, ValueError) as error:
        raise _cannot_load("tokenizer", config, error) from error


def _check_path(path: str) -> None:
    """Tells a missing folder from a hub id at once: a hub id has at most one slash, and no dot or slash in front."""
    looks_local = path.startswith(("/", ".", "~")) or path.count("/") > 1
    if looks_local and not Path(path).is_dir():
        raise ModelError(f"there is no folder {path} with a model; set model.path to one, or to a hub id like org/name")


def _cannot_load(what: str, config: ModelConfig, error: Any) -> ModelError:
    reason = " ".join(str(error).split())[:300]
    return ModelError(
        f"cannot load the {what} of model.path={config.path} ({reason}); name a folder with a Hugging Face causal "
        "language model or a hub id, and set model.trust_remote_code if the model brings its own code"
    )
