r"""Statements that sides, signs and separators make: assignments, equations, inequalities, regions, lists, systems.

Consumes nodes that the grammar has read; produces nodes. It reads no tokens.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction

from seed_grpo.verify.isolation.bounds import GrammarError, sort_key
from seed_grpo.verify.math.forms import algebra, numeric, regions
from seed_grpo.verify.math.forms.algebra import Form
from seed_grpo.verify.math.forms.calls import GAUGED
from seed_grpo.verify.math.forms.contents import contents
from seed_grpo.verify.math.forms.nodes import Node, as_form, as_list, as_set, difference, equation, monic
from seed_grpo.verify.math.forms.regions import NoRegionError, Piece

EQUALITIES = ("=", r"\in", r"\approx")
COLLECTIONS = ("set", "list", "tuple", "region", "sets", "reals", "structure", "expression", "number")
"""kinds that something can be an element of; an expression may name a set"""
FLIPPED = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "!=": "!="}


def relate(sides: Sequence[Node], signs: Sequence[str]) -> Node:
    """The node of `side sign side ...`; of a calculation in steps its last exact value."""
    if r"\in" in signs and not (list(signs) == [r"\in"] and is_name(sides[0]) and sides[1][0] in COLLECTIONS):
        raise GrammarError("an element of what is no set")
    if all(sign in EQUALITIES for sign in signs):
        if r"\approx" in signs:  # what stands left of it is exact
            start = 1 if is_name(sides[0]) else 0
            sides = sides[: 1 + max(start, signs.index(r"\approx"))]
        if len(sides) == 1:
            return sides[0]
        return _equate(sides)
    if list(signs) == [r"\notin"]:
        return negation(relate(sides, [r"\in"]))
    if any(sign in (*EQUALITIES, r"\notin") for sign in signs):
        raise GrammarError("a chain of = and <")
    links = [_inequality(*link) for link in zip(signs, sides, sides[1:], strict=False)]
    return conjunction(links) if len(links) > 1 else links[0]


def _equate(sides: Sequence[Node]) -> Node:
    first, last = sides[0], sides[-1]
    if any(side[0] not in ("number", "expression") for side in sides) and not is_name(first):
        return last  # 0.56 = 56%
    if all(_is_constant(side) for side in sides) and not is_name(first):
        return _value_of_steps(sides)
    if is_name(first) or _is_gauge(first, last):
        if first == last:
            raise GrammarError("an equation that says nothing")
        return "assign", (first, last)
    if is_name(last) and len(sides) == 2 and first[0] in ("number", "expression") and not _shares_atom(first, last):
        return "assign", (last, first)  # 5 = x
    if len(sides) == 2:
        node = equation(first, last)
        if not node[1]:
            raise GrammarError("an equation that says nothing")
        return node
    return last


def _is_constant(side: Node) -> bool:
    return side[0] == "number" or (side[0] == "expression" and not contents(side[1]).names)


def _value_of_steps(sides: Sequence[Node]) -> Node:
    """The value of a chain of equal numbers: `2^{10} = 1024` means 1024; a false one means nothing."""
    for left, right in itertools.pairwise(sides):
        if numeric.differ(as_form(left), as_form(right)):
            raise GrammarError("an equation of numbers that is false")
    return sides[-1]


def _is_gauge(left: Node, right: Node) -> bool:
    r"""Checks for an equation that says the value of a function: `\sin\theta = 3/5`, not `\sin\theta = \cos\theta`."""
    if left[0] != "expression" or len(left[1]) != 1 or left[1][0][1] != 1 or len(left[1][0][0]) != 1:
        return False
    ((base, exponent),) = left[1][0][0]
    is_asked_for = base[0] == "call" and base[1] in GAUGED and exponent.denominator == 1 and exponent > 0
    return is_asked_for and bool(contents(left[1]).names) and _is_constant(right)


def _shares_atom(first: Node, second: Node) -> bool:
    def atoms(form: Form) -> set:
        return {base for monomial, _ in form for base, _ in monomial}

    return bool(atoms(as_form(first)) & atoms(as_form(second))) or first[0] == "expression"


def is_name(node: Node) -> bool:
    """Checks for a name, the left of `x = 5`: a symbol, f(x), AB, |AB|, NO/BO, a ratio or a tuple of names."""
    kind, value = node
    if kind == "tuple":
        return all(is_name(item) for item in value[1])
    if kind == "ratio":
        return all(form == algebra.number(1) or _names_only(form) for form in value)
    return kind == "expression" and _names_only(value)


def _names_only(form: Form) -> bool:
    if len(form) != 1 or form[0][1] != 1 or not form[0][0]:
        return False
    names = []
    for base, exponent in form[0][0]:
        if abs(exponent) != 1 or base[0] not in ("symbol", "function", "call"):
            return False
        if base[0] == "call":
            if base[1] != "abs" or exponent < 0 or not _names_only(base[2]):
                return False
            base = base[2][0][0][0][0]
        names.append(base[1])
    is_ratio = any(exponent < 0 for _, exponent in form[0][0]) and len(names) == 2
    return len(names) == 1 or is_ratio or all(str(name)[0].isupper() for name in names)


def _inequality(sign: str, left: Node, right: Node) -> Node:
    over = difference(left, right)
    if all(not monomial for monomial, _ in over):
        raise GrammarError("an inequality of numbers")
    region = _region_of(sign, over)
    if region is not None:
        return "region", region
    if sign == "!=":
        return "inequality", (sign, monic(over))
    if sign in (">", ">="):
        sign, over = FLIPPED[sign], algebra.scale(over, Fraction(-1))
    content = abs(over[0][1]) if over else Fraction(1)
    return "inequality", (sign, algebra.scale(over, 1 / content))


def _region_of(sign: str, over: Form) -> tuple[Form, tuple[Piece, ...]] | None:
    """Name and pieces where `over sign 0` is linear in one name, or in the absolute value of such."""
    linear = [(monomial, coefficient) for monomial, coefficient in over if _is_variable(monomial)]
    if len(linear) != 1:
        return None
    (monomial, coefficient) = linear[0]
    rest = tuple(term for term in over if term[0] != monomial)
    bound = algebra.scale(rest, -1 / coefficient)
    sign = FLIPPED[sign] if coefficient < 0 else sign
    base = monomial[0][0]
    try:
        if base[0] == "call":
            return _absolute(sign, base[2], bound)
        return ((monomial, Fraction(1)),), regions.half_line(sign, bound)
    except NoRegionError:
        return None


def _is_variable(monomial: algebra.Monomial) -> bool:
    if len(monomial) != 1 or monomial[0][1] != 1:
        return False
    base = monomial[0][0]
    return base[0] in ("symbol", "function") or (base[0] == "call" and base[1] == "abs")


def _absolute(sign: str, inside: Form, bound: Form) -> tuple[Form, tuple[Piece, ...]] | None:
    """The region of |inside| sign bound."""
    if regions.position(bound) < 0:
        return None
    above = _region_of(sign, algebra.add(inside, algebra.scale(bound, Fraction(-1))))
    below = _region_of(FLIPPED[sign], algebra.add(inside, bound))
    if above is None or below is None or above[0] != below[0]:
        return None
    combine = regions.union if sign in (">", ">=") else regions.intersection
    return above[0], combine(above[1], below[1])


def negation(statement: Node) -> Node:
    """The node that says the contrary of `x \\in S` or `x = S`: x is elsewhere on the real line.

    Raises:
        GrammarError: it says nothing of a set of real numbers.
    """
    pieces = as_region(statement[1][1]) if statement[0] == "assign" else None
    if pieces is None:
        raise GrammarError("the negation of what is no set of numbers")
    return "region", (statement[1][0][1], regions.complement(pieces))


def conjunction(links: Sequence[Node]) -> Node:
    """The node of inequalities that all hold."""
    named = [link[1] for link in links if link[0] == "region"]
    if len(named) == len(links) and len({name for name, _ in named}) == 1:
        pieces = named[0][1]
        for _, other in named[1:]:
            pieces = regions.intersection(pieces, other)
        return "region", (named[0][0], pieces)
    return "chain", tuple(sorted(dict.fromkeys(links), key=sort_key))


def as_region(node: Node) -> tuple[Piece, ...] | None:
    """The pieces that a node is, where it is a set of real numbers: a region, an interval, numbers."""
    kind, value = node
    try:
        if kind == "region":
            return value[1]
        if kind == "reals":
            return regions.REALS
        if kind in ("set", "list"):
            return regions.points([as_form(item) for item in value])
        if kind == "tuple" and len(value[1]) == 2:
            low, high = (as_form(item) for item in value[1])
            return regions.interval(value[0], low, high, value[2])
    except (NoRegionError, GrammarError):
        return None
    return None


def is_interval(node: Node) -> bool:
    """Checks whether a tuple can be nothing else: a square bracket, or an infinite end."""
    if node[0] == "region":
        return True
    if node[0] != "tuple" or len(node[1][1]) != 2:
        return False
    ends = [regions.INFINITY, regions.MINUS_INFINITY]
    return (node[1][0], node[1][2]) != ("(", ")") or any(item[1] in ends for item in node[1][1])


def operate(operation: str, first: Node, second: Node) -> Node:
    r"""The union, intersection or difference of two nodes."""
    first, second = (as_set([each]) if each[0] in ("number", "expression") else each for each in (first, second))
    if operation == r"\cup" and first[0] in ("set", "list") and second[0] in ("set", "list"):
        return as_set([first, second])
    left, right = as_region(first), as_region(second)
    if left is None or right is None:
        if operation == r"\setminus":
            return "sets", (operation, first, second)
        joined = first[1][1:] if first[0] == "sets" and first[1][0] == operation else (first,)
        return "sets", (operation, *sorted((*joined, second), key=sort_key))
    if operation == r"\cup":
        pieces = regions.union(left, right)
    else:
        pieces = regions.intersection(left, right if operation == r"\cap" else regions.complement(right))
    if all(piece.low == piece.high for piece in pieces):
        return as_set([_number(piece.low.form) for piece in pieces])
    return "region", (None, pieces)


def _number(form: Form) -> Node:
    value = algebra.as_number(form)
    return ("number", value) if value is not None else ("expression", form)


def combine(items: Sequence[Node], separators: Sequence[str]) -> Node:
    """The node of a list, from its items and the separators between them: `,`, `;`, `and` or `or`."""
    if len(items) == 1:
        return items[0]
    for strong in (";", "or", "and"):
        if strong in separators and "," in separators:
            parts = _split(items, separators, strong)
            points = len({len(part) for part in parts}) == 1 and len(parts[0]) > 1
            if points and (strong == ";" or all(item[0] == "assign" for item in items)):
                return as_list([_as_point(part) for part in parts])
    if all(item[0] == "assign" for item in items):
        return _assignments(items)
    if items[0][0] == "assign" and all(item[0] != "assign" for item in items[1:]):
        name, value = items[0][1]
        return "assign", (name, as_list([value, *items[1:]]))
    regions_only = all(is_interval(item) for item in items) and ("or" in separators or items[0][0] == "region")
    if regions_only or ("or" in separators and {item[0] for item in items} == {"region", "assign"}):
        return _regions(items, separators)
    return as_list(list(items))


def _split(items: Sequence[Node], separators: Sequence[str], strong: str) -> list[list[Node]]:
    parts = [[items[0]]]
    for separator, item in zip(separators, items[1:], strict=True):
        if separator == strong:
            parts.append([item])
        else:
            parts[-1].append(item)
    return parts


def by_name(items: Sequence[Node]) -> list[Node]:
    """Assignments of single letters in the order of the letters, as points are written; others as they stand."""
    names = [item[1][0][1] for item in items if item[0] == "assign" and item[1][0][0] == "expression"]
    letters = [str(name[0][0][0][0][1]) for name in names]
    if len(letters) < len(items) or any(len(letter) > 1 for letter in letters):
        return list(items)
    return [item for _, item in sorted(zip(letters, items, strict=True), key=lambda pair: pair[0])]


def _as_point(part: list[Node]) -> Node:
    values = [item[1][1] if item[0] == "assign" else item for item in by_name(part)]
    return "tuple", ("(", tuple(values), ")")


def _assignments(items: Sequence[Node]) -> Node:
    names = [item[1][0] for item in items]
    values = [item[1][1] for item in items]
    if len(set(names)) == 1:
        return "assign", (names[0], as_list(values))
    return "system", tuple(items)


def _regions(items: Sequence[Node], separators: Sequence[str]) -> Node:
    """The node of regions side by side: all hold where that is possible and no `or` says otherwise."""
    pieces = [as_region(("set", (item[1][1],)) if item[0] == "assign" else item) for item in items]
    names = {item[1][0] for item in items if item[0] == "region"}
    names |= {item[1][0][1] for item in items if item[0] == "assign"}
    if None in pieces or len(names) > 1:
        return as_list(list(items))
    name = names.pop() if names else None
    both, either = pieces[0], pieces[0]
    for other in pieces[1:]:
        assert both is not None and either is not None and other is not None
        both, either = regions.intersection(both, other), regions.union(either, other)
    return "region", (name, both if both and "or" not in separators and name is not None else either)
