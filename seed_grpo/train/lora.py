"""Low-rank adapters through peft: W + scaling * B A in place of W (LoRA, arXiv 2106.09685, section 4.1).

Consumes a model; puts adapters into it, and lists the weights that they change. It merges nothing into the model:
`train.weights` merges weights on their way out of the trainer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from peft import LoraConfig as PeftConfig
from peft import inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from transformers import PreTrainedModel

from seed_grpo.config.sections import LoraConfig
from seed_grpo.errors import ModelError

ADAPTER = "default"
ADAPTER_PARTS = ("lora_A", "lora_B")


class LowRank(NamedTuple):
    """One adapter's addition to a weight: scaling * B A."""

    down: Any
    """A [rank, in], a parameter"""
    up: Any
    """B [out, rank], a parameter, zeros at first"""
    scaling: float
    """alpha / rank"""


def add_adapters(model: PreTrainedModel, config: LoraConfig) -> None:
    """Puts adapters that change nothing yet into the model, and freezes all other parameters.

    Raises:
        ModelError: the model has no module of these names, or its output matrix is one of them.
    """
    targets = config.target_modules if isinstance(config.target_modules, str) else list(config.target_modules)
    peft_config = PeftConfig(r=config.rank, lora_alpha=config.alpha, target_modules=targets, task_type="CAUSAL_LM")
    try:
        inject_adapter_in_model(peft_config, model, adapter_name=ADAPTER)
    except ValueError as error:
        why = " ".join(str(error).split())
        raise ModelError(f"model.lora.target_modules={config.target_modules} does not fit the model: {why}") from error
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer) and not isinstance(module.get_base_layer(), torch.nn.Linear):
            raise ModelError(
                f"model.lora.target_modules={config.target_modules} names {name}, which is no linear layer; only those "
                "can be merged"
            )
    if isinstance(model.get_output_embeddings(), LoraLayer):
        raise ModelError(
            f"model.lora.target_modules={config.target_modules} names the output matrix, which the trainer applies "
            "without adapters; leave it out"
        )


def low_rank_parts(model: torch.nn.Module) -> dict[str, LowRank]:
    """Adapters by the name of the weight that each changes, as a model without adapters names it."""
    return {
        f"{name}.weight": LowRank(module.lora_A[ADAPTER].weight, module.lora_B[ADAPTER].weight, module.scaling[ADAPTER])
        for name, module in model.named_modules()
        if isinstance(module, LoraLayer)
    }


def name_without_adapters(name: str) -> str | None:
    """The name of a parameter in a model without adapters; None for a parameter of an adapter."""
    if any(f".{part}." in name for part in ADAPTER_PARTS):
        return None
    return name.replace(".base_layer.", ".")
