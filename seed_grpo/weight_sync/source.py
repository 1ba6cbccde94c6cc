"""The policy's weights as vLLM's trainer-side engines want them.

Consumes `train.interface.Weights`; produces a vLLM `WeightSource`. It gathers nothing itself and sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from vllm.distributed.weight_transfer.base import ParamMeta, WeightSource

from seed_grpo.train.engine import Weights


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

    def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
        """The present pass, each tensor in the trainer's own memory. An abandoned iteration leaves it where it was."""
        return self._pass

    def drain(self) -> None:
        """Goes through the rest of the pass, dropping the weights."""
        for _ in self._pass:
            pass
