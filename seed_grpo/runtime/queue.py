"""The group queue: judged groups between the verifier workers and the trainer.

It holds references into the object store, never the payloads, and of each group the small summary: weight versions,
verdicts, entropy. It is bounded: a round of a step issues no more groups than it holds, which the configuration checks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seed_grpo.messages import GroupSummary


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

    def take(self, count: int) -> list[ReadyGroup]:
        """Removes and returns up to `count` groups in the order of their issue, whatever order they came in."""
        return [self._ready.pop(group_id) for group_id in sorted(self._ready)[:count]]
