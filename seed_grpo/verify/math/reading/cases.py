r"""The grammar of `\begin{cases}`: functions by cases, and systems.

Consumes tokens; produces nodes. A row with a condition, behind `&`, a comma or a word such as `if`, is a case of a
function; rows without one are what holds together, as with commas between them. `\left\{` with an array is read alike,
and so is `x if x > 0, -x otherwise`.
"""

from __future__ import annotations

import re
from itertools import pairwise

from seed_grpo.verify.isolation.bounds import GrammarError, spend
from seed_grpo.verify.math.forms import algebra
from seed_grpo.verify.math.forms.nodes import Node, as_form
from seed_grpo.verify.math.forms.piecewise import OTHERWISE, Branch, piecewise
from seed_grpo.verify.math.reading.brackets import SIGNS
from seed_grpo.verify.math.reading.quantities import QuantityReader
from seed_grpo.verify.math.reading.statements import as_region, combine, relate
from seed_grpo.verify.math.reading.token_reader import is_separator
from seed_grpo.verify.math.reading.tokens import CLOSING, END, OPENING, Token, scan

ENVIRONMENTS = ("cases", "dcases", "rcases")
TABLES = ("array", "aligned", "matrix", "gathered", "split", "alignedat")
"""environments that behind a lone brace are cases"""
_IF = re.compile(r"(?:for all|for any|if|when(?:ever)?|for|where|provided(?: that)?|on)\b\s*")
_OTHERWISE = re.compile(
    r"(?:otherwise|else(?:where)?|if not|(?:(?:in|for) )?(?:all |any )?others?(?: (?:cases?|values?|\w)(?: of \w)?)?)"
)
_SPOKEN = re.compile(r"(?:if|otherwise)\b")
_PARITY = re.compile(r"([a-zA-Z]) (?:is )?(?:an )?(even|odd)(?: (?:integer|number))?")


class CaseReader(QuantityReader):
    """Reads cases. A method consumes what its name says and returns its node."""

    def _cases_ahead(self) -> bool:
        token, following = self._peek(), self._peek(1)
        if token.kind == "environment" and token.value in ENVIRONMENTS:
            return True
        if token.value != r"\{" or following.kind != "environment" or following.value not in TABLES:
            return False
        spend(len(self._tokens))
        return r"\}" not in [each.value for each in self._tokens[self._next :]]

    def _cases(self) -> Node:
        self._accept(r"\{")
        self._deeper()
        rows = [_conditioned(row) for row in self._rows()]
        if not rows:
            raise GrammarError("cases without a row")
        if all(condition is None for _, condition in rows):
            node = combine([self._apart(value) for value, _ in rows], [","] * (len(rows) - 1))
        elif any(condition is None for _, condition in rows):
            raise GrammarError("cases with and without conditions")
        else:
            node = piecewise([self._branch(value, condition or []) for value, condition in rows])
        self._depth -= 1
        return node

    def _is_spoken(self) -> bool:
        """Whether cases are told in one line, by `if`."""
        kinds = {token.kind for token in self._tokens}
        words = [token.value for token in self._tokens[1:] if token.kind in ("word", "text")]
        return "environment" not in kinds and any(map(_SPOKEN.match, words))

    def _spoken_cases(self) -> Node:
        """All tokens that are left, as cases; `f(x) = ` before them names the function."""
        rows = [_conditioned([row]) for row in _spoken_rows(self._tokens[self._next :])]
        self._next = len(self._tokens)
        value, name = rows[0][0], None
        values = [token.value for token in value]
        if "=" in values:
            name, value = self._apart(value[: values.index("=")]), value[values.index("=") + 1 :]
        branches = [(value, rows[0][1]), *rows[1:]]
        if any(condition is None for _, condition in branches):
            raise GrammarError("cases with and without conditions")
        node = piecewise([self._branch(value, condition or []) for value, condition in branches])
        return node if name is None else relate([name, node], ["="])

    def _rows(self) -> list[list[list[Token]]]:
        """Rows of cells, up to the environment's end, which is consumed."""
        rows: list[list[list[Token]]] = [[[]]]
        depth = 0
        self._take()
        while True:
            token = self._take()
            if token == END:
                raise GrammarError("an environment is not closed")
            if token.kind == "environment":
                depth += -1 if token.value == "end" else 1
                if depth < 0:
                    return [row for row in rows if any(row)]
            if depth == 0 and token.value == r"\\":
                rows.append([[]])
            elif depth == 0 and token.value == "&":
                rows[-1].append([])
            else:
                rows[-1][-1].append(token)

    def _branch(self, value: list[Token], condition: list[Token]) -> Branch:
        return self._condition(condition), self._apart(value)

    def _condition(self, tokens: list[Token]) -> Node:
        words = " ".join(token.value for token in tokens)
        if _OTHERWISE.fullmatch(words.casefold()):
            return OTHERWISE
        parity = _PARITY.fullmatch(words)
        if parity:
            remainder = algebra.number(1 if parity[2] == "odd" else 0)
            return "congruence", (algebra.add(algebra.atom("symbol", parity[1]), remainder), algebra.number(2))
        node = self._apart(tokens)
        if node[0] == "assign":
            pieces = as_region(node[1][1]) or as_region(("set", (node[1][1],)))
            return ("region", (as_form(node[1][0]), pieces)) if pieces else node
        return node

    def _apart(self, tokens: list[Token]) -> Node:
        """The node of tokens that stand by themselves."""
        reader = type(self)(list(tokens))
        reader._depth = self._depth
        node = reader._items()
        if reader._peek() != END:
            raise GrammarError(f"unexpected {reader._peek().value!r}")
        return node


