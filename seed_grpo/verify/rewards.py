"""Rewards: from a judged group to one number a completion.

Consumes a `RewardGroup`, which is all that is known of a group once it is judged and partitioned; produces for each
completion a number, or None where a reward is not valid. A reward is a function of the group and of keyword settings;
a further built-in one is one entry of `REWARDS`, and its name in `config.sections`. It neither judges nor scales.

A function of the user's own is named by an import path. Its first parameter is named `group`, and it returns a list of
G numbers; or `completion`, and it returns one number for each, with the `problem` where it takes a second. It runs in a
process of its own: see `isolation.own_reward`.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from seed_grpo.errors import ConfigError, SeedGrpoError
from seed_grpo.messages import FinishReason, Verdict
from seed_grpo.verify.extract import answer_tag, boxed

SHOWN_CHARS = 200
"""characters of a value that is no reward, in a message"""
TRACEBACK_CHARS = 4000
"""characters of a traceback that are kept, the last ones"""
MOST = 1e9
"""size of a reward at most; a number beyond it is a slip, and the sum of all rewards has to fit float32"""


@dataclass(frozen=True)
class RewardProblem:
    """The problem of a group."""

    id: str
    text: str
    answers: tuple[str, ...]
    """reference answers"""
    source: str
    dataset: str
    """name of the data set in the configuration"""
    turns: tuple[tuple[str, str], ...]
    """(role, content) of the conversation, where the record holds one"""
    record_json: str

    @cached_property
    def record(self) -> dict[str, Any]:
        """Every column of the problem's record; NaN and infinities, which JSON has not, are None."""
        return json.loads(self.record_json, parse_constant=lambda _: None)


@dataclass(frozen=True)
class RewardCompletion:
    """A completion with its judgement."""

    text: str
    token_ids: Sequence[int] | np.ndarray
    """[T]"""
    finish_reason: str
    """`stop`, `length` or `timeout`"""
    verdict: str
    """`correct`, `incorrect`, `no_answer`, `timed_out` or `verifier_error`"""
    answer: str | None
    """the extracted final answer, as written"""
    parsed: str
    """the parsed form, for people; empty where no answer could be read"""
    meaning_class: int
    """meaning class by order of first appearance; -1 outside the partition"""


@dataclass(frozen=True)
class RewardGroup:
    """A judged group as a reward sees it."""

    problem: RewardProblem
    completions: tuple[RewardCompletion, ...]
    """[G]"""

    def as_json(self) -> dict[str, Any]:
        """Fields by name, as JSON has them; `from_json` reads them back."""
        problem = {**asdict(self.problem), "record": self.problem.record}
        del problem["record_json"]
        completions = [{**vars(c), "token_ids": [int(token_id) for token_id in c.token_ids]} for c in self.completions]
        return {"problem": problem, "completions": completions}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> RewardGroup:
        """A group from what `as_json` gave."""
        problem = dict(fields["problem"])
        problem |= {"answers": tuple(problem["answers"]), "turns": tuple(map(tuple, problem["turns"]))}
        problem["record_json"] = json.dumps(problem.pop("record"))
        return cls(RewardProblem(**problem), tuple(RewardCompletion(**c) for c in fields["completions"]))


class RewardFaultError(SeedGrpoError):
    """A reward failed on one group; the message says how, `details` has the traceback where there is one."""

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details[-TRACEBACK_CHARS:]


Rewarded = Sequence[float | None]
"""[G] numbers; None is not valid"""


def numbers_of(rewards: Any, count: int) -> list[float | None]:
    """The rewards of a group, if that is what they are.

    Raises:
        TypeError, ValueError: they are too few or too many or have no order, or one is neither a finite number nor
            None.
    """
    try:
        length = len(rewards)
    except TypeError:  # a number, a generator, an array without dimensions
        length = None
    if length is None or isinstance(rewards, str | bytes | Mapping | Set):
        raise TypeError(f"returned {_shown(rewards)}, not a list of {count} numbers")
    if length != count:
        raise ValueError(f"returned {length} rewards for {count} completions; return one for each")
    return [_number(value, place) for place, value in enumerate(rewards)]


def _number(value: Any, place: int) -> float | None:
    if value is None:
        return None
    try:
        number = None if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, RuntimeError):  # no number, or an array of several
        number = None
    except OverflowError:
        number = math.inf
    if number is None:
        raise TypeError(f"returned {_shown(value)} for completion {place}; return a number, or None if not valid")
    if not abs(number) <= MOST:
        raise ValueError(f"returned {number} for completion {place}; return a number within ±{MOST:g}, or None")
    return number


