"""A reward in a process of its own: whatever it does costs the group that it was called on, and no other."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seed_grpo.config.sections import RewardConfig
from seed_grpo.errors import VerifierError
from seed_grpo.verify.isolation.own_reward import OwnReward
from seed_grpo.verify.rewards import RewardCompletion, RewardFaultError, RewardGroup, RewardProblem

TESTS = Path(__file__).parents[3]
RECORD = {"nested": [{"deep": 2, "list": [1, None, "x"]}], "nothing": None, "unicode": "\ud800"}
PROBLEM = RewardProblem("p", "1+1=", ("2", "two"), "", "main", (("user", "hi \ud800"),), json.dumps(RECORD))


def group(*texts: str) -> RewardGroup:
    completions = [RewardCompletion(text, [1] * 3, "stop", "incorrect", None, "", 0) for text in texts]
    return RewardGroup(PROBLEM, tuple(completions))


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS), prepend=os.pathsep)


@pytest.fixture
def make() -> Iterator[Callable[..., OwnReward]]:
    made: list[OwnReward] = []

    def make(name: str, **settings: Any) -> OwnReward:
        made.append(OwnReward(RewardConfig(use=f"support.own_rewards:{name}", **settings)))
        return made[-1]

    yield make
    for each in made:
        each.close()


def pid_of(reward: OwnReward) -> int:
    return int(reward(group("pid"))[0] or 0)


def group_members(pid: int) -> list[int]:
    """Processes of the process group, those that have ended but for their parent's word not counted."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, process_group = stat.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(process_group) == pid and state != "Z":
            members.append(int(stat.parent.name))
    return members


