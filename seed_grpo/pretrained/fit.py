"""Check that a folder holds the whole causal language model that its configuration describes.

Consumes `ModelConfig`; produces a line for people, or a `ModelError` that says what is wrong. Only configuration and
headers are read, so it takes a second, whatever the size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging

from seed_grpo.config.sections import ModelConfig
from seed_grpo.errors import ModelError
from seed_grpo.pretrained.family import check_config, check_kind, is_known
from seed_grpo.pretrained.folder import loading, local_folder, quantisation, read_config
from seed_grpo.pretrained.misfits import find_misfits, refuse
from seed_grpo.pretrained.stored import differing_rows, has_weight_files, stored_weights


def check_weights(model: ModelConfig, trains: bool) -> str | None:
    """Compares the weights in the folder with those that the model has.

    Args:
        trains: whether the model is to be trained. One that is only sampled from may be quantised, or of a class that
            vLLM alone knows: then its weights are not compared.

    Returns:
        what was compared; None for a hub id whose weights are not on this machine yet.

    Raises:
        ModelError: they differ, or this is no causal language model.
    """
    folder = local_folder(model.path)
    if folder is None:
        return None
    content = read_config(folder, model.path, trains)
    if kind := quantisation(folder, content):
        return f"quantised ({kind}), its weights are not compared"
    with loading("configuration", model.path):
        config = AutoConfig.from_pretrained(folder, trust_remote_code=model.trust_remote_code)
    check_config(config, model.path) if trains else check_kind(config, model.path)
    if not trains and not is_known(config):
        return f"{config.model_type} is no causal language model of Transformers, its weights are not compared"
    if not Path(model.path).is_dir() and not has_weight_files(folder, model.path):
        return None  # of the hub's files, the tokenizer's come first
    stored = stored_weights(folder, model.path)
    skeleton = _without_numbers(config, model)
    with _quiet():
        found = find_misfits(skeleton, stored)
    refuse(found, skeleton, model.path)
    _check_tied(skeleton, stored, folder, model.path)
    return f"{len(stored)} weights of {type(skeleton).__name__}, none missing or left over"


def _without_numbers(config: Any, model: ModelConfig) -> PreTrainedModel:
    """The model, on the device `meta`.

    Raises:
        ModelError: it cannot be made, or is an encoder.
    """
    with _quiet(), torch.device("meta"), loading("model", model.path):
        made = AutoModelForCausalLM.from_config(
            config, trust_remote_code=model.trust_remote_code, attn_implementation="eager"
        )
    sees_ahead = any(getattr(module, "is_causal", None) is False for module in made.modules())
    if sees_ahead and getattr(config, "is_decoder", True) is False:
        raise ModelError(
            f"model.path={model.path} is an encoder ({config.model_type}, is_decoder=false), whose tokens attend to "
            "later ones; name a causal language model"
        )
    return made


def _check_tied(skeleton: PreTrainedModel, stored: dict[str, torch.Tensor], folder: Path, path: str) -> None:
    """Refuses two different matrices that the configuration declares as one."""
    for tied, source in skeleton.all_tied_weights_keys.items():
        if tied in stored and source in stored and differing_rows(folder, path, tied, source):
            raise ModelError(
                f"model.path={path}: config.json ties {tied} to {source}, but the two differ in the files, so that "
                "Transformers would keep both and vLLM one; set tie_word_embeddings=false in config.json"
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Transformers from drawing progress bars and from printing what is told here."""
    level, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if has_bars:
            logging.enable_progress_bar()
