r"""Functions by cases: `x` where x > 0, and `-x` otherwise.

Consumes values with their conditions; produces branches in canonical order, and what a form is on an interval or at a
point. Where all conditions are sets of one variable, the branches are regions: `otherwise` is what the others leave,
and equal values are joined. Other conditions (n is even, x < y) stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from seed_grpo.verify.isolation.bounds import BoundReachedError, GrammarError, sort_key
from seed_grpo.verify.math.forms import algebra, functions, numeric, regions
from seed_grpo.verify.math.forms.algebra import Atom, Form
from seed_grpo.verify.math.forms.nodes import Node
from seed_grpo.verify.math.forms.regions import Piece

MAX_BRANCHES = 20
MAX_PIECES = 60
"""intervals and points of all regions together"""
OTHERWISE: Node = ("otherwise", ())
SLACK = 1e-12
"""distance by which a zero may lie inside of an interval whose end it is, in double precision"""

Branch = tuple[Node, Node]
"""a condition and the value under it"""


def piecewise(branches: Sequence[Branch]) -> Node:
    """The node of a function by cases; of one value everywhere, that value.

    Raises:
        GrammarError: nothing but `otherwise`, or more than one; a set without the variable that lies in it; conditions
            that never hold.
        BoundReachedError: there are too many.
    """
    if len(branches) > MAX_BRANCHES:
        raise BoundReachedError(f"a function has over {MAX_BRANCHES} cases")
    conditions = [condition for condition, _ in branches]
    if conditions.count(OTHERWISE) > 1 or conditions == [OTHERWISE]:
        raise GrammarError("cases without conditions")
    if any(condition[0] == "region" and condition[1][0] is None for condition in conditions):
        raise GrammarError("a condition without its variable")
    names = {condition[1][0] for condition in conditions if condition[0] == "region"}
    if len(names) == 1 and all(condition[0] in ("region", "otherwise") for condition in conditions):
        branches = _by_region(names.pop(), branches)
        if not branches:
            raise GrammarError("cases that never hold")
        if len(branches) == 1 and branches[0][0][1][1] == regions.REALS:
            return branches[0][1]
    return "piecewise", tuple(sorted(branches, key=sort_key))


def _by_region(name: Form, branches: Sequence[Branch]) -> list[Branch]:
    """Branches with one region a value."""
    named = [condition[1][1] for condition, _ in branches if condition != OTHERWISE]
    rest = regions.complement(covered(named))
    joined: dict[Node, tuple[Piece, ...]] = {}
    for condition, value in branches:
        pieces = rest if condition == OTHERWISE else condition[1][1]
        joined[value] = regions.union(joined.get(value, ()), pieces)
    if sum(map(len, joined.values())) > MAX_PIECES:
        raise BoundReachedError(f"a function has cases on over {MAX_PIECES} intervals")
    return [(("region", (name, pieces)), value) for value, pieces in joined.items() if pieces]


def covered(parts: Sequence[tuple[Piece, ...]]) -> tuple[Piece, ...]:
    """The union of several regions."""
    whole: tuple[Piece, ...] = ()
    for pieces in parts:
        whole = regions.union(whole, pieces)
    return whole


def by_region(node: Node) -> tuple[Form, list[tuple[tuple[Piece, ...], Node]]] | None:
    """The variable, and the regions with their values; None where conditions are no regions."""
    branches = node[1]
    if any(condition[0] != "region" for condition, _ in branches):
        return None
    return branches[0][0][1][0], [(condition[1][1], value) for condition, value in branches]


def on_piece(form: Form, name: Form, piece: Piece) -> Form:
    """The form that holds on an interval, or at a point: there |x| is x or -x, and min(x, 1) one of the two.

    Raises:
        ZeroDivisionError: it has no value at the point.
    """
    (((variable, _),), _) = name[0]

    def known(base: Atom) -> Form | None:
        if base == variable:
            return piece.low.form if piece.low.form == piece.high.form else None
        match base:
            case ("call", "abs", inside):
                sign = _sign(inside, variable, piece)
                return None if sign is None else algebra.scale(inside, Fraction(sign))
            case ("function", "min" | "max" as which, (first, second)):
                sign = _sign(algebra.add(first, algebra.scale(second, Fraction(-1))), variable, piece)
                return None if sign is None else first if (sign < 0) == (which == "min") else second
        return None

    def image(base: Atom) -> Form:
        match base:
            case ("sum", inside):
                return algebra.map_atoms(inside, image)
            case ("power", below, above):
                return algebra.power(algebra.map_atoms(below, image), algebra.map_atoms(above, image))
            case ("call", called, inside):
                base = ("call", called, algebra.map_atoms(inside, image))
            case ("function", "min" | "max" as which, forms):
                base = ("function", which, tuple(algebra.map_atoms(inside, image) for inside in forms))
        found = known(base)
        return _evaluated(base) if found is None else found

    return algebra.map_atoms(form, image)


def _evaluated(base: Atom) -> Form:
    """The form of an atom; of an absolute value, a minimum or a maximum its value, where that is known."""
    match base:
        case ("call", "abs", form):
            return functions.absolute(form)
        case ("function", "min" | "max" as which, forms):
            return functions.FUNCTIONS[which](forms)
    return algebra.atom(*base)


def _sign(form: Form, variable: Atom, piece: Piece) -> int | None:
    """The sign of a polynomial of at most second degree inside of an interval; None where it changes there."""
    low, high = regions.position(piece.low.form), regions.position(piece.high.form)
    coefficients = _coefficients(form, variable)
    if coefficients is None or low == high or not all(map(math.isfinite, coefficients)):
        return None
    c, b, a = coefficients
    roots = [-c / b] if not a and b else []
    if a and b * b >= 4 * a * c:
        roots = [(-b + side * (b * b - 4 * a * c) ** 0.5) / (2 * a) for side in (-1, 1)]
    if any(low + SLACK * (1 + abs(root)) < root < high - SLACK * (1 + abs(root)) for root in roots):
        return None
    inner = _inside(low, high)
    value = c + inner * (b + inner * a)
    return None if math.isnan(value) else 1 if value > 0 else -1


def _inside(low: float, high: float) -> float:
    if low == -float("inf"):
        return 0.0 if high == float("inf") else high - 1 - abs(high)
    return low + 1 + abs(low) if high == float("inf") else (low + high) / 2


def _coefficients(form: Form, variable: Atom) -> tuple[float, float, float] | None:
    """The coefficients of 1, x and x^2."""
    found = [0.0, 0.0, 0.0]
    for monomial, coefficient in form:
        exponents = dict(monomial)
        degree = exponents.pop(variable, Fraction(0))
        value = numeric.real_value(((tuple(exponents.items()), coefficient),))
        if degree not in (0, 1, 2) or value is None:
            return None
        found[int(degree)] += value
    return found[0], found[1], found[2]
