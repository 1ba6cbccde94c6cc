"""The ledger: the outcome of every prompt group issued (invariant 1: trained once, or dropped with a reason).

A group is pending, running, ready, and closes by being trained or dropped. The ledger also counts the group ids, so
that a resumed run goes on with the next one, and holds the tasks of open groups, so that they can be issued again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from seed_grpo.messages import GroupTask

TOO_FEW_VALID = "fewer than 2 valid completions"
STALE = "sampled by older weights"
REPLACED = "all right or all wrong, and replaced by dynamic sampling"
NOT_FINITE = "the update's loss or gradient was not finite"
LOST = "workers failed on it again and again"
UNREWARDED = "for want of rewards no group of its round could be trained on"


class GroupState(StrEnum):
    """The states of an open group; it closes by being trained or dropped."""

    PENDING = "pending"  # issued, with no worker
    RUNNING = "running"  # with a worker
    READY = "ready"  # judged, in the queue


@dataclass
class OpenGroup:
    """A group that is neither trained nor dropped."""

    task: GroupTask
    state: GroupState
    version: int
    """weight version of the policy when a worker got the group; nothing of it is older"""


class Ledger:
    """Open groups by id, and counts of the closed ones. A forbidden transition fails an assertion."""

    def __init__(self) -> None:
        self.next_group_id = 0
        self.open: dict[int, OpenGroup] = {}
        self.trained = 0
        self.dropped: dict[str, int] = {}
        """number of dropped groups by reason"""

    def issue(self, task: GroupTask, version: int) -> None:
        """Adds a new group as pending; its id is the next."""
        assert task.group_id == self.next_group_id, f"group {task.group_id} was issued, not {self.next_group_id}"
        self.next_group_id += 1
        self.open[task.group_id] = OpenGroup(task, GroupState.PENDING, version)

    def run(self, group_id: int, version: int) -> None:
        """Marks a group as running on a worker. It may be another worker than before, which starts the group anew."""
        self._expect(group_id, GroupState.PENDING, GroupState.RUNNING)
        self.open[group_id] = OpenGroup(self.open[group_id].task, GroupState.RUNNING, version)

    def ready(self, group_id: int) -> None:
        """Marks a group as judged."""
        self._expect(group_id, GroupState.RUNNING)
        self.open[group_id].state = GroupState.READY

    def reissue(self, group_id: int, version: int) -> GroupTask:
        """Marks a ready group as pending again, since its payload was lost."""
        self._expect(group_id, GroupState.READY)
        self.open[group_id] = OpenGroup(self.open[group_id].task, GroupState.PENDING, version)
        return self.open[group_id].task

    def train(self, group_id: int) -> None:
        """Closes a group that went into an optimiser step."""
        self._expect(group_id, GroupState.READY)
        del self.open[group_id]
        self.trained += 1

    def drop(self, group_id: int, reason: str) -> None:
        """Closes a group that is given up."""
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

    def unfinished(self) -> list[GroupTask]:
        """The tasks of the groups that are pending or running, in the order of their issue."""
        return [self.open[i].task for i in sorted(self.open) if self.open[i].state is not GroupState.READY]

    def unfinished_versions(self) -> list[int]:
        """Oldest weight versions that the groups not yet ready may contain."""
        return [group.version for group in self.open.values() if group.state is not GroupState.READY]

    def state(self) -> dict[str, Any]:
        """The ledger for a checkpoint, without the tasks of the open groups."""
        self.check()
        return {
            "next_group_id": self.next_group_id,
            "open": {str(group_id): group.state.value for group_id, group in sorted(self.open.items())},
            "trained": self.trained,
            "dropped": dict(self.dropped),
        }

    def restore(self, state: dict[str, Any], tasks: Iterable[GroupTask], version: int) -> None:
        """Takes up what `state` gave; running groups are pending again.

        Args:
            tasks: of all open groups.
            version: of the policy now.
        """
        self.next_group_id = state["next_group_id"]
        ready = {int(i) for i, name in state["open"].items() if name == GroupState.READY}
        self.open = {
            task.group_id: OpenGroup(task, GroupState.READY if task.group_id in ready else GroupState.PENDING, version)
            for task in tasks
        }
        self.trained = state["trained"]
        self.dropped = dict(state["dropped"])
        self.check()

    def _expect(self, group_id: int, *wanted: GroupState) -> None:
        found = self.open.get(group_id)
        state = None if found is None else found.state
        assert state in wanted, f"group {group_id} is {state or 'not open'}, not {' or '.join(wanted)}"
