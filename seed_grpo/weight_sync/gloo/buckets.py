"""Packs weights into byte buffers of bounded size and takes them apart again.

Consumes names, dtypes and shapes, in the order in which the weights are sent; produces the same buckets on both sides
of a transfer, since both compute them from the same list. It moves nothing between processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch

ALIGNMENT = 16
"""bytes; each tensor starts at a multiple, so that a slice of the buffer can be viewed as any dtype"""
ALONE = 2**20
"""bytes from which on a weight travels alone, so that neither end need copy it"""


@dataclass(frozen=True)
class Slot:
    """Where one weight lies in its bucket."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    """first byte"""

    @property
    def num_bytes(self) -> int:
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


def plan_buckets(weights: Iterable[tuple[str, torch.dtype, Sequence[int]]], bucket_bytes: int) -> Iterator[Bucket]:
    """Splits (name, dtype, shape) into buckets of at most `bucket_bytes`, or of one weight where that is larger; one of
    `ALONE` bytes or more has its own."""
    slots: list[Slot] = []
    for name, dtype, shape in weights:
        start = -(-slots[-1].stop // ALIGNMENT) * ALIGNMENT if slots else 0
        slot = Slot(name, dtype, tuple(shape), start)
        if slots and (slot.stop > bucket_bytes or slot.num_bytes >= ALONE or slots[-1].num_bytes >= ALONE):
            yield Bucket(tuple(slots))
            slots, slot = [], Slot(name, dtype, tuple(shape), 0)
        slots.append(slot)
    if slots:
        yield Bucket(tuple(slots))


def pack(bucket: Bucket, tensors: Iterator[tuple[str, torch.Tensor]], buffer: torch.Tensor) -> None:
    """Takes the bucket's weights from `tensors` into the buffer [bytes, uint8] on the CPU.

    Raises:
        ValueError: the next tensors are not the bucket's weights.
    """
    for slot in bucket.slots:
        slot.view(buffer).copy_(take(slot, tensors))


def take(slot: Slot, tensors: Iterator[tuple[str, torch.Tensor]]) -> torch.Tensor:
    """The next of `tensors`.

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
