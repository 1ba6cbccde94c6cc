"""Refusals by a model's configuration alone, before any weights are read.

Consumes a Hugging Face configuration; produces the error, or nothing. It proves nothing: `train.proof` judges every
model that it lets pass. Its refusals only come earlier, before any worker starts, and are plainer.
"""

from __future__ import annotations

import re
from typing import Any

import transformers
from transformers import AutoModelForCausalLM, PreTrainedConfig
from transformers.models.auto import modeling_auto

from seed_grpo.errors import ModelError

SENSES = re.compile("vision|visual|image|img|video|audio|speech")
"""names of a configuration's parts that show a model which takes more than text"""
WITH_SENSES = (
    modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.keys()
    | modeling_auto.MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES.keys()
    | modeling_auto.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES.keys()
    | modeling_auto.MODEL_FOR_TEXT_TO_WAVEFORM_MAPPING_NAMES.keys()
)
"""model types that take or make pictures or sound, by Transformers' own tables"""
MIXING = re.compile("linear|mamba|conv|recurrent|hybrid")
"""names of layer kinds whose state runs on from one packed sequence into the next"""
OUTPUT_SETTINGS = ("final_logit_softcapping", "logit_scale", "logits_scaling")
"""settings that change logits after the output matrix, which the trainer applies itself"""


def check_config(config: PreTrainedConfig, path: str) -> None:
    """Refuses models that are not pure language models, and models that the trainer is known to compute otherwise.

    Raises:
        ModelError: names the model's type, and why.
    """
    fault = _takes_more_than_text(config)
    if not fault:
        check_kind(config, path)
        fault = _no_language_model(config) or _computed_otherwise(config)
    if fault:
        raise ModelError(f"model.path={path}, of type {config.model_type}, {fault}; choose another model.path")


def _text_part(config: PreTrainedConfig) -> PreTrainedConfig | None:
    """The configuration of the language model; None where there are several."""
    try:
        return config.get_text_config()
    except ValueError:
        return None


def _by_itself(config: PreTrainedConfig) -> str:
    text = _text_part(config)
    return f", such as one of type {text.model_type}" if text is not None and text is not config else ""


def _takes_more_than_text(config: PreTrainedConfig) -> str | None:
    senses = sorted(
        name
        for name, value in vars(config).items()
        if SENSES.search(name) and (isinstance(value, (dict, PreTrainedConfig)) or (value and name.endswith("tower")))
    )
    if not senses and config.model_type not in WITH_SENSES:
        return None
    named = f" ({', '.join(senses)})" if senses else ""
    return (
        f"takes images or sound besides text{named}, and training it on text alone is not supported; take a pure "
        f"language model{_by_itself(config)}"
    )


def _no_language_model(config: PreTrainedConfig) -> str | None:
    if _text_part(config) is not config:
        return f"consists of several models; take a pure language model{_by_itself(config)}"
    remote = "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {})
    if not remote and type(config) not in AutoModelForCausalLM._model_mapping:
        return "is not a causal language model"
    return None


def _computed_otherwise(config: PreTrainedConfig) -> str | None:
    mixing = sorted({kind for kind in getattr(config, "layer_types", None) or () if MIXING.search(kind)})
    if mixing:
        return f"has layers of the kind {', '.join(mixing)}, whose state would leak into the next packed sequence"
    changing = [
        f"{name}={value}"
        for name in OUTPUT_SETTINGS
        if (value := getattr(config, name, None)) not in (None, 0, 0.0, 1, 1.0)
    ]
    if changing:
        return (
            f"changes its logits by {', '.join(changing)} after the output matrix, which the trainer does not compute"
        )
    return None


def check_kind(config: Any, path: str) -> None:
    """Refuses models with an encoder, with another head or with none.

    Raises:
        ModelError: names what it is.
    """
    if config.is_encoder_decoder:
        raise ModelError(
            f"model.path={path} is an encoder-decoder ({config.model_type}), and only causal language models can be "
            "sampled and trained; name one"
        )
    (name, *_) = getattr(config, "architectures", None) or [""]
    is_one = name in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()
    if not is_one and hasattr(transformers, name) and is_known(config):
        raise ModelError(
            f"model.path={path} is a {name} (config.json, architectures), which is no causal language model; name one, "
            "or save it as one with AutoModelForCausalLM"
        )


def is_known(config: Any) -> bool:
    """Tells whether Transformers, or the folder's own code, makes a causal language model of it."""
    brings_code = "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {})
    return brings_code or config.model_type in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
