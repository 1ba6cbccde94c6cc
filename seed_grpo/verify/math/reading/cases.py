r"""Rows of functions by cases, as tokens: `x & x > 0`, `x, x > 0`, `x \text{ if } x > 0`, `x if x > 0, -x otherwise`.

Consumes tokens; produces those of a value and those of its condition. The grammar reads both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from seed_grpo.verify.isolation.bounds import GrammarError
from seed_grpo.verify.math.reading.tokens import CLOSING, OPENING, Token, is_separator, scan
from seed_grpo.verify.math.reading.vocabulary import SIGNS

ENVIRONMENTS = ("cases", "dcases", "rcases")
TABLES = ("array", "aligned", "matrix", "gathered", "split", "alignedat")
"""environments that behind a lone brace are cases"""
_IF = re.compile(r"(?:for all|for any|if|when(?:ever)?|for|where|provided(?: that)?|on)\b\s*")
ROW_OTHERWISE = re.compile(
    r"(?:otherwise|else(?:where)?|if not|(?:(?:in|for) )?(?:all |any )?others?(?: (?:cases?|values?|\w)(?: of \w)?)?)"
)
SPOKEN = re.compile(r"(?:if|otherwise)\b")
PARITY = re.compile(r"([a-zA-Z]) (?:is )?(?:an )?(even|odd)(?: (?:integer|number))?")


def spoken_rows(tokens: Sequence[Token]) -> list[list[Token]]:
    """Tokens cut at separators behind which there is a further `if`."""
    words = _in_words(tokens)
    marks = [at for at, token in enumerate(words) if token.kind in ("word", "text") and SPOKEN.match(token.value)]
    rows, start = list[list[Token]](), 0
    for mark, following in pairwise(marks):
        between = [token.value.strip() for token in words[mark:following]]
        separator = next((each for each in (";", ",", "and") if each in between), None)
        if separator is None:
            raise GrammarError("cases that nothing separates")
        cut = mark + between.index(separator)
        rows.append(words[start:cut])
        start = next(at for at in range(cut, following + 1) if not is_separator(words[at]))
    return [*rows, words[start:]]


def conditioned(row: list[list[Token]]) -> tuple[list[Token], list[Token] | None]:
    """The value of a row and its condition, None where it has none."""
    cells = [_in_words(cell) for cell in row if cell]
    condition = [token for cell in cells[1:] for token in cell]
    if condition and not _goes_on(condition):
        return _trimmed(cells[0]), _trimmed(_without_if(condition))
    tokens = [token for cell in cells for token in cell]
    at = next((at for at, token in enumerate(tokens) if at and _is_condition_word(tokens[at:])), None)
    if at is not None:
        return _trimmed(tokens[:at]), _trimmed(_without_if(tokens[at:]))
    return _cut_at_comma(tokens)


def _goes_on(tokens: list[Token]) -> bool:
    """Checks whether the cells behind the first go on with an equation, as aligned ones do."""
    values = {token.value for token in tokens}
    return tokens[0].value in SIGNS or (tokens[0].value in ("+", "-") and not values & {"<", ">", "<=", ">=", "!="})


def _cut_at_comma(tokens: list[Token]) -> tuple[list[Token], list[Token] | None]:
    """Cuts `x, x > 0`: behind the first comma outside of brackets an inequality, before it no sign."""
    depth = 0
    for at, token in enumerate(tokens):
        depth += (token.value in OPENING) - (token.value in CLOSING)
        if depth == 0 and token.value in SIGNS:
            break
        if depth == 0 and token.value == "," and any(each.value in SIGNS for each in tokens[at:]):
            return tokens[:at], _trimmed(tokens[at + 1 :])
    return _trimmed(tokens), None


def _in_words(tokens: Sequence[Token]) -> list[Token]:
    r"""Tokens with `\text{if x > 0}` cut into what it says."""
    cut: list[Token] = []
    for token in tokens:
        if token.kind == "text" and re.search(r"[ <>=]", token.value):
            scan(token.value, cut, 1)
        else:
            cut.append(token)
    return cut


def _is_condition_word(tokens: list[Token]) -> bool:
    words = " ".join(token.value for token in tokens[:3]).casefold()
    kind_fits = tokens[0].kind in ("word", "text")
    return kind_fits and (_IF.match(words) is not None or words.startswith(("otherwise", "else")))


def _without_if(tokens: list[Token]) -> list[Token]:
    words = "".join(token.value + " " for token in tokens[:2]).casefold()
    match = _IF.match(words)
    return tokens[len(match[0].split()) :] if match else tokens


def _trimmed(tokens: list[Token]) -> list[Token]:
    """Removes the separators and the full stop at the end of a row."""
    while tokens and (is_separator(tokens[-1]) or tokens[-1].value == "."):
        tokens = tokens[:-1]
    if tokens and tokens[-1].kind == "number" and tokens[-1].value.endswith("."):
        return [*tokens[:-1], Token("number", tokens[-1].value[:-1])]
    return tokens
