"""What carries weights from the trainer ranks to the engines, and what it needs of the engines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Receivers(Protocol):
    """The engines that receive, as the sending rank sees them; calls go to all of them at once."""

    names: Sequence[str]
    """of the rollout workers"""
    world_sizes: Sequence[int]
    """devices of each engine (its tensor parallel size)"""

    def call(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> None:
        """Calls a method of `RolloutEngine` on every engine, with one tuple of arguments for each, and waits.

        Raises:
            WeightSyncError: an engine failed or did not answer in time; the message names the worker.
        """
        ...


class WeightSender(Protocol):
    """The trainer's end of a transport, one on every rank. Every method is a collective over the ranks."""

    def send(self, version: int) -> None:
        """Sends the present weights to all receivers, and returns when they are in use there as `version`.

        Raises:
            WeightSyncError: the weights did not arrive; names phase and worker.
        """
        ...

    def close(self) -> None:
        """Leaves the transport's process group."""
        ...
