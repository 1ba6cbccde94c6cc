"""Places of weights in an engine's model, so that new weights can be written where the old ones lie.

Consumes a vLLM model and the weights that will come; produces `Places`. vLLM's own loading reveals them: the model
loads weights without content, and each copy is noted instead of made.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from seed_grpo.rollout.vllm.unpacked_matrices import lies_plain
from seed_grpo.weight_sync.gloo.buckets import Slot

logger = logging.getLogger(__name__)

FILLING = (torch.ops.aten.fill_, torch.ops.aten.zero_)
"""operations on places without a weight, such as the padding of a vocabulary, which no sync need repeat"""


@dataclass(frozen=True)
class Copy:
    """One copy: a view of a weight, and the part of the model that it is copied to."""

    target: torch.Tensor
    size: torch.Size
    stride: tuple[int, ...]
    offset: int
    """place of the first element"""

    def is_whole(self, slot: Slot) -> bool:
        """Tells whether the bytes of the weight, as they are, are those of the target."""
        like_slot = (slot.shape, slot.shape, slot.dtype, 0)
        alike = (self.size, self.target.shape, self.target.dtype, self.offset) == like_slot
        return alike and self.target.is_contiguous() and self.stride == self.target.stride()

    def run(self, weight: torch.Tensor) -> None:
        """Makes the copy."""
        self.target.copy_(weight.as_strided(self.size, self.stride, weight.storage_offset() + self.offset))


class Places:
    """Places of weights by name; a weight that the model leaves out has none."""

    def __init__(self, slots: Iterable[Slot], copies: dict[str, list[Copy]]) -> None:
        self._copies = copies
        self.whole: dict[str, torch.Tensor] = {}
        """weights that lie in one piece: contiguous tensors of the weights' own dtype and shape"""
        for slot in slots:
            match copies.get(slot.name):
                case [copy] if copy.is_whole(slot):
                    self.whole[slot.name] = copy.target

    def write(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Copies contiguous weights to their places."""
        for name, weight in weights:
            for copy in self._copies.get(name, ()):
                copy.run(weight)


def find_places(model: torch.nn.Module, slots: Iterable[Slot]) -> Places | None:
    """The places of the weights in the model; None unless writing them is all that loading does.

    The model stays as it is, but for places that loading fills.
    """
    slots = list(slots)
    try:
        return Places(slots, _find_copies(model, slots))
    except _MoreThanCopies as reason:
        logger.warning("new weights are loaded by vLLM's reload, which is slower: %s", reason)
        return None


class _MoreThanCopies(Exception):
    """Reason why a model's loading is more than copying weights."""


def _find_copies(model: torch.nn.Module, slots: list[Slot]) -> dict[str, list[Copy]]:
    if not lies_plain(model):
        raise _MoreThanCopies("something is made of weights after loading")
    load_weights: Any = model.load_weights
    try:
        with _Copies(slots) as copies:
            load_weights(list(copies.weights.items()))
    except (RuntimeError, TypeError) as error:  # of torch: a weight without content has no numbers to look at
        raise _MoreThanCopies(str(error)) from error
    written = {copy.target.untyped_storage().data_ptr() for found in copies.found.values() for copy in found}
    for name, parameter in model.named_parameters():
        if parameter.untyped_storage().data_ptr() not in written:
            raise _MoreThanCopies(f"no weight is copied to {name}")
    return copies.found


class _Copies(TorchDispatchMode):
    """Notes the copies of weights without content, instead of making them."""

    def __init__(self, slots: Iterable[Slot]) -> None:
        super().__init__()
        self.weights = {slot.name: torch.empty(slot.shape, dtype=slot.dtype, device="meta") for slot in slots}
        self.found: dict[str, list[Copy]] = defaultdict(list)
        self._names = {weight.untyped_storage(): name for name, weight in self.weights.items()}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        on_meta = {each.is_meta for each in args if isinstance(each, torch.Tensor)}
        if len(on_meta) < 2:
            if func._schema.is_mutable and False in on_meta and func.overloadpacket not in FILLING:
                raise _MoreThanCopies(f"numbers are changed while loading ({func})")
            return func(*args, **(kwargs or {}))
        target, view = args[:2]
        name = self._names.get(view.untyped_storage())
        if func is not torch.ops.aten.copy_.default or name is None:
            raise _MoreThanCopies(f"a weight is not copied as it is ({func})")
        self.found[name].append(Copy(target, view.size(), view.stride(), view.storage_offset()))
        return target
