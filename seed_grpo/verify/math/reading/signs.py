r"""Answers with `\pm` and `\mp`, and the values that they stand for.

Consumes tokens and what reads an answer without such signs; produces the node of all values. Every `\pm` has a sign of
its own: `\pm\sqrt2\pm\sqrt3` is four values, `(\pm1,\pm2)` four points. A `\mp`, and a `\pm` in an index as in
`x_\pm = 1\pm\sqrt2`, say that all signs of the answer go together: `(\pm1,\mp2)` is two points. In a list every item
has the values of its own signs alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

from seed_grpo.verify.isolation.bounds import GrammarError
from seed_grpo.verify.math.forms.nodes import Node, as_list, as_set
from seed_grpo.verify.math.reading.statements import combine
from seed_grpo.verify.math.reading.tokens import CLOSING, OPENING, Token, is_separator

SIGNS = (r"\pm", r"\mp")
MAX_SIGNS = 6
"""uncoupled signs of one item, which is read once for every choice of them"""
_PLUS, _MINUS = Token("sign", "+"), Token("sign", "-")


def has_signs(tokens: Sequence[Token]) -> bool:
    return any(token.value in SIGNS for token in tokens)


def read_signs(tokens: Sequence[Token], read: Callable[[list[Token]], Node]) -> Node:
    r"""The node of an answer with `\pm` or `\mp` in it.

    Args:
        read: of tokens without them; its errors are passed on.

    Raises:
        GrammarError: there are too many signs.
    """
    if _is_coupled(tokens):
        return _any_of([read(_coupled(tokens, *signs)) for signs in ((_PLUS, _MINUS), (_MINUS, _PLUS))])
    in_braces = _is_one_set(tokens)
    items, separators = _items(tokens[1:-1] if in_braces else tokens)
    # what names several things, or sets off points by semicolons, is one item
    if len({_name(item) for item in items} - {None}) > 1 or {";", ","} <= set(separators):
        items, separators = [tokens], []
    node = combine([_any_of([read(reading) for reading in _readings(item)]) for item in items], separators)
    return as_set([node]) if in_braces else _any_of([node])


def _is_coupled(tokens: Sequence[Token]) -> bool:
    values = [token.value for token in tokens]
    return r"\mp" in values or any(
        value in SIGNS and (values[at - 1 : at] == ["_"] or values[max(0, at - 2) : at] == ["_", "{"])
        for at, value in enumerate(values)
    )


def _is_one_set(tokens: Sequence[Token]) -> bool:
    """Checks whether braces stand around the whole answer."""
    values = [token.value for token in tokens]
    return values[0] == r"\{" and values[-1] == r"\}" and r"\}" not in values[:-1]


def _items(tokens: Sequence[Token]) -> tuple[list[Sequence[Token]], list[str]]:
    """Items between separators outside of brackets, and these separators; empty items are left out."""
    items: list[list[Token]] = [[]]
    separators: list[str] = []
    depth = 0
    for token in tokens:
        depth += (token.value in OPENING) - (token.value in CLOSING)
        if token.kind == "environment":
            depth += -1 if token.value == "end" else 1
        if depth > 0 or not is_separator(token):
            items[-1].append(token)
        elif items[-1]:
            items.append([])
            separators.append(token.value.strip())
    kept = [item for item in items if item]
    return list(kept), separators[: len(kept) - 1]


def _name(tokens: Sequence[Token]) -> tuple[Token, ...] | None:
    """The tokens before an equals sign."""
    sign = Token("sign", "=")
    return tuple(tokens[: tokens.index(sign)]) if sign in tokens else None


def _readings(tokens: Sequence[Token]) -> list[list[Token]]:
    """The tokens with every choice of their signs."""
    places = [at for at, token in enumerate(tokens) if token.value in SIGNS]
    if len(places) > MAX_SIGNS:
        raise GrammarError(f"a value has {len(places)} signs of its own, more than {MAX_SIGNS}")
    readings = []
    for signs in product((_PLUS, _MINUS), repeat=len(places)):
        reading = list(tokens)
        for at, sign in zip(places, signs, strict=True):
            reading[at] = sign
        readings.append(reading)
    return readings


def _coupled(tokens: Sequence[Token], plus: Token, minus: Token) -> list[Token]:
    replaced = {r"\pm": plus, r"\mp": minus}
    return [replaced.get(token.value, token) for token in tokens]


def _any_of(readings: Sequence[Node]) -> Node:
    """Several readings of one text as one answer."""
    names = {node[1][0] for node in readings if node[0] == "assign"}
    if len(names) == 1 and all(node[0] == "assign" for node in readings):
        return "assign", (names.pop(), _any_of([node[1][1] for node in readings]))
    values = tuple(dict.fromkeys(as_list(list(readings))[1]))
    return values[0] if len(values) == 1 else ("list", values)
