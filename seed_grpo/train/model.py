"""Loads the policy and its tokenizer from a Hugging Face folder or hub id."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from seed_grpo.config import ModelConfig
from seed_grpo.errors import ModelError
from seed_grpo.pretrained.fit import check_weights
from seed_grpo.pretrained.folder import loading, local_folder
from seed_grpo.pretrained.misfits import misfits_of_loading, refuse
from seed_grpo.train import attention

PACKABLE_LAYERS = {"full_attention", "sliding_attention", "sparse", "dense"}
"""kinds of layers that see other tokens through attention alone, or not at all"""
UNPACKABLE_ROPE = {"dynamic", "longrope"}
"""kinds of position embeddings that depend on the largest position of the whole row"""
ANY_TEXT = "The sum of 12 and 30 is 42."
"""of which every tokenizer knows something"""


def load_model(config: ModelConfig) -> PreTrainedModel:
    """The causal language model in `config.dtype` on the CPU, for packed rows (`train.attention`), with all dropout
    off: the policy that samples has none.

    Raises:
        ModelError: it is not there, not whole, quantised, or is not a causal language model.
    """
    was_here = check_weights(config, trains=True)
    with loading("model", config.path):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            config.path,
            dtype=getattr(torch, config.dtype),
            attn_implementation=attention.NAME,
            trust_remote_code=config.trust_remote_code,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are among what is checked below, by name
        )
    model, info = loaded
    if was_here is None:
        check_weights(config, trains=True)
    refuse(misfits_of_loading(info), model, config.path)
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
        ModelError: it is not there, or knows nothing.
    """
    local_folder(config.path)
    with loading("tokenizer", config.path):
        tokenizer = AutoTokenizer.from_pretrained(config.path, trust_remote_code=config.trust_remote_code)
    # without its files Transformers makes one that knows special tokens alone
    if not {*tokenizer(ANY_TEXT, add_special_tokens=False)["input_ids"]} - {*tokenizer.all_special_ids}:
        raise ModelError(
            f"the tokenizer of model.path={config.path} knows {len(tokenizer)} tokens, and none of {ANY_TEXT!r}: its "
            "files (tokenizer.json, or a vocabulary) are not there; copy them into the folder"
        )
    return tokenizer
