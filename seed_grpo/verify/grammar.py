r"""The grammar of answers: from tokens to nodes, by recursive descent.

A node is `(kind, value)`, hashable, equal for answers that the exact forms can tell to be equal:

    number      Fraction                      percent     Fraction as written, 28 for 28%
    expression  form of `algebra`             based       (digits, base), e.g. 52_8
    set         sorted items; lists too       tuple       (opening, items, closing): points and intervals
    union       sorted pieces                 matrix      rows of nodes
    equation    form that is zero             inequality  (sign, form): the form is < <= != 0

It consumes tokens of `tokens.tokenize` and calls `algebra`; it evaluates no text. Units after a number are dropped.
"""

from __future__ import annotations

from collections.abc import Hashable
from fractions import Fraction

from seed_grpo.verify import algebra
from seed_grpo.verify.algebra import Form
from seed_grpo.verify.expressions import PERCENT, ExpressionReader
from seed_grpo.verify.limits import MAX_ITEMS, BoundReachedError, sort_key
from seed_grpo.verify.token_reader import END, GrammarError
from seed_grpo.verify.tokens import Token

Node = tuple[str, Hashable]

FLIPPED = {">": "<", ">=": "<="}

def read_answer(tokens: list[Token]) -> Node:
    r"""The node of a whole answer; with `\pm` the set of both readings.

    Raises:
        GrammarError: the grammar does not cover it.
        ZeroDivisionError: it divides by zero.
        BoundReachedError: it would cost more than it may.
    """
    readings: list[Node] = []
    signs = [("+", "-"), ("-", "+")] if any(token.value in (r"\pm", r"\mp") for token in tokens) else [("+", "-")]
    for plus_minus, minus_plus in signs:
        replaced = {r"\pm": Token("sign", plus_minus), r"\mp": Token("sign", minus_plus)}
        readings.append(_AnswerReader([replaced.get(token.value, token) for token in tokens]).answer())
    return readings[0] if len(readings) == 1 else _set(readings)


def _set(items: list[Node]) -> Node:
    """Items of nested lists are items; order and repetition do not matter."""
    flat: list[Node] = []
    for item in items:
        flat.extend(item[1] if item[0] == "set" else [item])  # type: ignore[arg-type]
    if len(flat) > MAX_ITEMS:
        raise BoundReachedError(f"a list has over {MAX_ITEMS} items")
    return "set", tuple(sorted(dict.fromkeys(flat), key=sort_key))


def expression(form: Form) -> Node:
    value = algebra.as_number(form)
    return ("expression", form) if value is None else ("number", value)


def as_form(node: Node) -> Form:
    """The form of a number or an expression.

    Raises:
        GrammarError: it is neither.
    """
    if node[0] == "number":
        return algebra.number(node[1])  # type: ignore[arg-type]
    if node[0] == "expression":
        return node[1]  # type: ignore[return-value]
    raise GrammarError(f"{node[0]} in an expression")


