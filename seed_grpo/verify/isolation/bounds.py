"""The bounds on the work that one answer may cause, and what ends a judgement early.

Whatever the text is, parsing it stays within a fraction of a second of processor time and a few megabytes: the limits
on size keep every single step small, and `MAX_WORK` the sum of the steps. These bounds depend on the text alone, so an
answer beyond them is beyond them everywhere: beside a reference that keeps them it is out of all proportion, and
`incorrect`. A bound on time or memory that one machine reaches says nothing about the answer: the verdict is
`timed_out`. A fault of ours becomes `verifier_error`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from seed_grpo.errors import SeedGrpoError, VerifierError

MAX_CHARS = 4000
"""characters of one answer"""
MAX_DIGITS = 1000
"""digits of one number as written"""
MAX_DEPTH = 40
"""levels of nested brackets, fractions, powers"""
MAX_BITS = 8192
"""bits of a numerator or denominator"""
MAX_TERMS = 100
"""terms of an expanded sum"""
MAX_ITEMS = 500
"""items of a list, set, tuple or matrix"""
MAX_FACTORIAL = 500
"""largest argument of a factorial that is multiplied out"""
MAX_FACTORS = 500
"""factors in the denominator of a binomial that is multiplied out"""
REMEMBERED = 10_000
"""answers and pairs of which a judge remembers what it found"""
REMEMBERED_FORMS = 8192
"""forms of which each property is remembered"""
MAX_WORK = 500_000
"""work of one parse, in units of about 0.1 microseconds; a square of ten terms takes 20 000"""


class BoundReachedError(SeedGrpoError):
    """An answer would cost more than it may; the message names the bound."""


class OutOfTimeError(BoundReachedError):
    """A bound on wall-clock time or memory was reached, which another machine might not have reached."""


class GrammarError(ValueError):
    """The text is no answer that the grammar knows; the answer stays a string."""


class JudgeFaultError(VerifierError):
    """A fault of our own in judging one answer, which must not end a run; the message names what failed."""


_work_left: ContextVar[float] = ContextVar("work_left", default=float("inf"))


def check_length(text: str) -> None:
    """Refuses an answer that is too long, before anything is done with it.

    Raises:
        BoundReachedError: the answer is over `MAX_CHARS`.
    """
    if len(text) > MAX_CHARS:
        raise BoundReachedError(f"an answer of {len(text)} characters is longer than {MAX_CHARS}")


def check_depth(depth: int) -> None:
    """Refuses brackets, fractions and powers that are nested too deep.

    Raises:
        BoundReachedError: the depth is over `MAX_DEPTH`.
    """
    if depth > MAX_DEPTH:
        raise BoundReachedError(f"an answer is nested over {MAX_DEPTH} deep")


def check_items(count: int) -> None:
    """Refuses lists, sets and tuples that are too long.

    Raises:
        BoundReachedError: the count is over `MAX_ITEMS`.
    """
    if count > MAX_ITEMS:
        raise BoundReachedError(f"a list has over {MAX_ITEMS} items")


@contextmanager
def limited_work() -> Iterator[None]:
    """Limits the work that is spent inside to `MAX_WORK`. Outside of it, spending is free."""
    before = _work_left.set(MAX_WORK)
    try:
        yield
    finally:
        _work_left.reset(before)


def spend(work: int) -> None:
    """Counts work. A count depends on the text alone, not on how fast or busy a machine is.

    Raises:
        BoundReachedError: the work is more than is left.
    """
    left = _work_left.get() - work
    if left < 0:
        raise BoundReachedError(f"an answer takes over {MAX_WORK} units of work to parse")
    _work_left.set(left)


def sort_key(value: object) -> str:
    """The text of a value, to sort by. Its length is spent; that stands for all the hashing of the value too."""
    text = repr(value)
    spend(len(text))
    return text
