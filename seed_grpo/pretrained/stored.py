"""Names, shapes and kinds of numbers of the weights in a model's folder, from the headers of its files alone.

Consumes a folder; produces a tensor without numbers for each weight. Files are chosen as Transformers chooses them, and
a folder from which vLLM would choose others is refused.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from seed_grpo.errors import ModelError
from seed_grpo.pretrained.folder import read_json

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
TORCH_SINGLE, TORCH_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
BY_VLLM_ALONE = "consolidated"
"""prefix of files in Mistral's own format: another copy of the same weights, which vLLM prefers"""
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
"""kinds of numbers that can be trained, as safetensors names them"""
COMPARED_ROWS = 64
"""rows compared of two matrices that are said to be the same"""
SHOWN = 4
"""names shown in a message"""


def stored_weights(folder: Path, path: str) -> dict[str, torch.Tensor]:
    """Tensors on the device `meta`, by the names of the checkpoint; those that are no floating-point numbers are of
    torch.uint8.

    Args:
        path: the model's, for messages.

    Raises:
        ModelError: a file is missing, damaged, or one that only one of Transformers and vLLM would read.
    """
    files = _files(folder, path)
    weights: dict[str, torch.Tensor] = {}
    for file in files:
        try:
            weights |= _header(file)
        except Exception as error:  # of any class, by what a stranger's file holds
            raise ModelError(
                f"model.path={path}: {file.name} of {_size(file)} bytes cannot be read ({_reason(file, error)}); copy "
                "or download it again"
            ) from error
    return weights


def has_weight_files(folder: Path, path: str) -> bool:
    """Tells whether a folder has all files of weights, as far as their names tell."""
    try:
        return bool(_files(folder, path))
    except ModelError:
        return False


def differing_rows(folder: Path, path: str, first: str, second: str) -> bool:
    """Tells whether two matrices in safetensors files differ, as far as a few rows at equal distances show."""
    rows: dict[str, torch.Tensor] = {}
    for file in _files(folder, path):
        if file.suffix == ".safetensors":
            with safe_open(file, framework="pt") as content:
                for name in {first, second} & set(content.keys()):
                    part = content.get_slice(name)
                    count = part.get_shape()[0]
                    apart = max(1, count // COMPARED_ROWS)
                    rows[name] = torch.cat([part[place : place + 1] for place in range(0, count, apart)])
    return len(rows) == 2 and not torch.equal(rows[first], rows[second])


def named(names: Any) -> str:
    """The first few of the names, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    return ", ".join(ordered[:SHOWN]) + more


def _files(folder: Path, path: str) -> list[Path]:
    if (folder / SINGLE).is_file():
        files = [folder / SINGLE]
        stray = [each for each in _safetensors(folder) if each.name != SINGLE]
        if (folder / INDEX).is_file():
            stray = [each for each in _listed(folder, INDEX, path) if each.name != SINGLE]
        if stray:
            raise ModelError(
                f"model.path={path} holds {SINGLE}, which the trainer would read, and {named(e.name for e in stray)}, "
                "which vLLM would read; remove what does not belong to the model"
            )
        return files
    for index in (INDEX, TORCH_INDEX):
        if (folder / index).is_file():
            return _listed(folder, index, path)
    if (folder / TORCH_SINGLE).is_file():
        return [folder / TORCH_SINGLE]
    there = named(each.name for each in folder.iterdir() if each.suffix in (".safetensors", ".bin", ".gguf", ".pt"))
    raise ModelError(
        f"model.path={path} holds no weights: neither {SINGLE} nor {INDEX} nor {TORCH_SINGLE}"
        f"{f', but {there}' if there else ''}; copy or download the rest, or save the model with save_pretrained"
    )


def _listed(folder: Path, index: str, path: str) -> list[Path]:
    """The files of an index."""
    places = read_json(folder / index, path).get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(place, str) for place in places.values()):
        raise ModelError(f"model.path={path}: {index} has no weight_map; copy or download it again")
    names = sorted(set(places.values()))
    absent = [name for name in names if not (folder / name).is_file()]
    if absent:
        raise ModelError(
            f"model.path={path} lacks {len(absent)} of the {len(names)} files of {index}: {named(absent)}; copy or "
            "download them"
        )
    return [folder / name for name in names]


def _safetensors(folder: Path) -> list[Path]:
    return [each for each in folder.glob("*.safetensors") if not each.name.startswith(BY_VLLM_ALONE)]


def _header(file: Path) -> dict[str, torch.Tensor]:
    if file.suffix != ".safetensors":
        content = torch.load(file, map_location="meta", weights_only=True, mmap=zipfile.is_zipfile(file))
        if not isinstance(content, dict):
            raise ValueError("it holds no table of weights")
        return {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    with safe_open(file, framework="pt") as content:
        parts = {name: content.get_slice(name) for name in content.keys()}  # noqa: SIM118 - it is no dict
        return {
            name: torch.empty(part.get_shape(), dtype=DTYPES.get(part.get_dtype(), torch.uint8), device="meta")
            for name, part in parts.items()
        }


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _reason(file: Path, error: Exception) -> str:
    """Fault of a file; a pointer of Git's large file storage is told by name."""
    try:
        with file.open("rb") as stream:
            if stream.read(64).startswith(b"version https://git-lfs"):
                return "it is a pointer of Git LFS: run git lfs pull"
    except OSError:
        pass
    return " ".join(str(error).split())[:200]
