"""Folders of small models with something wrong in them, for tests: a copy of a model, changed on the way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

Weights = dict[str, torch.Tensor]
Change = Callable[[Path], Any]
"""a change of the copy"""
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"


def changed(model: Path, copy: Path, *changes: Change) -> Path:
    """The copy, after the changes."""
    shutil.copytree(model, copy)
    for change in changes:
        change(copy)
    return copy


def weights(change: Callable[[Weights], Weights]) -> Change:
    """Rewrites the weights, which are in one file."""

    def rewrite(folder: Path) -> None:
        save_file(change(load_file(folder / SINGLE)), folder / SINGLE, metadata={"format": "pt"})

    return rewrite


def without(*parts: str) -> Change:
    """Takes out the weights whose names have one of the parts."""
    return weights(lambda all_: {k: v for k, v in all_.items() if not any(part in k for part in parts)})


def beside(name: str, tensor: torch.Tensor) -> Change:
    """Adds a weight."""
    return weights(lambda all_: all_ | {name: tensor})


def setting(file: str, **values: Any) -> Change:
    """Changes values of a JSON file, which is made where it is not there."""

    def rewrite(folder: Path) -> None:
        content = json.loads((folder / file).read_text()) if (folder / file).is_file() else {}
        (folder / file).write_text(json.dumps(content | values))

    return rewrite


def config(**values: Any) -> Change:
    """Changes values of `config.json`."""
    return setting("config.json", **values)


def text(file: str, content: str) -> Change:
    """Replaces a file."""
    return lambda folder: (folder / file).write_text(content)


def cut(file: str, size: int) -> Change:
    """Keeps the first bytes of a file; a negative size leaves so many out at its end."""
    return lambda folder: (folder / file).write_bytes((folder / file).read_bytes()[:size])


def removed(*files: str) -> Change:
    """Deletes files."""
    return lambda folder: [(folder / file).unlink() for file in files]


def in_torch_file(folder: Path) -> None:
    """Moves the weights into `pytorch_model.bin`."""
    torch.save(load_file(folder / SINGLE), folder / "pytorch_model.bin")
    (folder / SINGLE).unlink()


def in_shards(folder: Path) -> None:
    """Spreads the weights over `model-a.safetensors` and `model-b.safetensors`."""
    all_ = load_file(folder / SINGLE)
    places = {name: f"model-{'ab'[number % 2]}.safetensors" for number, name in enumerate(sorted(all_))}
    for file in set(places.values()):
        save_file({k: all_[k] for k in all_ if places[k] == file}, folder / file, metadata={"format": "pt"})
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))
    (folder / SINGLE).unlink()


def index_without_b(folder: Path) -> None:
    """Has the index forget the second shard."""
    places = json.loads((folder / INDEX).read_text())["weight_map"]
    kept = {name: file for name, file in places.items() if file == "model-a.safetensors"}
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": kept}))
