"""`check_reward` passes rewards that keep the contract, and says of others what does not hold."""

import asyncio
import re
import statistics
from collections.abc import Callable
from typing import Any

import pytest

from seed_grpo.testing import check_reward


def graded(completion: Any, problem: Any, *, bonus: float = 0.5) -> float:
    return (completion.verdict == "correct") * (1.0 + bonus * len(problem.answers))


def reading(completion: Any, problem: Any) -> float:
    return problem.record["level"] * len(completion.token_ids)


async def awaited(group: Any) -> list[float]:
    await asyncio.sleep(0)
    return [float(len(completion.token_ids)) for completion in group.completions]


def test_sound_rewards_pass() -> None:
    check_reward("length", {"target": 4})
    check_reward(graded, {"bonus": 0.25})
    check_reward(reading, record={"level": 3})
    check_reward(awaited)
    check_reward(lambda completion: float(completion.verdict == "correct"))


def test_an_async_reward_passes_where_an_event_loop_is_running() -> None:
    async def notebook() -> None:
        check_reward(awaited)

    asyncio.run(notebook())


def one_too_few(group: Any) -> list[float]:
    return [1.0] * (len(group.completions) - 1)


def infinite(group: Any) -> list[float]:
    return [float("inf")] * len(group.completions)


def raising(completion: Any) -> float:
    return 1 / len(completion.token_ids)


def alike(group: Any) -> list[float]:
    return [0.5] * len(group.completions)


def by_place(group: Any) -> list[float]:
    return [float(place) for place in range(len(group.completions))]


def standardised(group: Any) -> list[float]:
    lengths = [len(completion.token_ids) for completion in group.completions]
    return [(length - statistics.mean(lengths)) / statistics.stdev(lengths) for length in lengths]


def misnamed(answers: Any) -> list[float]:
    return []


class Forgetful:
    """Gives something else each time it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, completion: Any) -> float:
        self.asked += 1
        return float(self.asked)


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        (one_too_few, r"one_too_few failed on a group of 30 completions: ValueError: returned 29 rewards for 30"),
        (infinite, "returned inf for completion 0; return a number within"),
        (raising, "raising failed on a group of 30 completions: ZeroDivisionError.*a number, or None where"),
        (alike, "alike gives all 30 completions 0.5, .* without a difference within a group it trains nothing"),
        # the order puts completion 27 first: a reward by place gives it 0 there
        (
            by_place,
            r"by_place gives completion \d+ \d+.0, and 0.0 when the completions of the group are in another order",
        ),
        (Forgetful(), "or are asked about again; let it depend on the group alone"),
        (standardised, "failed on a group of one, correct, 0 tokens, '': StatisticsError: stdev requires at least two"),
        (misnamed, "its parameters are answers; the first is to be named `group`"),
        (lambda group, target: [], "missing a required argument: 'target'"),
        ("no_such_module:reward", "there is no module 'no_such_module'"),
        (reading, "KeyError: 'level'"),
    ],
    ids=lambda value: getattr(value, "__name__", "") if callable(value) else value if ":" in value else "",
)
def test_a_broken_reward_is_told_by_what_it_did(reward: str | Callable[..., Any], message: str) -> None:
    with pytest.raises(AssertionError) as raised:
        check_reward(reward)
    assert re.search(message, " ".join(str(raised.value).split())), raised.value
