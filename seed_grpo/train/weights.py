"""The policy's weights as a Hugging Face checkpoint names them, gathered bucket by bucket under ZeRO-3.

Consumes the model; produces names, shapes and tensors, and writes them as a Hugging Face folder. It sends nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from transformers import PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion

from seed_grpo.train.interface import WeightInfo
from seed_grpo.train.lora import LowRank, low_rank_parts, name_without_adapters

Gather = Callable[[list[torch.nn.Parameter]], AbstractContextManager[Any]]
SHARD_BYTES = 4 * 2**30


class Weight(NamedTuple):
    """One weight of the checkpoint, and what it is made of."""

    name: str
    parameter: torch.nn.Parameter
    adapter: LowRank | None
    """what is added to the parameter"""

    @property
    def parts(self) -> tuple[torch.nn.Parameter, ...]:
        """The parameters that must be whole to make it."""
        return (self.parameter,) if self.adapter is None else (self.parameter, self.adapter.down, self.adapter.up)

    @torch.no_grad()
    def tensor(self) -> torch.Tensor:
        """The weight, merged in float32; without an adapter the parameter itself."""
        if self.adapter is None:
            return self.parameter.detach()
        down, up, scaling = self.adapter
        return torch.addmm(self.parameter.float(), up.float(), down.float(), alpha=scaling).to(self.parameter.dtype)


class PolicyWeights:
    """Implements `train.interface.Weights`. Adapters are merged on the way, and parameters that Transformers made of
    several weights of the checkpoint, such as all experts of a layer, are taken apart."""

    def __init__(self, model: PreTrainedModel, gather: Gather, bucket_bytes: int) -> None:
        adapters = low_rank_parts(model)
        self._weights = [
            Weight(name, parameter, adapters.get(name))
            for own_name, parameter in model.named_parameters()
            if (name := name_without_adapters(own_name)) is not None
        ]
        self._model = model
        self._gather = gather
        self._bucket_bytes = bucket_bytes
        self._infos = {name: self._saved_infos(name, parameter) for name, parameter, _ in self._weights}
        """of the weights in the checkpoint, by the name of their parameter"""

    def metadata(self) -> list[WeightInfo]:
        return [info for infos in self._infos.values() for info in infos]

    def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
        sizes = [sum(_full_bytes(part) for part in weight.parts) for weight in self._weights]
        for bucket in buckets(self._weights, sizes, self._bucket_bytes):
            distinct = {id(part): part for weight in bucket for part in weight.parts}
            with self._gather(list(distinct.values())):
                for weight in bucket:
                    yield from self._as_saved(weight.name, weight.tensor())

    def _saved_infos(self, name: str, parameter: torch.nn.Parameter) -> list[WeightInfo]:
        dtype = parameter.dtype
        empty = torch.empty(_full_shape(parameter), dtype=dtype, device="meta")
        saved = revert_weight_conversion(self._model, {name: empty})
        return [WeightInfo(key, str(dtype).removeprefix("torch."), tuple(each.shape)) for key, each in saved.items()]

    def _as_saved(self, name: str, tensor: torch.Tensor) -> Iterable[tuple[str, torch.Tensor]]:
        if [info.name for info in self._infos[name]] == [name]:
            return [(name, tensor)]
        return revert_weight_conversion(self._model, {name: tensor}).items()


def buckets(items: list[Any], sizes: list[int], limit: int) -> list[list[Any]]:
    """Consecutive pieces of `items`, each of at most `limit` in all, or of one item."""
    pieces: list[list[Any]] = []
    filled = 0
    for item, size in zip(items, sizes, strict=True):
        if not pieces or filled + size > limit:
            pieces.append([])
            filled = 0
        pieces[-1].append(item)
        filled += size
    return pieces


def write_safetensors(weights: PolicyWeights, folder: Path, writes: bool) -> None:
    """Writes weights as the shards and the index of a Hugging Face checkpoint; a collective over the ranks.

    Args:
        writes: whether this rank writes; the others only take part in gathering.
    """
    metadata = weights.metadata()
    sizes = [getattr(torch, info.dtype).itemsize * torch.Size(info.shape).numel() for info in metadata]
    shards = buckets([info.name for info in metadata], sizes, SHARD_BYTES)
    names = [f"model-{number + 1:05d}-of-{len(shards):05d}.safetensors" for number in range(len(shards))]
    tensors = iter(weights)
    for shard, name in zip(shards, names, strict=True):
        content = {}
        for weight_name in shard:
            _, tensor = next(tensors)
            if writes:
                content[weight_name] = tensor.detach().to("cpu", copy=True).contiguous()
        if writes:
            save_file(content, folder / name, metadata={"format": "pt"})
    assert next(tensors, None) is None  # and the last bucket is let go
    if writes:
        index = {weight: name for shard, name in zip(shards, names, strict=True) for weight in shard}
        content_index = {"metadata": {"total_size": sum(sizes)}, "weight_map": index}
        (folder / "model.safetensors.index.json").write_text(json.dumps(content_index, indent=1))


def _full_shape(parameter: torch.nn.Parameter) -> torch.Size:
    """The whole shape, also where ZeRO-3 keeps only this rank's part."""
    return getattr(parameter, "ds_shape", parameter.shape)


def _full_bytes(parameter: torch.nn.Parameter) -> int:
    return _full_shape(parameter).numel() * parameter.element_size()
