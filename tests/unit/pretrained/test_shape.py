"""Shapes of models: against the public ones, and against what small real models have, keep and compute."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForCausalLM

from seed_grpo.config.sections import LoraConfig, ModelConfig
from seed_grpo.pretrained.shape import Shape, read_shape
from seed_grpo.train.lora import add_adapters
from support.model_shapes import QWEN_1_5B, QWEN_7B, folder_of, small_model

N = 7_615_616_512


def test_parameters_of_the_public_shapes(tmp_path: Path) -> None:
    # a layer of 7B: q and o 3584 x 3584 each, k and v 3584 x 512 each, MLP 3 x 3584 x 18944, norms 2 x 3584, biases
    # 3584 + 2 x 512: 233,057,792. 28 of them, a norm, and twice 152064 x 3584.
    assert N == 28 * 233_057_792 + 3584 + 2 * 152_064 * 3584
    assert read_shape(ModelConfig(path=str(folder_of(QWEN_7B, tmp_path / "7b")))).parameters == N
    assert Shape(3584, 28, 28, 4, 128, 18944, 152064, tied=False, vectors=11776).parameters == N
    # the model card's 1.54 billion; with the output matrix counted besides the embedding it would be 1,777,088,000
    assert read_shape(ModelConfig(path=str(folder_of(QWEN_1_5B, tmp_path / "1.5b")))).parameters == 1_543_714_304


def test_parameters_of_the_7b_model_that_transformers_builds() -> None:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**QWEN_7B))
    assert sum(parameter.numel() for parameter in model.parameters()) == N


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("family", ["qwen2", "qwen3", "llama", "mistral"])
def test_parameters_of_small_real_models(family: str, tied: bool, tmp_path: Path) -> None:
    model = small_model(family, tied)
    model.save_pretrained(tmp_path)
    shape = read_shape(ModelConfig(path=str(tmp_path)))
    assert shape.parameters == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("targets", ["all-linear", ("q_proj", "down_proj")])
def test_trained_numbers_are_those_of_the_adapters(targets: Any, tmp_path: Path) -> None:
    model = small_model("qwen2", tied=False)
    model.save_pretrained(tmp_path)
    config = ModelConfig(path=str(tmp_path), lora=LoraConfig(rank=4, target_modules=targets))
    assert config.lora is not None
    add_adapters(model, config.lora)
    assert read_shape(config).trained(config) == sum(p.numel() for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_layer_keeps_the_activations_that_it_is_said_to_keep(dtype: torch.dtype, tmp_path: Path) -> None:
    model = small_model("qwen2", tied=False, dtype=dtype)
    model.save_pretrained(tmp_path)
    parameters = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    tokens, kept = 64, {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = tensor  # held, so that no other storage gets its address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        hidden = model.base_model(input_ids=torch.arange(tokens)[None], use_cache=False).last_hidden_state
    measured = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    said = read_shape(ModelConfig(path=str(tmp_path))).activations(dtype.itemsize) * 3 * tokens
    assert hidden.requires_grad
    assert measured == pytest.approx(said, rel=0.1)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("lora", [None, LoraConfig(rank=4, target_modules=("q_proj", "down_proj"))])
def test_flop_are_those_that_torch_counts(lora: LoraConfig | None, tied: bool, tmp_path: Path) -> None:
    """Attention is in plain matrix products here, masked ones computed too."""
    model = small_model("qwen2", tied, attention="eager")
    model.save_pretrained(tmp_path)
    if lora is not None:
        add_adapters(model, lora)
    tokens = 32
    with FlopCounterMode(display=False) as counter:
        logits = model(input_ids=torch.arange(tokens)[None], use_cache=False).logits
        logits.sum().backward()
    config = ModelConfig(path=str(tmp_path), lora=lora)
    said = tokens * read_shape(config).flop(config, row_length=tokens)
    if lora is None:
        assert counter.get_total_flops() == said
    else:  # nothing below the first layer's adapter of the queries needs the gradient of its input, nor keys and values
        assert 0.9 * said < counter.get_total_flops() < said
