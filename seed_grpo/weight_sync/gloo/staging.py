"""Memory in which weights wait at either end of a transfer: bounded, and used again and again.

Produces byte buffers, and has each of them back once nothing refers to it: the engine's layerwise reload keeps a weight
until its layer is complete, so no one can say beforehand how long. A page that is new costs as much as sending what it
holds, hence few buffers that are used again. Not for several threads.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from weakref import ref

import torch

PARTS = 4
"""buffers at a time: at the receiving end one is loaded, one is on its way, and a layer may keep two"""


@dataclass
class _Block:
    """Memory of one buffer; it is lent as long as the reference is alive."""

    memory: mmap.mmap
    loan: ref[memoryview]

    @property
    def is_free(self) -> bool:
        return self.loan() is None

    def lend(self, num_bytes: int) -> torch.Tensor:
        """The first bytes as a tensor. Its storage, which all of its views share, alone keeps the loan alive."""
        loan = memoryview(self.memory)[:num_bytes]
        self.loan = ref(loan)
        return torch.frombuffer(loan, dtype=torch.uint8)


class Staging:
    """Buffers of at most `limit` bytes in all; a buffer that is free counts too, until its place is needed."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._blocks: list[_Block] = []

    @property
    def num_bytes(self) -> int:
        """Held at present."""
        return sum(len(block.memory) for block in self._blocks)

    def take(self, num_bytes: int, beyond: bool = False) -> torch.Tensor | None:
        """A buffer [num_bytes, uint8] of undefined content; None if it does not fit beside those that are in use.

        Args:
            beyond: exceed the limit rather than return None.
        """
        for block in self._blocks:
            if block.is_free and len(block.memory) >= num_bytes:
                return block.lend(num_bytes)
        size = max(num_bytes, self._limit // PARTS)
        if self.num_bytes + size > self._limit:
            self._blocks = [block for block in self._blocks if not block.is_free]
        if self.num_bytes + size > self._limit and not beyond:
            return None
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._blocks.append(_Block(memory, _OVER))
        return self._blocks[-1].lend(num_bytes)


_OVER: ref[memoryview] = ref(memoryview(b""))
"""a loan that has ended"""
