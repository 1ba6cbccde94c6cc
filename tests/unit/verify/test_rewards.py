"""Rewards of one group: the built-in ones by hand, and what counts as the numbers of a group."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from seed_grpo.config.sections import REWARD_NAMES
from seed_grpo.errors import ConfigError
from seed_grpo.verify.rewards import (
    MOST,
    REWARDS,
    RewardCompletion,
    RewardGroup,
    RewardProblem,
    agreement,
    check_settings,
    correct,
    length,
    majority,
    numbers_of,
    truncated,
    well_formed,
)

PROBLEM = RewardProblem("p", "1+1=", ("2",), "test", "", (("user", "1+1="),), '{"n": {"a": [1, null]}, "x": NaN}')


def completion(
    text: str = "", tokens: int = 1, finish: str = "stop", verdict: str = "correct", meaning_class: int = 0
) -> RewardCompletion:
    answer = None if verdict == "no_answer" else "2"
    return RewardCompletion(text, range(tokens), finish, verdict, answer, answer or "", meaning_class)


def group(*completions: RewardCompletion) -> RewardGroup:
    return RewardGroup(PROBLEM, completions)


def in_classes(*classes: int) -> RewardGroup:
    """Completions by meaning class: -1 outside the partition, 9 the class of those without an answer."""
    verdicts = {-1: "timed_out", 9: "no_answer"}
    return group(*(completion(verdict=verdicts.get(c, "incorrect"), meaning_class=c) for c in classes))


def test_every_built_in_reward_can_be_configured() -> None:
    assert set(REWARD_NAMES.names) == set(REWARDS)


def test_correct_is_the_verdict_and_none_where_nothing_was_judged() -> None:
    verdicts = ["correct", "incorrect", "no_answer", "timed_out", "verifier_error"]
    assert correct(group(*(completion(verdict=verdict) for verdict in verdicts))) == [1, 0, 0, None, None]


@pytest.mark.parametrize(
    ("text", "marks", "reward"),
    [
        (r"so \boxed{2}", ["box"], 1),
        ("so 2", ["box"], 0),
        (r"so \boxed{2", ["box"], 0),  # cut off
        ("<answer>2</answer>", ["answer_tag"], 1),
        ("<answer>2", ["answer_tag"], 0),
        (r"<answer>2</answer> \boxed{2}", ["box", "answer_tag"], 1),
        (r"\boxed{2}", ["box", "answer_tag"], 0),  # all marks, not any
        ("<think>so</think> 2", ["think"], 1),
        ("so</think> 2", ["think"], 1),  # the prompt opened it
        ("</think><think> 2", ["think"], 0),
        ("<think>so</think>", ["think"], 0),  # nothing behind
        ("<think>so</think>  \n", ["think"], 0),
        ("<think>a</think><think>b</think> 2", ["think"], 0),
        ("a <think>so</think> 2", ["think"], 0),
        ("2", ["think"], 0),
        ("", ["box"], 0),
    ],
)
def test_format_asks_for_all_marks(text: str, marks: Sequence[str], reward: float) -> None:
    assert well_formed(group(completion(text)), marks) == [reward]


# 1 - |T - 4| / 4 for T = 0, 2, 4, 5, 8, 100
def test_length_is_one_at_the_target_and_falls_to_both_sides() -> None:
    lengths = [0, 2, 4, 5, 8, 100]
    assert length(group(*(completion(tokens=n) for n in lengths)), target=4) == [0, 0.5, 1, 0.75, 0, 0]


def test_truncated_is_the_token_limit_alone() -> None:
    finishes = ["stop", "length", "timeout"]
    assert truncated(group(*(completion(finish=finish) for finish in finishes))) == [0, 1, 0]


# n counts all in the partition: three of class 0, one of class 1, one without an answer; the one outside does not count
AGREEING = {
    (0, 0, 1, 0, 9, -1): ([3 / 5, 3 / 5, 1 / 5, 3 / 5, 0, 0], [1, 1, 0, 1, 0, 0]),
    (0, 1, 0, 1): ([0.5] * 4, [1] * 4),  # equal classes all count
    (0, 1, 2): ([1 / 3] * 3, [1] * 3),
    (0, 0): ([1, 1], [1, 1]),
    (9, 9, 9, 0): ([0, 0, 0, 0.25], [0, 0, 0, 1]),  # the class of no answer is no majority
    (9, 9): ([0, 0], [0, 0]),
    (-1, -1): ([0, 0], [0, 0]),
    (): ([], []),
}


@pytest.mark.parametrize(("classes", "expected"), AGREEING.items(), ids=str)
def test_agreement_and_majority_by_hand(classes: tuple[int, ...], expected: tuple[list, list]) -> None:
    assert agreement(in_classes(*classes)) == pytest.approx(expected[0])
    assert majority(in_classes(*classes)) == expected[1]


def test_agreement_and_majority_do_not_depend_on_the_order() -> None:
    classes = (0, 0, 1, 9, -1)
    shares = dict(zip(classes, agreement(in_classes(*classes)), strict=True))
    chosen = dict(zip(classes, majority(in_classes(*classes)), strict=True))
    for order in itertools.permutations(classes):
        assert agreement(in_classes(*order)) == [shares[c] for c in order]
        assert majority(in_classes(*order)) == [chosen[c] for c in order]


@pytest.mark.parametrize(
    ("use", "settings", "message"),
    [
        ("length", {}, "missing 1 required positional argument: 'target'"),
        ("length", {"target": 0}, "target=0"),
        ("length", {"target": "long"}, "do not fit"),
        ("length", {"target": 4, "tarjet": 5}, "unexpected keyword argument 'tarjet'"),
        ("format", {"marks": ["boxes"]}, "are to be some of box, answer_tag, think"),
        ("format", {"marks": []}, "are to be some of"),
        ("correct", {"weight": 1}, "unexpected keyword argument 'weight'"),
    ],
)
def test_settings_of_built_in_rewards_are_checked(use: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_settings(use, settings)


def test_settings_that_fit_pass() -> None:
    needed: dict[str, dict[str, Any]] = {"length": {"target": 4}}
    for use in REWARDS:
        check_settings(use, needed.get(use, {}))


class FloatOfItsOwn:
    def __float__(self) -> float:
        return 0.25


@pytest.mark.parametrize(
    "rewards",
    [
        [0.5, None],
        (0.5, None),
        [Decimal("0.5"), None],
        [Fraction(1, 2), None],
        [np.float32(0.5), None],
        [np.array(0.5), None],
        [torch.tensor(0.5), None],
        [torch.tensor(0.5, requires_grad=True), None],
        np.array([0.5, None]),
        {1: 0.5, 2: None}.values(),
    ],
    ids=repr,
)
def test_numbers_of_many_kinds_are_taken(rewards: Any) -> None:
    numbers = numbers_of(rewards, 2)
    assert numbers == [0.5, None] and type(numbers[0]) is float


@pytest.mark.parametrize(
    "rewards",
    [[True, False], np.array([1, 0]), torch.tensor([1.0, 0.0]), np.array([[1], [0]]), range(1, -1, -1)],
    ids=repr,
)
def test_arrays_and_truth_values_are_numbers(rewards: Any) -> None:
    assert numbers_of(rewards, 2) == [1.0, 0.0]


def test_an_object_may_know_its_number() -> None:
    assert numbers_of([FloatOfItsOwn()], 1) == [0.25]


@pytest.mark.parametrize(
    ("rewards", "error", "message"),
    [
        ([1.0], ValueError, "1 rewards for 2 completions"),
        ([1.0] * 3, ValueError, "3 rewards for 2 completions"),
        ([], ValueError, "0 rewards for 2 completions"),
        (["1", 0.0], TypeError, "str '1' for completion 0"),
        ([0.0, b"1"], TypeError, "bytes b'1' for completion 1"),
        ([math.nan, 0], ValueError, "nan for completion 0"),
        ([0, math.inf], ValueError, "inf for completion 1"),
        ([0, -math.inf], ValueError, "-inf for completion 1"),
        ([0, 10**400], ValueError, "inf for completion 1"),
        ([0, 1e39], ValueError, r"1e\+39 for completion 1; return a number within"),  # inf in float32
        ([0, np.nan], ValueError, "nan for completion 1"),
        ([torch.tensor(math.nan), 0], ValueError, "nan for completion 0"),
        ([[1.0, 2.0], [3.0, 4.0]], TypeError, "list .* for completion 0"),
        (np.ones((2, 2)), TypeError, "ndarray .* for completion 0"),
        (torch.ones(2, 2), TypeError, "Tensor .* for completion 0"),
        ([1j, 0], TypeError, "complex 1j for completion 0"),
        ([0, {}], TypeError, "dict {} for completion 1"),
        (None, TypeError, "NoneType None, not a list of 2 numbers"),
        (0.5, TypeError, "float 0.5, not a list"),
        ("10", TypeError, "str '10', not a list"),
        (b"10", TypeError, "bytes b'10', not a list"),
        ({0: 1.0, 1: 0.0}, TypeError, "dict .*, not a list"),
        ({0.5, 1.0}, TypeError, "set .*, not a list"),  # in no order
        ((x for x in (1.0, 0.0)), TypeError, "generator .*, not a list"),
        (np.array(0.5), TypeError, "ndarray .*, not a list"),
        (torch.tensor(0.5), TypeError, "Tensor .*, not a list"),
    ],
    ids=lambda value: "generator" if isinstance(value, Iterator) else repr(value),
)
def test_what_are_no_numbers_is_refused(rewards: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        numbers_of(rewards, 2)
    assert len(str(raised.value)) < 300


def test_the_largest_numbers_are_taken() -> None:
    assert numbers_of([MOST, -MOST], 2) == [1e9, -1e9]


def test_a_group_goes_through_json_unchanged() -> None:
    texts = ["\ud800 lone", "\x00\n\u2028", '"}{', "x" * 10_000]
    completions = [completion(text, tokens=3, meaning_class=number) for number, text in enumerate(texts)]
    before = group(*completions)
    after = RewardGroup.from_json(json.loads(json.dumps(before.as_json())))
    assert replace(after.problem, record_json=PROBLEM.record_json) == PROBLEM
    assert after.problem.record == {"n": {"a": [1, None]}, "x": None}  # NaN is no JSON
    assert [each.text for each in after.completions] == texts
    assert [list(each.token_ids) for each in after.completions] == [[0, 1, 2]] * 4
    assert [each.meaning_class for each in after.completions] == [0, 1, 2, 3]
