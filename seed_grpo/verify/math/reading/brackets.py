r"""The grammar of brackets: sets, lists, tuples, vectors, matrices and what is calculated with them.

Consumes tokens; produces nodes. What stands in a bracket is read by `seed_grpo.verify.math.reading.grammar`.
"""

from __future__ import annotations

from fractions import Fraction

from seed_grpo.verify.isolation.bounds import MAX_ITEMS, BoundReachedError, GrammarError, spend
from seed_grpo.verify.math.forms import algebra, matrices, regions
from seed_grpo.verify.math.forms.algebra import Form
from seed_grpo.verify.math.forms.nodes import Node, as_list, as_set
from seed_grpo.verify.math.reading.operators import OperatorReader
from seed_grpo.verify.math.reading.statements import as_region

SIGNS = ("=", "<", ">", "<=", ">=", "!=", r"\in", r"\approx")

SCALARS = {r"\det": "det", "det": "det", "tr": "trace", "trace": "trace", "Tr": "trace"}
"""what makes a number of a matrix"""


class BracketReader(OperatorReader):
    """Reads brackets. A method consumes what its name says and returns its node."""

    _colon_follows = False
    """whether a colon is the one of {x : x > 3}, and of no ratio"""

    def _relation(self) -> Node:
        raise NotImplementedError

    def _items(self) -> Node:
        raise NotImplementedError

    def _container(self) -> Node:
        opening = self._take().value
        with_braces = opening in ("{", r"\{")
        items: list[Node] = []
        self._deeper()
        if not (with_braces and self._peek().value in ("}", r"\}")):
            items = self._contents(with_braces)
        self._depth -= 1
        closing = self._take().value
        if closing not in (("}", r"\}") if with_braces else (")", "]")):
            raise GrammarError(f"{opening!r} closed by {closing!r}")
        if not with_braces:
            return "tuple", (opening, tuple(items), closing)
        if opening == "{":
            return as_list(items)
        return items[0] if len(items) == 1 and items[0][0] == "region" else as_set(items)

    def _contents(self, with_braces: bool) -> list[Node]:
        outside = self._colon_follows, self._bar_ends
        self._colon_follows = self._bar_ends = with_braces
        items = [self._relation()]
        self._colon_follows, self._bar_ends = outside
        if with_braces and self._peek().value in ("|", ":"):  # {x | x > 3}
            self._take()
            domain, condition = as_region(items[0]), self._items()
            region = as_region(condition)
            if region is None:
                raise GrammarError("a set of what is no region")
            return [("region", (None, regions.intersection(region, domain or regions.REALS)))]
        while self._is_separator(self._peek()):
            self._take()
            if not self._is_separator(self._peek()):
                items.append(self._relation())
            if len(items) > MAX_ITEMS:
                raise BoundReachedError(f"a list has over {MAX_ITEMS} items")
        return items

    def _vector(self) -> Node:
        self._take()
        items = self._contents(False)
        self._expect(r"\rangle")
        return "tuple", ("(", tuple(items), ")")

    def _is_matrix_ahead(self) -> bool:
        """Whether a matrix stands in this side, before its end and outside of other brackets and of determinants."""
        inside = 0
        for at in range(self._next, len(self._tokens)):
            token = self._tokens[at]
            spend(1)
            if token.kind == "environment":
                if not inside and token.value != "end" and self._scalar_before(at) is None:
                    return True
                inside += 1 if token.value != "end" else -1
                if inside < 0:
                    return False
            elif not inside and (token.value in ("&", r"\\", *SIGNS) or self._is_separator(token)):
                return False
        return False

    def _scalar_before(self, at: int) -> str | None:
        r"""Which number is made of the matrix at a place: by vmatrix, bars, \det or tr."""
        before = [self._tokens[at - each].value if at >= each else "" for each in (1, 2)]
        if self._tokens[at].value == "vmatrix" or before[0] == "|":
            return "det"
        names = before[:1] if before[0] not in ("(", "[", "{") else before[1:]
        return SCALARS.get(names[0])

    def _base(self) -> Form:
        if self._peek().value not in SCALARS and self._peek().value not in ("|", "vmatrix"):
            return super()._base()
        ahead = next((ahead for ahead in range(3) if self._peek(ahead).kind == "environment"), None)
        name = self._scalar_before(self._next + ahead) if ahead is not None else None
        if name is None:
            return super()._base()
        if self._peek().value in SCALARS:
            self._take()
        with_bars = self._accept("|")
        rows = self._matrix(self._peek().kind != "environment")
        if with_bars:
            self._expect("|")
        return matrices.determinant(rows) if name == "det" else matrices.trace(rows)

    def _matrix_sum(self) -> Node:
        rows: matrices.Rows | None = None
        while True:
            sign = Fraction(self._signs())
            scalar, term = self._matrix_term()
            if rows is None and sign == 1 and scalar == algebra.number(1) and self._peek().value not in ("+", "-"):
                return "matrix", term
            scaled = matrices.times(algebra.scale(scalar, sign), term)
            rows = scaled if rows is None else matrices.plus(rows, scaled)
            if self._peek().value not in ("+", "-"):
                return "matrix", rows

    def _matrix_term(self) -> tuple[Form, matrices.Rows]:
        scalar, rows = algebra.number(1), None
        while True:
            bracket = self._peek().value in ("(", "[", "{") and self._peek(1).kind == "environment"
            if bracket or (self._peek().kind == "environment" and self._peek().value != "end"):
                matrix = self._matrix(bracket)
                rows = matrix if rows is None else matrices.product(rows, matrix)
            elif self._peek().kind == "number" or self._peek().value == r"\frac" or self._starts_factor(self._peek()):
                scalar = algebra.mul(scalar, self._factor())
            elif not self._accept("*"):
                break
        if rows is None:
            raise GrammarError("a matrix and a number in one sum")
        return scalar, rows

    def _matrix(self, bracket: bool) -> matrices.Rows:
        opening = self._take().value if bracket else ""
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
        if bracket:
            self._expect({"(": ")", "[": "]", "{": "}"}[opening])
        matrix = tuple(tuple(row) for row in rows if row)
        return matrices.raised(matrix, self._raw()) if self._accept("^") else matrix
