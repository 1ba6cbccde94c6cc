"""From the text of an answer to its parsed form.

Consumes one answer as written; produces a `Parsed` whose equality is the fast half of the relation `math`: equal forms
mean the same. Answers that the grammar does not cover keep their tidied text as form. Bounded in time and memory
whatever the text is: a bound reached is a `BoundReachedError`.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from seed_grpo.verify.extract import boxed
from seed_grpo.verify.grammar import read_answer
from seed_grpo.verify.limits import limited_work
from seed_grpo.verify.token_reader import GrammarError
from seed_grpo.verify.tokens import tidy, tokenize


@dataclass(frozen=True)
class Parsed:
    """E.g. `Parsed("number", Fraction(1, 2), "exact form", r"\\frac12")`; equal by kind and value."""

    kind: str
    """of `seed_grpo.verify.grammar`, or string, or undefined where it divides by zero"""
    value: Hashable
    rule: str = field(compare=False)
    """how the form came about"""
    text: str = field(compare=False)
    """the tidied answer"""

    def __str__(self) -> str:
        if self.kind in ("number", "percent"):
            return f"{self.value}{'%' if self.kind == 'percent' else ''}"
        return f"{self.kind}: {self.text}"


def parse_answer(text: str) -> Parsed:
    """The parsed form of an answer.

    Raises:
        BoundReachedError: the text is too long, too deep, a number in it too large, or it takes too much work.
    """
    tidied = tidy(text)
    tidied = (boxed(tidied) or tidied).strip()
    try:
        with limited_work():
            kind, value = read_answer(tokenize(tidied))
    except GrammarError:
        return Parsed("string", tidied.replace(" ", ""), "string", tidied)
    except ZeroDivisionError:
        return Parsed("undefined", tidied.replace(" ", ""), "division by zero", tidied)
    return Parsed(kind, value, "exact form", tidied)
