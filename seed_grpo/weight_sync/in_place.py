"""Weights of a CPU engine that stay as the checkpoint has them, so that a sync can write them where they lie.

vLLM packs the matrices of its CPU engine for oneDNN after loading, and would have to pack them anew after every sync,
which takes longer than the broadcast. In float32 the product with a plain matrix is as fast where it matters (0.4 to
1.8 times the time by shape, and the same from 64 sequences on), so the engines that learn keep their matrices plain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch.nn.functional import linear, pad
from torch.utils._python_dispatch import TorchDispatchMode

from seed_grpo.weight_sync.buckets import Slot

MULTIPLE = 4
"""Rows come in multiples of this: then MKL gives a row the same bits whatever the others are, with any threads."""


torch.library.define("seed_grpo::plain_linear", "(Tensor rows, Tensor weight, Tensor? bias) -> Tensor")
plain_linear = torch.ops.seed_grpo.plain_linear.default
"""[T, V] products of rows [T, H] with a matrix [V, H], and a bias [V] or None. The bits of a row do not depend on the
other rows, as with oneDNN: what a seed samples must not depend on what else runs. An operator of its own, since a
compiler would choose by shape."""


@torch.library.impl("seed_grpo::plain_linear", "CPU")
def _(rows_TH: torch.Tensor, weight_VH: torch.Tensor, bias_V: torch.Tensor | None) -> torch.Tensor:
    assert rows_TH.ndim == 2, f"rows of a text model are [T, H], not {tuple(rows_TH.shape)}"
    missing = -len(rows_TH) % MULTIPLE
    if not missing:
        return linear(rows_TH, weight_VH, bias_V)
    return linear(pad(rows_TH, (0, 0, 0, missing)), weight_VH, bias_V)[: len(rows_TH)].clone()


@torch.library.register_fake("seed_grpo::plain_linear")
def _(rows_TH: torch.Tensor, weight_VH: torch.Tensor, bias_V: torch.Tensor | None) -> torch.Tensor:
    return rows_TH.new_empty(len(rows_TH), len(weight_VH))


def keep_matrices_plain() -> None:
    """Has vLLM load float32 models on a CPU without packing; called in an engine's process before the model is loaded.
    On a GPU, or called again, it changes nothing."""
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        return
    from vllm.model_executor.layers import utils

    vllms_own = utils.dispatch_cpu_unquantized_gemm
    if vllms_own.__module__ == __name__:
        return

    def dispatch_cpu_unquantized_gemm(layer: torch.nn.Module, remove_weight: bool) -> None:
        weight = layer.weight
        if weight.ndim == 2 and weight.dtype == torch.float32 and not weight.is_meta:
            layer.cpu_linear = plain_linear  # type: ignore[assignment]
        else:
            vllms_own(layer, remove_weight)

    utils.dispatch_cpu_unquantized_gemm = dispatch_cpu_unquantized_gemm


def places(model: torch.nn.Module, slots: Iterable[Slot]) -> dict[str, torch.Tensor] | None:
    """Where the weights lie in the model, by name: contiguous tensors of the weights' own dtype and shape. None unless
    writing these is all that loading does.

    Has the model load weights without content, and notes where each would be copied. Not in the result: weights that
    the model leaves out, such as a tied output matrix, which lies where the embedding does.
    """
    if not _lies_plain(model):
        return None
    load_weights: Any = model.load_weights
    with suppress(RuntimeError), _Copies(slots) as copies:  # a weight without content has no numbers to look at
        load_weights(list(copies.weights.items()))
        return copies.places if copies.is_all else None
    return None


def copy_into(places: Mapping[str, torch.Tensor], weights: Iterable[tuple[str, torch.Tensor]]) -> None:
    """Copies those weights that have a place."""
    for name, weight in weights:
        if name in places:
            places[name].copy_(weight)


class _Copies(TorchDispatchMode):
    """Notes where weights without content are copied, in place of copying them."""

    def __init__(self, slots: Iterable[Slot]) -> None:
        super().__init__()
        self.weights = {slot.name: torch.empty(slot.shape, dtype=slot.dtype, device="meta") for slot in slots}
        self.places: dict[str, torch.Tensor] = {}
        self.is_all = True
        """whether each weight was copied no more than once, and whole, into a place like it"""
        self._names = {weight.untyped_storage(): name for name, weight in self.weights.items()}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not torch.ops.aten.copy_.default or not args[1].is_meta:
            return func(*args, **(kwargs or {}))
        place, source = args[:2]
        name = self._names.get(source.untyped_storage())
        if name is None or name in self.places or not all(_alike(self.weights[name], each) for each in (source, place)):
            self.is_all = False
        else:
            self.places[name] = place
        return place


def _alike(weight: torch.Tensor, other: torch.Tensor) -> bool:
    return (other.shape, other.dtype, other.is_contiguous()) == (weight.shape, weight.dtype, True)


def _lies_plain(model: torch.nn.Module) -> bool:
    """Whether every parameter of the model has the shape and dtype it is loaded in: packing replaces parameters."""
    from vllm.model_executor.model_loader.reload.layerwise import get_layerwise_info

    for layer in model.modules():
        loaded, _ = get_layerwise_info(layer).restore_metadata
        present = dict(layer.named_parameters(recurse=False))
        for name, as_loaded in loaded.items():
            found = present.get(name)
            if found is None or (found.shape, found.dtype) != (as_loaded.shape, as_loaded.dtype):
                return False
    return True
