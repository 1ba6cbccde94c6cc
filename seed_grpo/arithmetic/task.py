r"""The generated task: additions of two or three digits, worked column by column, the answer in several written forms.

Produces problems (`47+85=`, answer `132`) with a fixed train and held-out split, and demonstrations of mixed quality:
`7+5=12 4+8+1=13 \boxed{132}` is right, `7+5=12 4+8=12 \boxed{122}` forgets the carry. A policy that has learned from
both knows the skill and the bad habit: without a carry all its samples agree, with one they split into several
meanings. Problems do not depend on the run's seed; demonstrations depend on theirs alone. It imports no torch.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from seed_grpo.errors import DataError
from seed_grpo.messages import Problem

NAME = "arithmetic"
DIGITS = (2, 3)
"""lengths of the operands, each drawn equally often; both operands have the same"""
NUM_PROBLEMS = {"train": 8000, "test": 1000}
HELD_OUT_SHARE = 0.1
"""share of all pairs of operands that occur neither in `train` nor in demonstrations"""


def keeps_carry(carry: int) -> int:
    """Writes the carry as it is: the right way."""
    return carry


def forgets_carry(carry: int) -> int:
    """A bad habit: right only where there is no carry."""
    return 0


def always_carries(carry: int) -> int:
    """A bad habit: right only where every column carries."""
    return 1


Habit = Callable[[int], int]
"""function from the carry of the column before to the carry that is written"""
BAD_HABITS: dict[Habit, int] = {forgets_carry: 9, always_carries: 1}
"""weights of the bad habits among the demonstrations that are not right"""

FORMS: tuple[Callable[[int], str], ...] = (
    lambda value: str(value),
    lambda value: f"{value}.0",
    lambda value: f"{value}/1",
    lambda value: rf"\frac{{{value}}}{{1}}",
)
"""written forms of an answer: integer, decimal, plain fraction, LaTeX fraction"""


class Demonstration(NamedTuple):
    """A prompt with a worked completion, right or not."""

    prompt: str
    completion: str


def problems(split: str) -> list[Problem]:
    """The problems of a split, always the same ones in the same order.

    Raises:
        DataError: there is no such split.
    """
    if split not in NUM_PROBLEMS:
        raise DataError(f"the generated task has no split {split!r}; set data.split to one of {sorted(NUM_PROBLEMS)}")
    pairs: dict[tuple[int, int], None] = {}
    drawn = _draw_pairs(random.Random(f"{NAME} {split}"), held_out=split == "test")
    while len(pairs) < NUM_PROBLEMS[split]:
        pairs[next(drawn)] = None
    return [_problem(*pair) for pair in pairs]


def demonstrations(seed: int, right_share: float) -> Iterator[Demonstration]:
    """An endless stream of demonstrations, none of a held-out problem.

    Args:
        seed: decides the whole stream.
        right_share: probability of a right one; the others have one of `BAD_HABITS` (which still gives the right
            answer where the habit does not show).
    """
    rng = random.Random(seed)
    for first, second in _draw_pairs(rng, held_out=False):
        (bad_habit,) = rng.choices(list(BAD_HABITS), list(BAD_HABITS.values()))
        habit = keeps_carry if rng.random() < right_share else bad_habit
        yield Demonstration(_prompt(first, second), work(first, second, habit, rng.choice(FORMS)))


def work(first: int, second: int, habit: Habit, form: Callable[[int], str]) -> str:
    r"""The worked completion, e.g. `7+5=12 4+8+1=13 \boxed{132}`, columns from the right."""
    steps, written, carry = [], "", 0
    columns = list(zip(reversed(str(first)), reversed(str(second)), strict=True))
    for index, (upper, lower) in enumerate(columns):
        noted = habit(carry) if index else 0
        total = int(upper) + int(lower) + noted
        steps.append(f"{upper}+{lower}{f'+{noted}' if noted else ''}={total}")
        carry = total // 10
        written = (str(total) if index == len(columns) - 1 else str(total % 10)) + written
    return f"{' '.join(steps)} \\boxed{{{form(int(written))}}}"


def is_right(problem: Problem, completion: str) -> bool:
    """Tells whether a completion ends in the right answer, in one of the written forms; a quick check of a warm start,
    not the verifier."""
    value = int(problem.answers[0])
    return completion.rstrip().endswith(tuple(f"\\boxed{{{form(value)}}}" for form in FORMS))


def _draw_pairs(rng: random.Random, held_out: bool) -> Iterator[tuple[int, int]]:
    while True:
        digits = rng.choice(DIGITS)
        pair = (rng.randrange(10 ** (digits - 1), 10**digits), rng.randrange(10 ** (digits - 1), 10**digits))
        if _is_held_out(*pair) == held_out:
            yield pair


def _is_held_out(first: int, second: int) -> bool:
    digest = hashlib.sha256(_prompt(first, second).encode()).digest()
    return int.from_bytes(digest[:4]) < HELD_OUT_SHARE * 2**32


def _prompt(first: int, second: int) -> str:
    return f"{first}+{second}="


def _problem(first: int, second: int) -> Problem:
    carries = work(first, second, keeps_carry, str).count("+1=")
    return Problem(
        id=f"{NAME}-{first}+{second}",
        text=_prompt(first, second),
        answers=(str(first + second),),
        source=NAME,
        level=f"{carries} carries",
        subject="addition",
    )
