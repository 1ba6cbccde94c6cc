"""Weights under the names that exports have, over families of models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers.core_model_loading import Chunk, WeightConverter

from seed_grpo.errors import ModelError
from seed_grpo.train.weights import write_safetensors
from support.family_model import LONG, SOON, FamilyModel, weights_of


@pytest.mark.parametrize("family", SOON + LONG)
def test_exports_are_what_transformers_saves(family: str, tmp_path: Path) -> None:
    model = FamilyModel(tmp_path / "saved", family)
    (tmp_path / "export").mkdir()
    write_safetensors(weights_of(model.module), tmp_path / "export", writes=True)
    saved, exported = (_content(tmp_path / folder) for folder in ("saved", "export"))
    assert exported.keys() == saved.keys()
    assert all(torch.equal(exported[name], saved[name]) for name in saved)


def test_what_is_saved_beside_parameters_is_exported_too(tmp_path: Path) -> None:
    model = FamilyModel(tmp_path, "qwen3").module
    model.register_buffer("bias", torch.tensor([1.5]))
    assert {name: tensor.tolist() for name, tensor in weights_of(model) if name == "bias"} == {"bias": [1.5]}


def test_weights_that_are_several_parameters_are_refused(tmp_path: Path) -> None:
    model = FamilyModel(tmp_path, "qwen3").module
    model._weight_conversions = [WeightConverter("both.weight", ["q_norm.weight", "k_norm.weight"], [Chunk(dim=0)])]
    with pytest.raises(ModelError, match=r"qwen3 models have 2 parameters for the weight model\.layers\.0.*both"):
        weights_of(model)


def _content(folder: Path) -> dict[str, Any]:
    return {name: tensor for path in folder.glob("*.safetensors") for name, tensor in load_file(path).items()}
