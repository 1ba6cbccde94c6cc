r"""From the LaTeX (or plain text) of an answer to tokens.

Consumes one answer as written; produces a list of `Token`, with everything gone that only lays out: dollar signs,
`\left`, `\!`, `\displaystyle`, a full stop at the end. Every scan is linear. It does not know any grammar.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from seed_grpo.verify.limits import MAX_CHARS, MAX_DIGITS, BoundReachedError

_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("\u2212\u2013\u2014", "-"),
        **dict.fromkeys("\u00d7\u22c5\u00b7", r"\times "),
        **dict.fromkeys("\xa0\u2009\u202f\t\r\n\x0b\x0c", " "),
        **dict.fromkeys("\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\ufeff\x00", ""),
        "\u00b2": "^2", "\u00b3": "^3", "\u00bd": r"\frac12 ", "\u00bc": r"\frac14 ", "\u00be": r"\frac34 ",
        "\u00f7": "/", "\u03c0": r"\pi ", "\u221e": r"\infty ", "\u221a": r"\sqrt ", "\u00b0": r"^\circ ",
        "\u2264": r"\le ", "\u2265": r"\ge ", "\u2260": r"\ne ", "\u222a": r"\cup ", "\u2205": r"\emptyset ",
        "\u00b1": r"\pm ", "\u2208": r"\in ", "\u20ac": "$", "\u00a3": "$",
    }
)  # fmt: skip
_LAYOUT = re.compile(
    r"(?<!\\)(?:\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits|quad|qquad|hspace\{[^{}]*\})(?![a-zA-Z])\.?"
    r"|\\[!,;: $()\[\]])|[$~]"
)
_SPACED_COMMA = re.compile(r",\\!\s?")
_SPACED_DIGITS = re.compile(r"(?<![\d.,] )(?<![\d.,])\d{1,3}(?: \d{3})+(?![\d.,]| \d)", re.A)
_GROUPED_BY_COMMA = r"[1-9]\d{0,2}(?:(?:,|\{,\})\d{3})+(?!\d)(?:\.\d+)?"
_GROUPED_IN_BRACKETS = r"[1-9]\d{0,2}(?:\{,\}\d{3})+(?!\d)(?:\.\d+)?"
_TOKENS = (
    r"(?P<number>(?:GROUPED|\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|\\(?:text(?:bf|it|rm|normal)?|mbox|mathrm|mathbf|mathit|operatorname)\s?\{(?P<text>[^{}]*)\}"
    r"|\\(?:begin|end)\{(?P<environment>[a-z]*)(?:\}\{[clr|]*)?\}"
    r"|(?P<command>\\(?:[a-zA-Z]+|.))"
    r"|(?P<word>[a-zA-Z]+)"
    r"|(?P<sign><=|>=|!=|\*\*|\S)"
    r"|\s"
)
_OUTSIDE = re.compile(_TOKENS.replace("GROUPED", _GROUPED_BY_COMMA), re.A)
_INSIDE = re.compile(_TOKENS.replace("GROUPED", _GROUPED_IN_BRACKETS), re.A)
_SYNONYMS = {
    r"\dfrac": r"\frac", r"\tfrac": r"\frac", r"\cfrac": r"\frac", r"\cdot": "*", r"\times": "*", r"\ast": "*",
    r"\div": "/", "**": "^", r"\leq": "<=", r"\le": "<=", r"\leqslant": "<=", r"\geq": ">=", r"\ge": ">=",
    r"\geqslant": ">=", r"\lt": "<", r"\gt": ">", r"\neq": "!=", r"\ne": "!=", r"\%": "%", r"\lbrace": r"\{",
    r"\rbrace": r"\}", r"\lvert": "|", r"\rvert": "|", r"\vert": "|", r"\mid": "|", r"\varnothing": r"\emptyset",
    r"\approx": "=", r"\infin": r"\infty", r"\degree": r"\circ", r"\tbinom": r"\binom", r"\dbinom": r"\binom",
}  # fmt: skip
_OPENING, _CLOSING = ("(", "[", r"\{"), (")", "]", r"\}")


class Token(NamedTuple):
    """E.g. `Token("number", "12")`, `Token("command", "\\frac")`."""

    kind: str
    """number, text, environment, command, word, sign"""
    value: str


def tidy(text: str) -> str:
    """The text without what only lays out; equal texts after this are the same answer.

    Raises:
        BoundReachedError: the text is too long.
    """
    if len(text) > MAX_CHARS:
        raise BoundReachedError(f"an answer of {len(text)} characters is longer than {MAX_CHARS}")
    text = text.translate(_CHARACTERS)
    text = _SPACED_DIGITS.sub(lambda match: match.group().replace(" ", ""), _SPACED_COMMA.sub("{,}", text))
    text = " ".join(_LAYOUT.sub(" ", text).split()).rstrip(".").strip()
    return text


def tokenize(text: str) -> list[Token]:
    """Tokens of a tidy text.

    Raises:
        BoundReachedError: a number has too many digits.
    """
    tokens: list[Token] = []
    position = brackets = 0
    while match := (_INSIDE if brackets > 0 else _OUTSIDE).match(text, position):
        position = match.end()
        if match.lastgroup is None:
            continue
        kind, value = match.lastgroup, match.group(match.lastgroup)
        if kind == "number" and len(value) > MAX_DIGITS:
            raise BoundReachedError(f"a number of {len(value)} digits is longer than {MAX_DIGITS}")
        if kind == "environment" and match.group().startswith(r"\end"):
            value = "end"
        value = _SYNONYMS.get(value, value)
        brackets += (value in _OPENING) - (value in _CLOSING)
        tokens.append(Token("sign" if kind == "command" and not value.startswith("\\") else kind, value))
    return tokens