def _shown(value: Any) -> str:
    return f"{type(value).__name__} {value!r}"[:SHOWN_CHARS]


def correct(group: RewardGroup) -> Rewarded:
    """Rewards 1 for a correct completion and 0 otherwise; None where it could not be judged."""
    verdicts = [Verdict(completion.verdict) for completion in group.completions]
    return [float(verdict is Verdict.CORRECT) if verdict.is_valid else None for verdict in verdicts]


def well_formed(group: RewardGroup, marks: Sequence[str] = ("box",)) -> Rewarded:
    """Rewards 1 where a completion has all marks, and 0 otherwise.

    Args:
        marks: any of `box` (an answer in a box), `answer_tag` (one between <answer> and </answer>) and `think` (one
            </think>, before the answer, and at most one <think>, before that: a prompt may have opened it).
    """
    unknown = sorted(set(marks) - MARKS.keys())
    if unknown or not marks:
        raise ValueError(f"settings.marks={list(marks)} of the reward format are to be some of {', '.join(MARKS)}")
    return [float(all(MARKS[mark](completion.text) for mark in marks)) for completion in group.completions]


def _thinks(text: str) -> bool:
    before, closing, after = text.partition("</think>")
    opened = before.lstrip().startswith("<think>")
    in_order = text.count("<think>") == opened and text.count("</think>") == 1
    return in_order and bool(closing) and bool(after.strip())


MARKS: dict[str, Callable[[str], bool]] = {
    "box": lambda text: boxed(text) is not None,
    "answer_tag": lambda text: answer_tag(text) is not None,
    "think": _thinks,
}
"""checks of a completion's text by the marks of the reward `format`"""


def length(group: RewardGroup, target: int) -> Rewarded:
    """Rewards max(0, 1 - |T - target| / target), for T completion tokens (after L1, arXiv 2503.04697, Eq. 1).

    Args:
        target: tokens at which the reward is 1; it falls to 0 at none, and at twice as many.
    """
    if not isinstance(target, int) or target < 1:
        raise ValueError(
            f"settings.target={target!r} of the reward length is to be a whole number of tokens, 1 or more"
        )
    return [max(0.0, 1.0 - abs(len(completion.token_ids) - target) / target) for completion in group.completions]


def truncated(group: RewardGroup) -> Rewarded:
    """Rewards 1 where the token limit ended a completion, and 0 otherwise; for a negative weight."""
    return [float(completion.finish_reason == FinishReason.LENGTH) for completion in group.completions]


def agreement(group: RewardGroup) -> Rewarded:
    """Rewards the share |C_k| / n of the answer's own meaning class, without a reference (EMPO, arXiv 2504.05812).

    Degenerate case: completions without a readable answer agree with nobody and get 0, though they count in n.
    """
    sizes = _class_sizes(group)
    n = sum(completion.meaning_class >= 0 for completion in group.completions)
    return [sizes[c.meaning_class] / n if _is_read(c) else 0.0 for c in group.completions]


def majority(group: RewardGroup) -> Rewarded:
    """Rewards 1 for the answers of the largest meaning class, without a reference (TTRL, arXiv 2504.16084).

    Degenerate cases: of classes of equal size all count, so that order does not matter; completions without a readable
    answer get 0 and are no class.
    """
    sizes = _class_sizes(group)
    largest = max(sizes.values(), default=0)
    return [float(_is_read(c) and sizes[c.meaning_class] == largest) for c in group.completions]


def _class_sizes(group: RewardGroup) -> Counter[int]:
    return Counter(completion.meaning_class for completion in group.completions if _is_read(completion))


def _is_read(completion: RewardCompletion) -> bool:
    return completion.meaning_class >= 0 and completion.parsed != ""


REWARDS: dict[str, Callable[..., Rewarded]] = {
    "correct": correct,
    "format": well_formed,
    "length": length,
    "truncated": truncated,
    "agreement": agreement,
    "majority": majority,
}
"""built-in rewards by `verifier.rewards[].use`; each maps a group [G] and its settings to [G] numbers"""


def check_settings(use: str, settings: Mapping[str, Any]) -> None:
    """Checks the settings of a built-in reward, on a group without completions.

    Raises:
        ConfigError: they are missing, unknown or impossible.
    """
    problem = RewardProblem("", "", (), "", "", (), "{}")
    try:
        REWARDS[use](RewardGroup(problem, ()), **settings)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the settings {dict(settings)} of the reward {use} do not fit: {error}") from error
