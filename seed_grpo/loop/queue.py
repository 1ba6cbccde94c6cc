"""The group queue: judged groups between the verifier workers and the trainer.

It holds references into the object store, never the payloads, and of each group the small summary: weight versions,
verdicts, entropy. It is bounded: no more groups are issued than it holds, which the configuration checks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from seed_grpo.messages import GroupSummary
from seed_grpo.runtime.supervision.prometheus import Sample


@dataclass(frozen=True)
class ReadyGroup:
    """A judged group that waits for the trainer."""

    summary: GroupSummary
    payload: Any
    """reference to the `JudgedGroup` in the object store; opaque to all but the runtime"""


class GroupQueue:
    """Ready groups by group id."""

    def __init__(self, capacity: int) -> None:
        """Args:
        capacity: groups that may be in the queue.
        """
        self.capacity = capacity
        self._ready: dict[int, ReadyGroup] = {}

    def __len__(self) -> int:
        return len(self._ready)

    def put(self, group: ReadyGroup) -> None:
        """Adds a group; one id enters once."""
        group_id = group.summary.group_id
        assert group_id not in self._ready, f"group {group_id} entered the queue twice"
        assert len(self._ready) < self.capacity, f"the queue is over its capacity of {self.capacity} groups"
        self._ready[group_id] = group

    def first(self, count: int) -> list[ReadyGroup]:
        """The next up to `count` groups: those of the oldest weights first, as they may wait the least, and among them
        in the order of their issue. Those without a token are of no weights, and come last."""
        return sorted(self._ready.values(), key=_urgency)[:count]

    def remove(self, group_ids: Iterable[int]) -> None:
        """Takes groups out."""
        for group_id in group_ids:
            del self._ready[group_id]

    def gauges(self) -> list[Sample]:
        """How much is in it, for the monitor."""
        size = sum(group.summary.payload_bytes for group in self._ready.values())
        return [("groups", float(len(self._ready)), ("ready for the trainer",)), ("queue_bytes", float(size), ())]

    def clear(self) -> None:
        """Takes all groups out."""
        self._ready.clear()


def _urgency(group: ReadyGroup) -> tuple[bool, int, int]:
    summary = group.summary
    return summary.version_min < 0, summary.version_min, summary.group_id
