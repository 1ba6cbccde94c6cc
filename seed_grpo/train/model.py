"""Loads the policy and its tokenizer from a Hugging Face folder or hub id."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_layers import GradientCheckpointingLayer

from seed_grpo.config.sections import ModelConfig
from seed_grpo.errors import ModelError
from seed_grpo.pretrained.fit import check_weights
from seed_grpo.pretrained.folder import loading, local_folder
from seed_grpo.pretrained.misfits import misfits_of_loading, refuse
from seed_grpo.train import attention

ANY_TEXT = "The sum of 12 and 30 is 42."
"""a text of which every tokenizer knows something"""


def load_model(config: ModelConfig) -> PreTrainedModel:
    """Loads the causal language model in `config.dtype` on the CPU, for packed rows (`train.attention`).

    Raises:
        ModelError: it is missing, not whole, or quantised, or it is not a causal language model that can be trained.
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
    return model


def recompute(model: PreTrainedModel) -> None:
    """Has the model keep only its layers' inputs, and compute the rest again for the gradient.

    Transformers' own way would do so in train mode only, which brings dropout.

    Raises:
        ModelError: the model cannot do so.
    """
    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers or not model.supports_gradient_checkpointing:
        raise ModelError(
            f"{model.config.model_type} models do not support gradient checkpointing; set "
            "trainer.gradient_checkpointing=false"
        )
    for layer in layers:
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False, preserve_rng_state=False)


def load_tokenizer(config: ModelConfig) -> PreTrainedTokenizerBase:
    """The tokenizer that comes with the model.

    Raises:
        ModelError: it is missing, or knows no text.
    """
    local_folder(config.path)
    with loading("tokenizer", config.path):
        # that of mistral-common, which a `tekken.json` calls for, writes no control tokens that a template asks for
        tokenizer = AutoTokenizer.from_pretrained(
            config.path, trust_remote_code=config.trust_remote_code, mistral_format=False
        )
    # without its files Transformers makes one that knows special tokens alone
    if not {*tokenizer(ANY_TEXT, add_special_tokens=False)["input_ids"]} - {*tokenizer.all_special_ids}:
        raise ModelError(
            f"the tokenizer of model.path={config.path} knows {len(tokenizer)} tokens, and none of {ANY_TEXT!r}: its "
            "files (tokenizer.json, or a vocabulary) are not there; copy them into the folder"
        )
    return tokenizer
