"""Buckets of weights: the weights that travel together, their layout in a byte buffer, and the memory of those buffers.

Consumes names, dtypes and shapes in the order of sending; both ends compute the same plan from the same list. Moves
nothing between processes.

At either end, buffers wait in a `Staging`: bounded, and used again and again. The engine's layerwise reload keeps a
weight until its layer is complete, so no one can say beforehand how long a buffer is in use. A new page costs as much
as sending its content, hence few buffers.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from weakref import ref

import torch

from seed_grpo.weight_sync.base import buckets

ALIGNMENT = 16
"""bytes; each tensor starts at a multiple, so that a slice of the buffer can be viewed as any dtype"""
ALONE = 2**20
"""bytes from which on a weight travels alone, so that neither end need copy it"""
PARTS = 4
"""buffers of a staging: at the receiving end one is loaded, one is on its way, and a layer may keep two"""


@dataclass(frozen=True)
class Slot:
    """Place of one weight in its bucket."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    """place of the first byte"""

    @property
    def num_bytes(self) -> int:
        """Size of the weight."""
        return torch.Size(self.shape).numel() * self.dtype.itemsize

    @property
    def stop(self) -> int:
        """One past the last byte."""
        return self.start + self.num_bytes

    def view(self, buffer: torch.Tensor) -> torch.Tensor:
        """The weight inside the buffer [bytes, uint8], sharing its memory."""
        return buffer[self.start : self.stop].view(self.dtype).view(self.shape)


@dataclass(frozen=True)
class Bucket:
    """Weights that travel together."""

    slots: tuple[Slot, ...]

    @property
    def num_bytes(self) -> int:
        """Size of the buffer."""
        return self.slots[-1].stop


def plan_buckets(weights: Iterable[tuple[str, torch.dtype, Sequence[int]]], bucket_bytes: int) -> list[Bucket]:
    """Divides (name, dtype, shape) into buckets of at most `bucket_bytes`, or of one weight where that is larger.

    A weight of `ALONE` bytes or more has a bucket of its own.
    """
    slots = [Slot(name, dtype, tuple(shape), 0) for name, dtype, shape in weights]
    sizes = [_aligned(slot.num_bytes) if slot.num_bytes < ALONE else max(bucket_bytes + 1, ALONE) for slot in slots]
    return [Bucket(tuple(_in_a_row(piece))) for piece in buckets(slots, sizes, bucket_bytes)]


def _in_a_row(slots: Iterable[Slot]) -> Iterator[Slot]:
    start = 0
    for slot in slots:
        yield Slot(slot.name, slot.dtype, slot.shape, start)
        start += _aligned(slot.num_bytes)


def _aligned(num_bytes: int) -> int:
    return -(-num_bytes // ALIGNMENT) * ALIGNMENT


def pack(bucket: Bucket, tensors: Iterator[tuple[str, torch.Tensor]], buffer: torch.Tensor) -> None:
    """Copies the bucket's weights from `tensors` into the buffer [bytes, uint8] on the CPU.

    Raises:
        ValueError: the next tensors are not the bucket's weights.
    """
    for slot in bucket.slots:
        slot.view(buffer).copy_(take(slot, tensors))


def take(slot: Slot, tensors: Iterator[tuple[str, torch.Tensor]]) -> torch.Tensor:
    """The next of `tensors`, checked against its slot.

    Raises:
        ValueError: it is not the weight of the slot.
    """
    name, tensor = next(tensors, ("nothing", torch.empty(0)))
    if (name, tensor.dtype, tuple(tensor.shape)) != (slot.name, slot.dtype, slot.shape):
        raise ValueError(
            f"the weights differ from their metadata: {slot.name} {slot.dtype} {slot.shape} was declared, "
            f"{name} {tensor.dtype} {tuple(tensor.shape)} came"
        )
    return tensor


def unpack(bucket: Bucket, buffer: torch.Tensor) -> list[tuple[str, torch.Tensor]]:
    """The bucket's weights as views of the buffer [bytes, uint8]."""
    return [(slot.name, slot.view(buffer)) for slot in bucket.slots]


def as_bytes(tensor: torch.Tensor) -> torch.Tensor:
    """The memory of a contiguous tensor as [bytes, uint8]."""
    return tensor.detach().view(-1).view(torch.uint8)


@dataclass
class _Block:
    """Memory of one buffer, lent as long as the reference is alive."""

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
    """Buffers of at most `limit` bytes in all. A free buffer counts until its place is needed.

    A buffer is free again once nothing refers to it. Not for several threads.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._blocks: list[_Block] = []

    @property
    def num_bytes(self) -> int:
        """Bytes held at present."""
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
