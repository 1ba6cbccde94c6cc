"""The ledger: invariant 1 (exactly once) in its smallest form."""

import json
from collections.abc import Callable

import pytest

from seed_grpo.loop.ledger import GroupState, Ledger, OpenGroup
from seed_grpo.messages import GroupTask, Problem, Sampling


def task(group_id: int) -> GroupTask:
    return GroupTask(group_id, Problem(f"p{group_id}", "?", ("1",)), (1, 2), Sampling(2, 1.0, 1.0, 8, group_id))


def ledger_of(count: int, version: int = 0) -> Ledger:
    """So many groups were issued."""
    ledger = Ledger()
    for group_id in range(count):
        ledger.issue(task(group_id), version)
    return ledger


def test_the_life_of_a_group() -> None:
    ledger = ledger_of(2)
    assert ledger.open[0].state is GroupState.PENDING
    ledger.run(0, 0)
    assert ledger.open[0].state is GroupState.RUNNING
    ledger.ready(0)
    ledger.train(0)
    ledger.drop(1, "fewer than 2 valid completions")
    ledger.check()
    assert (ledger.trained, ledger.dropped, ledger.open) == (1, {"fewer than 2 valid completions": 1}, {})


def test_a_group_that_another_worker_gets_is_of_the_weights_of_then() -> None:
    ledger = ledger_of(2, version=3)
    ledger.run(0, 3)
    ledger.run(1, 3)
    ledger.run(0, 5)  # its worker was lost
    assert [ledger.open[0].version, ledger.open[1].version] == [5, 3]
    assert ledger.unfinished_versions() == [5, 3]
    ledger.ready(1)
    assert ledger.unfinished_versions() == [5]  # a group that is ready waits for nothing
    ledger.ready(0)
    assert ledger.unfinished_versions() == []


def test_a_group_whose_payload_was_lost_is_issued_again_unchanged() -> None:
    ledger = ledger_of(1)
    ledger.run(0, 0)
    ledger.ready(0)
    assert ledger.reissue(0, 4) == task(0)
    assert ledger.open[0] == OpenGroup(task(0), GroupState.PENDING, 4)
    assert ledger.unfinished() == [task(0)] and ledger.next_group_id == 1
    ledger.check()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda ledger: ledger.train(0), "group 0 is pending, not ready"),
        (lambda ledger: ledger.ready(0), "group 0 is pending, not running"),
        (lambda ledger: ledger.reissue(0, 1), "group 0 is pending, not ready"),
        (lambda ledger: ledger.ready(99), "group 99 is not open, not running"),
        (lambda ledger: ledger.run(99, 0), "group 99 is not open, not pending or running"),
        (lambda ledger: ledger.drop(99, "x"), "group 99 is dropped"),
        (lambda ledger: ledger.issue(task(0), 0), "group 0 was issued, not 1"),
        (lambda ledger: ledger.issue(task(2), 0), "group 2 was issued, not 1"),
    ],
)
def test_a_transition_that_must_not_be(broken: Callable[[Ledger], None], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        broken(ledger_of(1))


def test_a_group_is_trained_once() -> None:
    ledger = ledger_of(1)
    ledger.run(0, 0)
    ledger.ready(0)
    with pytest.raises(AssertionError, match="group 0 is ready, not pending or running"):
        ledger.run(0, 1)  # a late worker would give it a version that nothing of it has
    ledger.train(0)
    for again in (ledger.train, ledger.ready):
        with pytest.raises(AssertionError, match="not open"):
            again(0)


def test_a_lost_group_is_noticed() -> None:
    ledger = ledger_of(1)
    del ledger.open[0]
    with pytest.raises(AssertionError, match="1 groups were issued, but 0 trained"):
        ledger.check()


def test_state_restores_open_groups_and_the_next_id() -> None:
    ledger = ledger_of(5)
    for group_id in (1, 2, 3):
        ledger.run(group_id, 1)
    ledger.ready(1)
    ledger.ready(3)
    ledger.train(3)
    ledger.drop(4, "x")
    other = Ledger()
    other.restore(json.loads(json.dumps(ledger.state())), [task(2), task(0), task(1)], version=7)
    assert other.open == {
        0: OpenGroup(task(0), GroupState.PENDING, 7),
        1: OpenGroup(task(1), GroupState.READY, 7),
        2: OpenGroup(task(2), GroupState.PENDING, 7),  # it was running: its worker is of the run before
    }
    assert other.unfinished() == [task(0), task(2)]
    assert (other.trained, other.dropped) == (1, {"x": 1})
    other.issue(task(5), 7)


def test_a_state_without_the_task_of_an_open_group_is_refused() -> None:
    with pytest.raises(AssertionError, match=r"2 groups were issued, .* 1 open"):
        Ledger().restore(ledger_of(2).state(), [task(0)], version=0)
