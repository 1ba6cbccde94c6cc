r"""Parsing of one answer, from its text to its parsed form.

Consumes one answer as written; produces a `Parsed` whose equality is the fast half of the relation `math`: equal forms
mean the same. Answers that the grammar does not cover keep their tidied text as form. Bounded in time and memory
whatever the text is: a bound reached is a `BoundReachedError`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from fractions import Fraction

from seed_grpo.verify.extract import boxed
from seed_grpo.verify.framing.choices import read_choice
from seed_grpo.verify.framing.remarks import read_remarked
from seed_grpo.verify.isolation.bounds import MAX_DIGITS, GrammarError, check_length, limited_work
from seed_grpo.verify.math.forms.nodes import Node, as_list
from seed_grpo.verify.math.forms.show import show
from seed_grpo.verify.math.reading.grammar import read_answer
from seed_grpo.verify.math.reading.latex import tidy, tokenize
from seed_grpo.verify.math.reading.words import as_words, plain, read_words

_PLAIN_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?", re.A)
_DECIMAL_COMMA = re.compile(r"(-?\d+),(\d+)", re.A)
_LEAD = re.compile(r"^\\?\s*(?:[A-Za-z][A-Za-z']*[ ,:]+){1,30}$")
_STRAY_BOX = re.compile(r"^\$*\s*\\{1,2}boxed\{(?=[^}]*$)")
"""a box that is not closed"""
_SPACED_GROUPS = re.compile(r"(\\dollar )?(-?\d{1,3}(?: , \d{3})+)", re.A)
_HEDGE = re.compile(r"\b(?:not?|nor|but|n't|either|except|than|least|most|between|anything|if|or|and)\b", re.I)
"""words with which a sentence does not say that its mathematics is the answer"""
_SEGMENT = re.compile(r"\$\$?([^$]+)\$\$?|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.S)


@dataclass(frozen=True)
class Parsed:
    """A parsed answer, e.g. `Parsed("number", Fraction(1, 2), r"\\frac12")`; equal by kind and value."""

    kind: str
    """a kind of `seed_grpo.verify.math.forms.nodes`"""
    value: Hashable
    text: str = field(compare=False)
    """the tidied answer"""

    @functools.cached_property
    def letters(self) -> str:
        """The text as a reader sees it, without spaces."""
        return plain(self.text).replace(" ", "")

    @functools.cached_property
    def shown(self) -> str:
        """The form as text for people."""
        return f"{self.kind} {show(self.kind, self.value)}"


def parse_answer(text: str) -> Parsed:
    """The parsed form of an answer.

    Raises:
        BoundReachedError: the text is too long, too deep, a number in it too large, or it takes too much work.
    """
    check_length(text)
    stripped = text.strip()
    if _PLAIN_NUMBER.fullmatch(stripped):
        return Parsed("number", Fraction(stripped), stripped)
    tidied = tidy(_without_lead(boxed(text) or _STRAY_BOX.sub("", stripped)))
    with limited_work():
        kind, value = _framed(tidied)
    return Parsed(kind, value, tidied)


def _framed(tidied: str) -> Node:
    """The node of an answer with what stands around it: the letter of an option, a remark."""
    choice = read_choice(tidied)
    if choice is None:
        return _remarked(tidied)
    letter = _node(choice.letter)
    return ("choice", (letter, _remarked(choice.value))) if choice.value else letter


def _remarked(tidied: str) -> Node:
    return read_remarked(tidied, _node) or _node(tidied)


def _node(tidied: str) -> Node:
    try:
        return _read(tidied)
    except GrammarError:
        return as_words(tidied) or ("string", tidied.replace(" ", ""))
    except ZeroDivisionError:
        return "undefined", tidied.replace(" ", "")


def _read(tidied: str) -> Node:
    words = read_words(tidied)
    if words is not None:
        return ("number", Fraction(words[1])) if words[0] == "count" else words
    comma = _DECIMAL_COMMA.fullmatch(tidied)
    if comma is not None and len(tidied) <= MAX_DIGITS and (len(comma[2]) != 3 or comma[1].lstrip("-")[0] == "0"):
        number = ("number", Fraction(f"{comma[1]}.{comma[2]}"))
        return "comma", (number, as_list([("number", Fraction(comma[1])), ("number", Fraction(comma[2]))]))
    groups = _SPACED_GROUPS.fullmatch(tidied)
    if groups is not None:  # 58 , 500 may be one number or a list
        return "comma", (
            read_answer(tokenize((groups[1] or "") + groups[2].replace(" , ", ""))),
            read_answer(tokenize(tidied)),
        )
    return read_answer(tokenize(tidied))


def _without_lead(text: str) -> str:
    """The mathematics of a sentence, if it ends with the only mathematics in it."""
    segments = list(_SEGMENT.finditer(text))
    if len(segments) == 1 and _LEAD.match(text[: segments[0].start()]) and not text[segments[0].end() :].strip(" .,;!"):
        lead = text[: segments[0].start()]
        return text if _HEDGE.search(lead) else next(group for group in segments[0].groups() if group is not None)
    return text


def same_text(first: Parsed, second: Parsed) -> bool:
    """Checks whether two answers are the same words, one of them read as mathematics: `odd` and `\\text{odd}`."""
    letters = first.letters
    if letters != second.letters or not re.search(r"[a-z]{2}", letters) or "\\" in letters:
        return False
    return first.kind == "words" or second.kind == "words" or ("\\" in first.text) != ("\\" in second.text)
