"""The policy's weights as a Hugging Face checkpoint names them, gathered bucket by bucket under ZeRO-3.

Consumes the model; produces names, shapes and tensors, and writes them as a Hugging Face folder. It sends nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from transformers import PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion

from seed_grpo.errors import ModelError
from seed_grpo.train.lora import LowRank, low_rank_parts, name_without_adapters
from seed_grpo.weight_sync.base import WeightInfo, buckets

Gather = Callable[[list[torch.nn.Parameter]], AbstractContextManager[Any]]
"""context manager that makes parameters whole while it is open"""
SHARD_BYTES = 4 * 2**30
"""size of one file of an export"""


class Weight(NamedTuple):
    """One weight of the checkpoint, and the tensors that it is made of."""

    name: str
    parameter: torch.Tensor
    """the parameter, or the buffer"""
    adapter: LowRank | None
    """adapter to add to the parameter; None without one"""

    @property
    def parts(self) -> tuple[torch.Tensor, ...]:
        """The tensors that must be whole to make it."""
        return (self.parameter,) if self.adapter is None else (self.parameter, self.adapter.down, self.adapter.up)

    @torch.no_grad()
    def tensor(self) -> torch.Tensor:
        """The weight, merged in float32; without an adapter the parameter itself."""
        if self.adapter is None:
            return self.parameter.detach()
        down, up, scaling = self.adapter
        return torch.addmm(self.parameter.float(), up.float(), down.float(), alpha=scaling).to(self.parameter.dtype)


class PolicyWeights:
    """Implements `weight_sync.base.Weights` for a model.

    Adapters are merged on the way. Parameters that Transformers made of several weights of the checkpoint, such as a
    layer's experts, are taken apart, which takes their memory again.
    """

    def __init__(self, model: PreTrainedModel, gather: Gather, bucket_bytes: int) -> None:
        """Gathers nothing.

        Args:
            gather: used for one bucket at a time.
            bucket_bytes: largest bucket, but for a parameter that is larger by itself.

        Raises:
            ModelError: a weight of the checkpoint is made of several parameters.
        """
        adapters = low_rank_parts(model)
        self._weights = [
            Weight(name, tensor, adapters.get(name))
            for own_name, tensor in _saved_tensors(model)
            if (name := name_without_adapters(own_name)) is not None
        ]
        self._model = model
        self._gather = gather
        self.bucket_bytes = bucket_bytes
        """largest bucket that is gathered next"""
        self._infos: list[WeightInfo] = []
        self._other: set[str] = set()
        """parameters that are other weights in the checkpoint, or look otherwise there"""
        for name, tensor, _ in self._weights:
            empty = torch.empty(_full_shape(tensor), dtype=tensor.dtype, device="meta")
            saved = self._as_saved(name, empty)
            if saved.get(name) is not empty:
                self._other.add(name)
            self._infos += [WeightInfo(key, _dtype_name(each), tuple(each.shape)) for key, each in saved.items()]
        for name, times in Counter(info.name for info in self._infos).items():
            if times > 1:
                raise ModelError(
                    f"{model.config.model_type} models have {times} parameters for the weight {name} of their "
                    "checkpoint, which is not supported; choose another model.path"
                )

    def metadata(self) -> list[WeightInfo]:
        """Describes the weights; see the interface."""
        return self._infos

    def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Gathers the weights bucket by bucket, a collective; see the interface."""
        sizes = [sum(_full_bytes(part) for part in weight.parts) for weight in self._weights]
        for bucket in buckets(self._weights, sizes, self.bucket_bytes):
            distinct = {id(part): part for weight in bucket for part in weight.parts}
            with self._gather([part for part in distinct.values() if isinstance(part, torch.nn.Parameter)]):
                for weight in bucket:
                    if weight.name in self._other:
                        yield from self._taken_apart(weight)
                    else:
                        yield weight.name, weight.tensor()

    def _taken_apart(self, weight: Weight) -> Iterator[tuple[str, torch.Tensor]]:
        """The weights of the checkpoint that a parameter was made of.

        All parts are made at once, but vLLM's transport over NCCL asks for each on one of two CUDA streams, in turns.
        Parameters that ZeRO-3 gathers are there on any.
        """
        parts = self._as_saved(weight.name, weight.tensor())
        made = torch.cuda.current_stream().record_event() if weight.parameter.is_cuda else None
        for name, tensor in parts.items():
            if made is not None:
                asked_on = torch.cuda.current_stream()
                asked_on.wait_event(made)
                tensor.record_stream(asked_on)
            yield name, tensor

    def _as_saved(self, name: str, tensor: torch.Tensor) -> dict[str, torch.Tensor]:
        return revert_weight_conversion(self._model, {name: tensor})


def _saved_tensors(model: PreTrainedModel) -> Iterator[tuple[str, torch.Tensor]]:
    """Parameters and persistent buffers, tied ones once."""
    seen: set[int] = set()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            yield name, tensor


def _dtype_name(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def write_safetensors(weights: PolicyWeights, folder: Path, writes: bool) -> None:
    """Writes weights as the shards and the index of a Hugging Face checkpoint; a collective over the ranks.

    Args:
        writes: True for the one rank that writes; the others only take part in gathering.
    """
    metadata = weights.metadata()
    sizes = [info.num_bytes for info in metadata]
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


def _full_shape(parameter: torch.Tensor) -> torch.Size:
    """The whole shape, also where ZeRO-3 keeps only this rank's part."""
    return getattr(parameter, "ds_shape", parameter.shape)


def _full_bytes(parameter: torch.Tensor) -> int:
    return _full_shape(parameter).numel() * parameter.element_size()
