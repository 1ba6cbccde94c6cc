"""The group queue and the ledger: invariant 1 (exactly once) in its smallest form."""

import pytest

from group_summary import two_answers
from seed_grpo.data.ledger import GroupState, Ledger
from seed_grpo.runtime.queue import GroupQueue, ReadyGroup


def ready(group_id: int) -> ReadyGroup:
    return ReadyGroup(two_answers(group_id), payload=f"reference {group_id}")


def test_groups_leave_in_the_order_of_their_issue_whatever_order_they_came_in() -> None:
    queue = GroupQueue(capacity=4)
    for group_id in (7, 3, 5):
        queue.put(ready(group_id))
    assert [group.summary.group_id for group in queue.take(2)] == [3, 5]
    assert [group.summary.group_id for group in queue.take(2)] == [7]
    assert len(queue) == 0


def test_a_group_enters_once_and_capacity_holds() -> None:
    queue = GroupQueue(capacity=1)
    queue.put(ready(0))
    with pytest.raises(AssertionError, match="entered the queue twice"):
        queue.put(ready(0))
    with pytest.raises(AssertionError, match="over its capacity of 1"):
        queue.put(ready(1))


def test_the_life_of_a_group() -> None:
    ledger = Ledger()
    first, second = ledger.issue(), ledger.issue()
    ledger.ready(first)
    ledger.train(first)
    ledger.drop(second, "fewer than 2 valid completions")
    ledger.check()
    assert (ledger.trained, ledger.dropped, ledger.open) == (1, {"fewer than 2 valid completions": 1}, {})


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda ledger: ledger.train(ledger.issue()), "is pending, not ready"),
        (lambda ledger: ledger.ready(99), "group 99 is not open, not pending"),
        (lambda ledger: ledger.drop(99, "x"), "group 99 is dropped"),
    ],
)
def test_a_transition_that_must_not_be(broken, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        broken(Ledger())


def test_a_group_is_trained_once() -> None:
    ledger = Ledger()
    group_id = ledger.issue()
    ledger.ready(group_id)
    ledger.train(group_id)
    with pytest.raises(AssertionError, match="not open"):
        ledger.train(group_id)


def test_a_lost_group_is_noticed() -> None:
    ledger = Ledger()
    del ledger.open[ledger.issue()]
    with pytest.raises(AssertionError, match="1 groups were issued, but 0 trained"):
        ledger.check()


def test_state_restores_open_groups_and_the_next_id() -> None:
    ledger = Ledger()
    ledger.issue()
    ledger.ready(ledger.issue())
    other = Ledger()
    other.restore(ledger.state())
    assert other.open == {0: GroupState.PENDING, 1: GroupState.READY}
    assert other.issue() == 2
