"""The group queue: judged groups between the verifier workers and the trainer.

It holds references into the object store, never the payloads, and each group's small summary: weight versions,
verdicts, entropy. It is bounded: the configuration check ensures that no more groups are issued than it can hold.
"""

from __future__ import annotations

from collections.abc import Iterable

from seed_grpo.loop.batch import ReadyGroup

Urgency = tuple[bool, int, int]
"""sort key of a group: smaller keys are taken first"""


def urgency(version_min: int, group_id: int) -> Urgency:
    """Sorting key of a ready group: the oldest weights first, since they may wait the least, then the order of issue.

    Args:
        version_min: oldest weight version of a sampled token; -1 where no token was sampled, which comes last.
    """
    return version_min < 0, version_min, group_id


class GroupQueue:
    """Ready groups by group id."""

    def __init__(self, capacity: int) -> None:
        """Begins empty.

        Args:
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

    def all(self) -> list[ReadyGroup]:
        """The ready groups, the most urgent first; see `urgency`."""
        ready = self._ready.values()
        return sorted(ready, key=lambda group: urgency(group.summary.version_min, group.summary.group_id))

    def remove(self, group_ids: Iterable[int]) -> None:
        """Takes groups out."""
        for group_id in group_ids:
            del self._ready[group_id]

    @property
    def payload_bytes(self) -> int:
        """Size of the ready groups in the object store."""
        return sum(group.summary.payload_bytes for group in self._ready.values())

    def clear(self) -> None:
        """Takes all groups out."""
        self._ready.clear()