class _AnswerReader(ExpressionReader):
    """Reads whole answers. A method consumes what its name says and returns its node."""

    def answer(self) -> Node:
        items = self._items()
        if self._peek() != END:
            raise GrammarError(f"unexpected {self._peek().value!r}")
        return items[0] if len(items) == 1 else _set(items)

    def _items(self) -> list[Node]:
        items = [self._union()]
        while self._is_separator(self._peek()):
            self._take()
            if self._is_separator(self._peek()):
                continue  # ", and"
            items.append(self._union())
        return items

    def _union(self) -> Node:
        pieces = [self._relation()]
        while self._accept(r"\cup"):
            pieces.append(self._relation())
        return pieces[0] if len(pieces) == 1 else ("union", tuple(sorted(set(pieces), key=sort_key)))

    def _relation(self) -> Node:
        sides, signs = [self._side()], []
        while self._peek().value in ("=", "<", ">", "<=", ">=", "!=", r"\in"):
            signs.append(self._take().value)
            sides.append(self._side())
        if not signs:
            return sides[0]
        if all(sign in ("=", r"\in") for sign in signs):
            if signs == ["="] and not self._is_name(sides[0]):
                return "equation", _monic(_difference(sides[0], sides[1]))
            return sides[-1]  # x = 5, x = 2 + 3 = 5, (p, q) = (3, 2), x in S
        if "=" in signs or r"\in" in signs:
            raise GrammarError("a chain of = and <")
        links = [
            ("inequality", self._inequality(sign, left, right))
            for sign, left, right in zip(signs, sides, sides[1:], strict=False)
        ]
        return links[0] if len(links) == 1 else ("chain", tuple(sorted(links, key=sort_key)))

    def _inequality(self, sign: str, left: Node, right: Node) -> Hashable:
        if sign in FLIPPED:
            left, right = right, left
        difference = _difference(left, right)
        if sign == "!=":
            return sign, _monic(difference)
        content = abs(difference[0][1]) if difference else Fraction(1)
        return FLIPPED.get(sign, sign), algebra.scale(difference, 1 / content)

    def _is_name(self, node: Node) -> bool:
        """A symbol, f(x), a product of capitals (AB) or a tuple of names: what stands left of = in `x = 5`."""
        if node[0] == "tuple":
            return all(self._is_name(item) for item in node[1][1])  # type: ignore[index]
        if node[0] != "expression":
            return False
        form = as_form(node)
        atoms = form[0][0]
        if len(form) > 1 or form[0][1] != 1 or any(exponent != 1 for _, exponent in atoms):
            return False
        names = [base[1] for base, _ in atoms if base[0] in ("symbol", "call", "function")]
        return len(names) == len(atoms) and (len(atoms) == 1 or all(str(name).isupper() for name in names))

    def _side(self) -> Node:
        token = self._peek()
        if token.value == r"\{" or (token.value in ("(", "[", "{") and self._has_comma()):
            return self._container()
        if token.kind == "environment":
            return self._matrix()
        if token.value == "[" and self._peek(1).kind == "environment":
            self._take()
            matrix = self._matrix()
            self._expect("]")
            return matrix
        if token.value == r"\emptyset":
            self._take()
            return "set", ()
        if token.kind == "number" and self._peek(1).value == "_":
            digits = self._take().value
            self._take()
            return "based", (digits.lstrip("0"), self._raw())
        form = self._sum()
        if self._peek().value in PERCENT:
            self._take()
            value = algebra.as_number(form)
            return ("percent", value) if value is not None else expression(algebra.scale(form, Fraction(1, 100)))
        return expression(form)

    def _container(self) -> Node:
        opening = self._take().value
        with_braces = opening in ("{", r"\{")
        items: list[Node] = []
        self._deeper()
        if not (with_braces and self._peek().value in ("}", r"\}")):
            items = self._items()
        self._depth -= 1
        closing = self._take().value
        if closing not in (("}", r"\}") if with_braces else (")", "]")):
            raise GrammarError(f"{opening!r} closed by {closing!r}")
        if len(items) > MAX_ITEMS:
            raise BoundReachedError(f"a list has over {MAX_ITEMS} items")
        return _set(items) if with_braces else ("tuple", (opening, tuple(items), closing))

    def _matrix(self) -> Node:
        self._take()
        self._deeper()
        rows: list[list[Node]] = [[]]
        while not self._accept("end"):
            if self._accept(r"\\"):
                rows.append([])
            elif not self._accept("&"):
                rows[-1].append(self._relation())
            if len(rows) * max(1, len(rows[-1])) > MAX_ITEMS:
                raise BoundReachedError(f"a matrix has over {MAX_ITEMS} entries")
        self._depth -= 1
        return "matrix", tuple(tuple(row) for row in rows if row)


def _difference(left: Node, right: Node) -> Form:
    return algebra.add(as_form(left), algebra.scale(as_form(right), Fraction(-1)))


def _monic(form: Form) -> Form:
    return algebra.scale(form, 1 / form[0][1]) if form else form