def _spoken_rows(tokens: list[Token]) -> list[list[Token]]:
    """Tokens cut at separators behind which there is a further `if`."""
    tokens = _in_words(tokens)
    marks = [at for at, token in enumerate(tokens) if token.kind in ("word", "text") and _SPOKEN.match(token.value)]
    rows, start = list[list[Token]](), 0
    for mark, following in pairwise(marks):
        between = [token.value.strip() for token in tokens[mark:following]]
        separator = next((each for each in (";", ",", "and") if each in between), None)
        if separator is None:
            raise GrammarError("cases that nothing separates")
        cut = mark + between.index(separator)
        rows.append(tokens[start:cut])
        start = next(at for at in range(cut, following + 1) if not is_separator(tokens[at]))
    return [*rows, tokens[start:]]


def _conditioned(row: list[list[Token]]) -> tuple[list[Token], list[Token] | None]:
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
    """Whether the cells behind the first go on with an equation, as aligned ones do."""
    values = {token.value for token in tokens}
    return tokens[0].value in SIGNS or (tokens[0].value in ("+", "-") and not values & {"<", ">", "<=", ">=", "!="})


def _cut_at_comma(tokens: list[Token]) -> tuple[list[Token], list[Token] | None]:
    """`x, x > 0`: behind the first comma outside of brackets an inequality, before it no sign."""
    depth = 0
    for at, token in enumerate(tokens):
        depth += (token.value in OPENING) - (token.value in CLOSING)
        if depth == 0 and token.value in SIGNS:
            break
        if depth == 0 and token.value == "," and any(each.value in SIGNS for each in tokens[at:]):
            return tokens[:at], _trimmed(tokens[at + 1 :])
    return _trimmed(tokens), None


def _in_words(tokens: list[Token]) -> list[Token]:
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
    """Without the separators and the full stop at its end."""
    while tokens and (is_separator(tokens[-1]) or tokens[-1].value == "."):
        tokens = tokens[:-1]
    if tokens and tokens[-1].kind == "number" and tokens[-1].value.endswith("."):
        return [*tokens[:-1], Token("number", tokens[-1].value[:-1])]
    return tokens
