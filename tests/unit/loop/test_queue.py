"""The group queue: order, capacity, and no group twice."""

import pytest

from seed_grpo.loop.batch import ReadyGroup
from seed_grpo.loop.queue import GroupQueue
from support.group_summary import two_answers


def ready(group_id: int, version: int = 0) -> ReadyGroup:
    return ReadyGroup(two_answers(group_id, version_min=version, version_max=9), payload=f"reference {group_id}")


def ids(groups: list[ReadyGroup]) -> list[int]:
    return [group.summary.group_id for group in groups]


def test_groups_leave_in_order_of_issue_whatever_order_they_came_in() -> None:
    queue = GroupQueue(capacity=4)
    for group_id in (7, 3, 5):
        queue.put(ready(group_id))
    assert ids(queue.all()) == [3, 5, 7]
    assert ids(queue.all()) == [3, 5, 7] and len(queue) == 3  # looking takes nothing out
    queue.remove([3, 5])
    assert ids(queue.all()) == [7] and len(queue) == 1
    queue.remove([7])
    assert len(queue) == 0


def test_those_of_older_weights_leave_first() -> None:
    """Group 2 was sampled anew, under later weights; it may wait longer than 3 and 4."""
    queue = GroupQueue(capacity=5)
    for group_id, version in ((2, 6), (4, 5), (0, -1), (3, 5), (1, 4)):
        queue.put(ready(group_id, version))
    # in the order of issue alone 2 would come before 3; 0 has no token that could get too old
    assert ids(queue.all()) == [1, 3, 4, 2, 0]


def test_a_group_enters_once_and_capacity_holds() -> None:
    queue = GroupQueue(capacity=1)
    queue.put(ready(0))
    with pytest.raises(AssertionError, match="entered the queue twice"):
        queue.put(ready(0))
    with pytest.raises(AssertionError, match="over its capacity of 1"):
        queue.put(ready(1))
    queue.remove([0])
    queue.put(ready(0))  # it may come again, where it was taken out to be sampled anew
    queue.clear()
    assert len(queue) == 0 and queue.all() == []


def test_what_is_not_in_the_queue_cannot_be_taken_out() -> None:
    with pytest.raises(KeyError):
        GroupQueue(capacity=1).remove([0])
