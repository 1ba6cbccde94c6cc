"""The ledger: what became of every prompt group issued (invariant 1: trained once, or dropped with a reason).

It also counts the group ids, so that a resumed run goes on with the next one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

TOO_FEW_VALID = "fewer than 2 valid completions"
STALE = "sampled by older weights"
REPLACED = "all right or all wrong, and replaced by dynamic sampling"
NOT_FINITE = "the update's loss or gradient was not finite"


class GroupState(StrEnum):
    """The states of an open group; it closes by being trained or dropped."""

    PENDING = "pending"  # issued to the rollout pool
    READY = "ready"  # judged, in the queue


class Ledger:
    """Open groups by id, and counts of the closed ones. A transition that must not be is an assertion."""

    def __init__(self) -> None:
        self.next_group_id = 0
        self.open: dict[int, GroupState] = {}
        self.trained = 0
        self.dropped: dict[str, int] = {}
        """count by reason"""

    def issue(self) -> int:
        """The id of a new group, now pending."""
        group_id = self.next_group_id
        self.next_group_id += 1
        self.open[group_id] = GroupState.PENDING
        return group_id

    def ready(self, group_id: int) -> None:
        """A group came back judged."""
        self._expect(group_id, GroupState.PENDING)
        self.open[group_id] = GroupState.READY

    def train(self, group_id: int) -> None:
        """A group went into an optimiser step."""
        self._expect(group_id, GroupState.READY)
        del self.open[group_id]
        self.trained += 1

    def drop(self, group_id: int, reason: str) -> None:
        """A group is given up."""
        assert group_id in self.open, f"group {group_id} is dropped ({reason}) but is not open"
        del self.open[group_id]
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def check(self) -> None:
        """Asserts that every group issued is open, trained or dropped."""
        closed = self.trained + sum(self.dropped.values())
        assert closed + len(self.open) == self.next_group_id, (
            f"{self.next_group_id} groups were issued, but {self.trained} trained, {self.dropped} dropped, "
            f"{len(self.open)} open"
        )

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        self.check()
        return {
            "next_group_id": self.next_group_id,
            "open": {str(group_id): state.value for group_id, state in self.open.items()},
            "trained": self.trained,
            "dropped": dict(self.dropped),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up what `state` gave."""
        self.next_group_id = state["next_group_id"]
        self.open = {int(group_id): GroupState(value) for group_id, value in state["open"].items()}
        self.trained = state["trained"]
        self.dropped = dict(state["dropped"])
        self.check()

    def _expect(self, group_id: int, wanted: GroupState) -> None:
        found = self.open.get(group_id)
        assert found is wanted, f"group {group_id} is {found or 'not open'}, not {wanted}"
