"""Tokens, which the grammar reads, and the patterns that cut plain text into them.

It knows neither LaTeX (that is `seed_grpo.verify.math.reading.latex`) nor any grammar. Every scan is linear.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from seed_grpo.verify.isolation.bounds import MAX_DIGITS, BoundReachedError
from seed_grpo.verify.math.forms.calls import NAMES
from seed_grpo.verify.math.forms.units import is_unit

OPENING = ("(", "[", "{", r"\{")
CLOSING = (")", "]", "}", r"\}")

GLUED = {"sqrt", "percent", "infinity", *NAMES}
"""words of four letters or more that stand right behind a digit and are no product"""
_NUMBER = r"(?P<number>(?:GROUPED\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
_GROUPED = r"[1-9]\d{0,2}(?:,\d{3})+(?![\d,])(?:\.\d+)?|"
_REST = r"|(?P<word>(?:log(?:2|10)|atan2)(?=\()|[a-zA-Z]+)|(?P<sign><=|>=|(?<=\d)!(?==)|!=|\*\*|\S)|\s"
_OUTSIDE = re.compile(_NUMBER.replace("GROUPED", _GROUPED) + _REST, re.A)
_INSIDE = re.compile(_NUMBER.replace("GROUPED", "") + _REST, re.A)


class Token(NamedTuple):
    """One word or sign of an answer, e.g. `Token("number", "12")`, `Token("command", "\\frac")`."""

    kind: str
    """kind of token: number, text, environment, command, word, sign"""
    value: str


END = Token("end", "")


def is_separator(token: Token) -> bool:
    """Checks whether a token stands between the items of a list."""
    return token.value in (",", ";") or (token.kind in ("text", "word") and token.value.strip() in ("and", "or"))


def scan(text: str, tokens: list[Token], brackets: int) -> int:
    """Appends the tokens of a text without commands; returns how many brackets are open after it.

    Inside brackets a comma separates: `(1,234)` has two items, `1,234` is one number.

    Raises:
        BoundReachedError: a number has too many digits.
    """
    position = 0
    while match := (_INSIDE if brackets > 0 else _OUTSIDE).match(text, position):
        position = match.end()
        kind = match.lastgroup
        if kind is None:
            continue
        value = match.group()
        if kind == "number":
            if len(value) > MAX_DIGITS:
                raise BoundReachedError(f"a number of {len(value)} digits is longer than {MAX_DIGITS}")
            value = value.replace(",", "")
        else:
            brackets += (value in OPENING) - (value in CLOSING)
            value = "^" if value == "**" else value
        glued = kind == "word" and len(value) > 3 and match.start() > 0 and text[match.start() - 1].isdigit()
        if glued and not is_unit(value) and value not in GLUED:  # 2abcd is a product
            tokens.extend(Token("word", letter) for letter in value)
        else:
            tokens.append(Token(kind, value))
    return brackets
