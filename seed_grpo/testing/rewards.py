"""The contract of a reward: one finite number a completion, or None, whatever the group is and in whatever order."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from seed_grpo.messages import FinishReason, Verdict
from seed_grpo.testing.parts import Part, function_of, name_of
from seed_grpo.verify.isolation.own_reward_main import of_groups
from seed_grpo.verify.rewards import REWARDS, RewardCompletion, RewardGroup, RewardProblem, numbers_of

TEXTS = ("", " ", r"\boxed{2}", "<think>a</think> b", "\ud800", "x" * 10_000)
"""texts of completions that a policy may write"""


def check_reward(
    reward: Part, settings: Mapping[str, Any] | None = None, record: Mapping[str, Any] | None = None
) -> None:
    """Checks a reward on a made-up group of 30 completions: one of every verdict and text, of 0 to 6 tokens.

    It gives each a finite number or None; the same whatever the order of the completions, and when asked again; it
    takes a group of one; and it tells some completions of the group from others. A function of the user's own gets the
    group as a run sends it to the reward's process, through JSON; here it is called in this process.

    Args:
        reward: function of a `group`, or of a `completion` and perhaps the `problem`, async or not; its import path; or
            a built-in name.
        settings: keyword arguments, as `verifier.rewards[].settings`.
        record: columns of the problem's record that the reward reads.

    Raises:
        AssertionError: says what the reward did, and what to return.
    """
    name, settings = name_of(reward), dict(settings or {})
    function = _of_groups(reward, name, settings)
    problem = RewardProblem("p", "1+1=", ("2",), "", "", (), json.dumps(dict(record or {})))
    made = made_up_completions()

    def rewards_of(completions: Sequence[RewardCompletion]) -> list[float | None]:
        return _rewards(function, name, RewardGroup(problem, tuple(completions)))

    rewards = rewards_of(made)
    assert len({value for value in rewards if value is not None}) > 1, (
        f"the reward {name} gives all {len(made)} completions {rewards[0]}, right and wrong, long and short; without a "
        "difference within a group it trains nothing. If it reads the problem's record, give one in `record`"
    )
    order = random.Random(0).sample(range(len(made)), len(made))
    permuted = rewards_of([made[place] for place in order])
    for place, value in zip(order, permuted, strict=True):
        assert value == rewards[place], (
            f"the reward {name} gives completion {place} {rewards[place]}, and {value} when the completions of the "
            "group are in another order, or are asked about again; let it depend on the group alone"
        )
    for completion in made:
        rewards_of([completion])


def made_up_completions() -> list[RewardCompletion]:
    """One of every verdict and text, of many ends, lengths, answers and meaning classes."""
    ends = itertools.cycle(FinishReason)
    made = []
    for number, (verdict, text) in enumerate(itertools.product(Verdict, TEXTS)):
        meaning_class = number % 3 if verdict.is_valid else -1
        answer = None if verdict is Verdict.NO_ANSWER else "2"
        made.append(RewardCompletion(text, range(number % 7), next(ends), verdict, answer, answer or "", meaning_class))
    return made


def _of_groups(reward: Part, name: str, settings: Mapping[str, Any]) -> Callable[[RewardGroup], Any]:
    """The reward of whole groups; one of the user's own gets what its process would read."""
    if isinstance(reward, str) and reward in REWARDS:
        return lambda group: REWARDS[reward](group, **settings)
    try:
        function = of_groups(name, function_of(reward), settings)
    except (TypeError, ValueError) as error:
        raise AssertionError(str(error)) from error
    return lambda group: function(RewardGroup.from_json(json.loads(json.dumps(group.as_json()))))


def _rewards(function: Callable[[RewardGroup], Any], name: str, group: RewardGroup) -> list[float | None]:
    try:
        return numbers_of(_call(function, group), len(group.completions))
    except Exception as error:  # whatever the user's code raises
        raise AssertionError(
            f"the reward {name} failed on {_described(group)}: {type(error).__name__}: {error}; it gets whatever a "
            "policy writes, so return a number, or None where a completion has no reward"
        ) from error


def _call(function: Callable[[RewardGroup], Any], group: RewardGroup) -> Any:
    """Calls the reward; in a thread where an event loop is running, as in a notebook: an async one needs its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return function(group)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function, group).result()


def _described(group: RewardGroup) -> str:
    if len(group.completions) > 1:
        return f"a group of {len(group.completions)} completions"
    (completion,) = group.completions
    return f"a group of one, {completion.verdict}, {len(completion.token_ids)} tokens, {completion.text!r:.60}"
