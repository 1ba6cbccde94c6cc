r"""Comparison of vectors, structures and numbers in bases: 2\mathbf{i} - \mathbf{j} and (2, -1), 1011_2 and 13_8.

Consumes nodes and `Rules`; produces True, False, or None where exact forms and values at random points leave it open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from seed_grpo.verify.math.forms import algebra, matrices
from seed_grpo.verify.math.forms.algebra import Form
from seed_grpo.verify.math.forms.nodes import Node, as_form
from seed_grpo.verify.math.values import Rules, every, same_form

MOST_BASE = 36
"""largest base; its digits are 0 to 9 and A to Z"""


def _components(first: Sequence[Form], second: Sequence[Form], rules: Rules) -> bool | None:
    return every(same_form(one, other, rules) for one, other in zip(first, second, strict=True))


def same_vectors(first: Node, second: Node, rules: Rules) -> bool | None:
    return _components(first[1], second[1], rules)


def same_as_point(point: Node, vector: Node, rules: Rules) -> bool | None:
    """Compares a vector with a point or a column: 2i - j means (2, -1) and (2, -1, 0)."""
    if point[0] == "tuple":
        items = point[1][1] if (point[1][0], point[1][2]) == ("(", ")") else ()
    else:
        items = tuple(row[0] for row in point[1]) if all(len(row) == 1 for row in point[1]) else ()
    if len(items) not in (2, 3) or any(item[0] not in ("number", "expression") for item in items):
        return False
    return _components([*map(as_form, items), algebra.number(0)][:3], vector[1], rules)


def same_as_plain_vector(vector: Node, form: Node, rules: Rules) -> bool | None:
    """Compares a vector with a form, in which i, j and k in plain letters are unit vectors too."""
    found = matrices.plain_components(form[1])
    return False if found is None else _components(vector[1], found, rules)


def same_as_plain_point(point: Node, form: Node, rules: Rules) -> bool | None:
    """Compares a point with 2i - j in plain letters, which means (2, -1).

    With i and another of the letters there is nothing else that it could mean.
    """
    found = matrices.plain_components(form[1])
    if found is None or not found[0] or not (found[1] or found[2]):
        return False
    return same_as_point(point, ("vector", found), rules)


def same_as_vector_in_units(vector: Node, quantity: Node, rules: Rules) -> bool | None:
    """Compares a vector with one in a unit; without a unit it means the vector with any."""
    found = matrices.components(quantity[1][0])
    return False if found is None else _components(vector[1], found, rules)


def same_as_symbol(structure: Node, form: Node, rules: Rules) -> bool | None:
    """Compares a structure with a symbol: C_6 and Z_6 are names of the cyclic group too."""
    same = [form[1] == algebra.atom("symbol", f"{letter}_{structure[1][0].removeprefix('Z/')}") for letter in "CZ"]
    return len(structure[1]) == 1 and structure[1][0].startswith("Z/") and any(same)


def same_in_bases(first: Node, second: Node, rules: Rules) -> bool | None:
    """Compares digits in two bases by their values, 1011_2 and 13_8; digits not of their base have none."""
    one, other = (_value_in_base(*node[1]) for node in (first, second))
    return one is not None and one == other


def same_in_base_ten(based: Node, number: Node, rules: Rules) -> bool | None:
    """Compares digits in a base with a number: 42_{10} means 42.

    In another base they do not mean a plain number: 42 is what was to be converted to 52_8.
    """
    return based[1][1] == "10" and _value_in_base(*based[1]) == algebra.as_number(as_form(number))


def _value_in_base(digits: str, base: str) -> Fraction | None:
    whole, _, decimals = digits.lstrip("-").partition(".")
    if not 2 <= int(base) <= MOST_BASE or any(int(digit, MOST_BASE) >= int(base) for digit in whole + decimals):
        return None
    value = Fraction(int(whole + decimals, int(base)), int(base) ** len(decimals))
    return -value if digits.startswith("-") else value


SHAPES: dict[tuple[str, str], Callable[[Node, Node, Rules], bool | None]] = {
    ("vector", "vector"): same_vectors,
    **{(kind, "vector"): same_as_point for kind in ("tuple", "matrix")},
    ("vector", "quantity"): same_as_vector_in_units,
    ("vector", "expression"): same_as_plain_vector,
    **{(kind, "expression"): same_as_plain_point for kind in ("tuple", "matrix")},
    ("structure", "expression"): same_as_symbol,
    ("based", "based"): same_in_bases,
    ("based", "number"): same_in_base_ten,
}
"""rules by kinds, in the order of `seed_grpo.verify.math.equivalence`"""
