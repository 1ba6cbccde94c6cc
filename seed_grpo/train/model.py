"""Loads the policy and its tokenizer from a Hugging Face folder or hub id."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.modeling_layers import GradientCheckpointingLayer

from seed_grpo.config import ModelConfig
from seed_grpo.errors import ModelError
from seed_grpo.train import attention
from seed_grpo.train.model_checks import check_config


def load_config(config: ModelConfig) -> PreTrainedConfig:
    """The configuration of a model that may be trained, as far as a configuration tells.

    Raises:
        ModelError: it is not there, or the model is certain to be refused.
    """
    _check_path(config.path)
    try:
        found = AutoConfig.from_pretrained(config.path, trust_remote_code=config.trust_remote_code)
    except Exception as error:  # there is no telling what a family's own checks raise
        raise _cannot_load("configuration", config, error) from error
    check_config(found, config.path)
    return found


def load_model(config: ModelConfig) -> PreTrainedModel:
    """The causal language model in `config.dtype` on the CPU, for packed rows (`train.attention`).

    Raises:
        ModelError: it is not there, or is not a causal language model that can be trained.
    """
    family = load_config(config)
    try:
        return AutoModelForCausalLM.from_pretrained(
            config.path,
            config=family,
            dtype=getattr(torch, config.dtype),
            attn_implementation=attention.NAME,
            trust_remote_code=config.trust_remote_code,
        )
    except Exception as error:  # nor what its code does
        raise _cannot_load("model", config, error) from error


def recompute(model: PreTrainedModel) -> None:
    """Has the model keep layers' inputs alone, and compute the rest again for the gradient.

    Transformers' own way would do so in train mode only, which brings dropout.

    Raises:
        ModelError: the model cannot.
    """
    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers or not model.supports_gradient_checkpointing:
        raise ModelError(
            f"{model.config.model_type} models know no recomputation; set trainer.gradient_checkpointing=false"
        )
    for layer in layers:
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False, preserve_rng_state=False)


def load_tokenizer(config: ModelConfig) -> PreTrainedTokenizerBase:
    """The tokenizer that comes with the model.

    Raises:
        ModelError: it is not there.
    """
    _check_path(config.path)
    try:
        return AutoTokenizer.from_pretrained(config.path, trust_remote_code=config.trust_remote_code)
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
