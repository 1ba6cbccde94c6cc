"""Interfaces of a weight sync: the trainer's weights, the engines that receive them, and the sender in between.

`train.weights` implements `Weights`, `vllm_bridge` implements `WeightSender`, the runtime implements `Receivers`.
Importing this module loads neither torch nor vLLM.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


class WeightInfo(NamedTuple):
    """One weight as the Hugging Face checkpoint has it, e.g. `("lm_head.weight", "float32", (128, 64))`."""

    name: str
    dtype: str
    """name of the torch dtype, e.g. `bfloat16`"""
    shape: tuple[int, ...]
    """full shape, also where ZeRO-3 divides the parameter over the ranks"""

    @property
    def num_bytes(self) -> int:
        """Size of the whole weight."""
        import torch  # not at the head: a driver without torch reads this module too

        return torch.Size(self.shape).numel() * getattr(torch, self.dtype).itemsize


class Weights(Protocol):
    """The policy's weights as a Hugging Face checkpoint has them, a tied matrix once."""

    def metadata(self) -> list[WeightInfo]:
        """Describes the weights in the order of iteration, without gathering anything."""
        ...

    def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Gathers the weights bucket by bucket, as a collective that every rank must follow to its end.

        A tensor keeps its content until the policy is trained again or loaded. Whatever was gathered for it takes
        memory as long as anything refers to it.
        """
        ...


class Receivers(Protocol):
    """The engines that receive, as the sending rank sees them; calls go to all of them at once."""

    names: Sequence[str]
    """names of the rollout workers"""
    world_sizes: Sequence[int]
    """devices of each engine (its tensor parallel size)"""

    def call(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> None:
        """Calls a method of `RolloutEngine` on every engine, each with its own arguments, and waits for all.

        Raises:
            WeightSyncError: an engine failed or did not answer in time; the message names the worker.
        """
        ...


class WeightSender(Protocol):
    """The trainer's end of a transport, one on every rank. Every method is a collective over the ranks."""

    def send(self, version: int) -> None:
        """Sends the present weights to all receivers, and returns when they are in use there as `version`.

        Raises:
            WeightSyncError: the weights did not arrive; the message names the phase and the worker.
        """
        ...

    def close(self) -> None:
        """Leaves the transport's process group."""
        ...


def buckets(items: Iterable[T], sizes: Iterable[int], limit: int) -> list[list[T]]:
    """Consecutive pieces of `items`, each of at most `limit` bytes in all, or of one item.

    The one plan of buckets: the trainer gathers by it, gloo sends by it, and an export's files are cut by it.
    """
    pieces: list[list[T]] = []
    filled = 0
    for item, size in zip(items, sizes, strict=True):
        if not pieces or filled + size > limit:
            pieces.append([])
            filled = 0
        pieces[-1].append(item)
        filled += size
    return pieces