FAULTS = {
    "hang": (r"took over 0\.5 s; raise its `timeout`", True),
    "killed": (r"ended in a call, status -9 \(killed, as the system does where memory is short\)", True),
    "fork and die": ("took over|status 3", True),  # the child that is left holds the pipe open
    "exit": ("ended in a call, status 4$", True),
    "segfault": ("ended in a call, status -11$", True),
    "unspeakable": ("ended in a call, status 1$", True),
    "allocate": (r"MemoryError: .*\(its `memory_mib` is 512\)", False),
    "raise": ("KeyError: 'own fault'", False),
    "at length": ("ValueError: xxx", False),
    "recurse": ("RecursionError", False),
    "few": (r"returned 1 rewards for 2 completions", False),
    "infinite": ("returned inf for completion 0", False),
    "strings": ("returned str '1' for completion 0", False),
    "nothing": ("returned NoneType None, not a list of 2 numbers", False),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_costs_one_group(make: Callable[..., OwnReward], fault: str) -> None:
    message, is_replaced = FAULTS[fault]
    reward = make("faulty", timeout=0.5, memory_mib=512)
    first = pid_of(reward)
    for _ in range(2):
        with pytest.raises(RewardFaultError, match=message) as raised:
            reward(group(fault, "abc"))
        assert len(str(raised.value)) < 400 and len(raised.value.details) <= 4000
        assert reward(group("a", "abc")) == [1, 3]
    assert (pid_of(reward) != first) is is_replaced
    assert not is_replaced or not group_members(first)


def test_a_traceback_comes_with_what_was_raised(make: Callable[..., OwnReward]) -> None:
    with pytest.raises(RewardFaultError) as raised:
        make("faulty")(group("raise"))
    assert 'own_rewards.py", line' in raised.value.details and "in _raise" in raised.value.details


@pytest.mark.parametrize("harmless", ["close", "print", "errors", "fork"])
def test_what_a_reward_writes_and_starts_is_no_reply(make: Callable[..., OwnReward], harmless: str) -> None:
    reward = make("faulty", timeout=20)
    pid = pid_of(reward)
    for _ in range(2):
        if harmless != "close" or _ == 0:  # a second print to a closed output is an error of the reward's
            assert reward(group(harmless, "abc")) == [len(harmless), 3]
        assert reward(group("a", "abc")) == [1, 3]
    assert pid_of(reward) == pid


def test_children_that_outlive_a_reward_end_with_its_process(make: Callable[..., OwnReward]) -> None:
    reward = make("faulty", timeout=20)
    pid = pid_of(reward)
    reward(group("fork"))
    assert len(group_members(pid)) == 3
    reward.close()
    deadline = time.monotonic() + 5
    while group_members(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert group_members(pid) == []


def test_a_process_that_is_stopped_does_not_hold_up_its_owner(make: Callable[..., OwnReward]) -> None:
    """Nor does it while a group that is larger than a pipe is on its way."""
    reward = make("faulty", timeout=0.5)
    pid = pid_of(reward)
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(RewardFaultError, match=r"took over 0\.5 s"):
        reward(group("x" * 2**20))
    assert time.monotonic() - began < 5
    assert reward(group("a")) == [1]


def test_large_groups_arrive_whole(make: Callable[..., OwnReward]) -> None:
    texts = ["x" * 5_000_000, "\u00e9" * 5_000_000, "\ud800" * 1_000_000]
    assert make("faulty", timeout=60)(group(*texts)) == [5_000_000, 5_000_000, 1_000_000]


def test_state_is_kept_between_groups_and_begins_anew_after_a_death(make: Callable[..., OwnReward]) -> None:
    reward = make("counting")
    assert [reward(group("a"))[0] for _ in range(3)] == [1, 2, 3]
    os.kill(int(reward.pid or 0), signal.SIGKILL)
    with pytest.raises(RewardFaultError, match="status -9"):
        reward(group("a"))
    assert reward(group("a")) == [1]


def test_settings_are_keyword_arguments(make: Callable[..., OwnReward]) -> None:
    assert make("scaled", settings={"factor": 2, "shift": 0.5})(group("a", "abc")) == [2.5, 6.5]


def test_completions_may_be_rewarded_one_by_one(make: Callable[..., OwnReward]) -> None:
    assert make("of_one")(group("a", "abc")) == [1, 3]
    assert make("of_one_with_problem", settings={"weight": 10})(group("a", "abc")) == [12, 32]


def test_async_rewards_of_a_group_are_awaited_together(make: Callable[..., OwnReward]) -> None:
    assert make("slow_of_one", timeout=3)(group(*"abcdefghij")) == [1] * 10  # 5 s one after the other


def test_an_async_reward_keeps_its_loop(make: Callable[..., OwnReward]) -> None:
    reward = make("of_group")
    assert [reward(group("a")) for _ in range(2)] == [[1], [1]]


def test_texts_and_nested_columns_arrive_as_they_are(make: Callable[..., OwnReward]) -> None:
    assert make("record_of")(group("a", "\ud83d", "c")) == [2, None, 1]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("wrong_name", {}, "its parameters are samples; the first is to be named `group`"),
        ("of_nothing", {}, "its parameters are none"),
        ("NOT_CALLABLE", {}, "its parameters are none"),
        ("scaled", {}, "missing a required argument: 'factor'"),
        ("scaled", {"factor": 1, "shfit": 2}, "unexpected keyword argument 'shfit'"),
        ("scaled", {"group": 1, "factor": 1}, "its parameters are group, factor"),
        ("wants_more", {}, "missing a required argument: 'reference'"),
        ("absent", {}, "support.own_rewards has no 'absent'"),
    ],
)
def test_a_wrong_signature_is_told_as_it_starts(
    make: Callable[..., OwnReward], name: str, settings: dict[str, Any], message: str
) -> None:
    reward = make(name, settings=settings)
    with pytest.raises(VerifierError, match=message) as raised:
        reward.wait_ready()
    assert str(raised.value).count("support.own_rewards:") == 1


def test_a_reward_that_cannot_be_imported_again_costs_groups_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "once.py").write_text(
        "import os, pathlib\nmark = pathlib.Path(__file__).parent / 'mark'\nmark.touch(exist_ok=False)\n"
        "def die(group):\n    os._exit(1)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    reward = OwnReward(RewardConfig(use="once:die"))
    reward.wait_ready()
    with pytest.raises(RewardFaultError, match="ended in a call, status 1"):
        reward(group("a"))
    for _ in range(2):
        with pytest.raises(RewardFaultError, match="importing once failed with FileExistsError"):
            reward(group("a"))
    reward.close()
