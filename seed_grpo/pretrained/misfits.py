"""Weights of a checkpoint that are missing, left over or of another shape, by the checkpoint's names.

Consumes tensors without numbers (`pretrained.stored`) and Transformers' class of the model, built without numbers;
produces the names, and a `ModelError` that tells them. Transformers' own loading, run on these tensors, says what fits:
it knows tied weights, old names, names without the model's prefix, and experts that it keeps in one parameter. What it
would fill with random numbers is an error here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import convert_and_load_state_dict_in_model, revert_weight_conversion
from transformers.modeling_utils import LoadStateDictConfig

from seed_grpo.errors import ModelError
from seed_grpo.pretrained.stored import named

MASKS = re.compile(r"\.(attn|attention|self_attn)\.(bias|masked_bias|causal_mask)$")
"""causal masks and their fill value, which old checkpoints hold beside the weights: of four dimensions, or of none"""


@dataclass
class Misfits:
    """Weights that do not fit."""

    missing: set[str] = field(default_factory=set)
    reshaped: dict[str, str] = field(default_factory=dict)
    """name -> its shape and the one that is needed"""
    left_over: set[str] = field(default_factory=set)


def find_misfits(model: PreTrainedModel, stored: dict[str, torch.Tensor]) -> Misfits:
    """Loads stored tensors into a model, both on the device `meta`, and names what is wrong."""
    needed = dict(model.state_dict())
    conversions: Any = get_model_conversion_mapping(model)
    how = LoadStateDictConfig(weight_mapping=conversions, device_map={"": "meta"})
    info, _ = convert_and_load_state_dict_in_model(model, dict(stored), how)
    lacking = _lacking(model, info)
    wrong = {name: _shapes(has, needs) for name, has, needs in info.mismatched_keys}
    wrong |= {name: text.rstrip().splitlines()[-1] for name, text in info.conversion_errors.items()}
    found = Misfits(left_over={name for name in info.unexpected_keys if not _is_mask(name, stored)})
    # the names in which Transformers saves, whatever the folder's are
    model._weight_conversions = None  # type: ignore[assignment]
    converted = needed.keys() - revert_weight_conversion(model, dict(needed)).keys()
    for name in lacking | wrong.keys() | converted:
        parts = revert_weight_conversion(model, {name: needed[name]})
        there = {part: stored.get(_stored_name(part, model, stored)) for part in parts}
        absent = {part for part, tensor in there.items() if tensor is None}
        # Transformers counts experts: 0, 1 and 3 would do for 0, 1 and 2
        if absent and (name in lacking or name in wrong or len(absent) < len(parts)):
            found.missing |= absent
        elif name in wrong:
            of_parts = {
                part: _shapes(tensor.shape, parts[part].shape)
                for part, tensor in there.items()
                if tensor is not None and tensor.shape != parts[part].shape
            }
            found.reshaped |= of_parts or {name: wrong[name]}
        elif name in lacking:
            found.missing.add(name)
    for name, tensor in stored.items():
        if name in needed and needed[name].is_floating_point() and not tensor.is_floating_point():
            found.reshaped[name] = "quantised numbers"
    return found


def misfits_of_loading(info: dict[str, Any]) -> Misfits:
    """Weights that Transformers made up, by the names of the model.

    Args:
        info: `output_loading_info` of a model that was loaded.
    """
    reshaped = {name: _shapes(has, needs) for name, has, needs in info["mismatched_keys"]}
    return Misfits(set(info["missing_keys"]), reshaped)


def refuse(found: Misfits, model: PreTrainedModel, path: str) -> None:
    """Raises an error that names the weights which do not fit, if there are any.

    Raises:
        ModelError: something does not.
    """
    reshaped = named(f"{name}: {shapes}" for name, shapes in found.reshaped.items())
    told = {
        f"missing: {len(found.missing)} ({named(found.missing)})": found.missing,
        f"of another shape: {len(found.reshaped)} ({reshaped})": found.reshaped,
        f"left over: {len(found.left_over)} ({named(found.left_over)})": found.left_over,
    }
    faults = [text for text, names in told.items() if names]
    if not faults:
        return
    advice = "copy the folder again, or correct config.json"
    if found.missing == {_output_name(model)} and not found.missing & model.all_tied_weights_keys.keys():
        advice = "set tie_word_embeddings=true in config.json if its output matrix is its embedding, else copy it again"
    elif not found.missing and not found.reshaped:
        advice = "save the model without them, or correct config.json if they belong to it"
    raise ModelError(
        f"model.path={path} is not a whole {type(model).__name__}, weights {', '.join(faults)}; {advice}. Transformers "
        "and vLLM would take random numbers for missing weights, and ignore those left over"
    )


def _lacking(model: PreTrainedModel, info: Any) -> set[str]:
    """Names of the model's weights that the files lack. It applies the family's own lists of weights that may be
    missing, to `info` too, but trusts them for buffers alone: a missing weight would be random. An embedding that is
    tied to the output matrix must be there itself, since vLLM reads the embedding."""
    lacking = set(info.missing_keys)
    model._adjust_missing_and_unexpected_keys(info)
    parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    lacking = {name for name in lacking if name in parameters or name in info.missing_keys}
    return lacking - {tied for tied, source in model.all_tied_weights_keys.items() if source not in lacking}


def _stored_name(name: str, model: PreTrainedModel, stored: dict[str, Any]) -> str:
    """The name of a weight in files that have, or lack, the prefix of the model without its head."""
    prefix = f"{model.base_model_prefix}."
    variants = (name, name.removeprefix(prefix), prefix + name)
    return next((each for each in variants if each in stored), name)


def _is_mask(name: str, stored: dict[str, torch.Tensor]) -> bool:
    return bool(MASKS.search(name)) and name in stored and stored[name].dim() in (0, 4)


def _shapes(has: Any, needs: Any) -> str:
    return f"{list(has)} in place of {list(needs)}"


def _output_name(model: PreTrainedModel) -> str | None:
    output = model.get_output_embeddings()
    return next((f"{name}.weight" for name, module in model.named_modules() if module is output), None)
