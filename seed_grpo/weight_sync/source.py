"""The policy's weights as vLLM's trainer-side engines want them.

Consumes `train.interface.Weights`; produces a vLLM `WeightSource`. It gathers nothing itself and sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from vllm.distributed.weight_transfer.base import ParamMeta, WeightSource

from seed_grpo.train.interface import Weights


class PolicySource(WeightSource):
    """One pass over the weights at a time. Gathering is a collective of the trainer's ranks: whoever begins a pass must
    end it, also when sending fails in the middle, or the other ranks wait for ever. `drain` ends it."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._pass: Iterator[tuple[str, torch.Tensor]] = iter(())

    def begin(self) -> None:
        """Starts a new pass; the next `iter` takes it."""
        self._pass = iter(self._weights)

    def metadata(self) -> list[ParamMeta]:
        return [ParamMeta(name, getattr(torch, dtype), shape) for name, dtype, shape in self._weights.metadata()]

    def lent(self) -> Iterator[tuple[str, torch.Tensor]]:
        """The present pass itself, each tensor in the trainer's own memory and valid only until the next is asked for.
        An abandoned iteration leaves the pass where it was."""
        return self._pass

    def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
        """The present pass in copies, which vLLM's engines need: they collect tensors before they pack them."""
        return ((name, tensor.detach().clone()) for name, tensor in self.lent())

    def drain(self) -> None:
        """Goes through the rest of the pass, dropping the weights."""
        for _ in self._pass:
            pass
