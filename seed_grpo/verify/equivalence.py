r"""Whether two nodes mean the same: the relation `math`, as far as it is quickly told.

Consumes nodes and a `Rules`; produces True, False, or None where exact forms and values at random points leave it
open. The relation is symmetric and reflexive. It is not transitive where benchmarks accept a written convention: 28%
means 28 and 0.28, a value without its unit means the value with any, `1, 3` means (1, 3) and, as a list, `3, 1`.

Numbers are exact: 1/3 is not 0.333. `Rules` says when a decimal stands for what it is the beginning of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

from seed_grpo.verify import algebra, numeric
from seed_grpo.verify.algebra import Form
from seed_grpo.verify.expressions import DEGREE as RADIANS
from seed_grpo.verify.nodes import Node, as_form, items_of
from seed_grpo.verify.regions import Piece
from seed_grpo.verify.statements import as_region
from seed_grpo.verify.units import DEGREE, RADIAN, read_unit

FLOAT_DIGITS = 15
"""significant digits of a decimal that are looked at: a double holds no more"""


def undecided(first: Form, second: Form) -> bool | None:
    """In process: nobody is asked."""
    return None


class Rules(NamedTuple):
    """When two different numbers count as the same, and what decides where the quick means do not."""

    decimal_digits: int = 12
    """a decimal of at least this many significant digits means every number that begins with its digits, to one unit
    of the last of them (of the first 15)"""
    relative: float = 0.0
    """numbers that differ by at most this fraction of the larger are the same; Minerva's benchmark takes 0.01"""
    equal: Callable[[Form, Form], bool | None] = undecided
    """whether two expressions that agree at points, or have no value there, are equal"""
    proportional: Callable[[Form, Form], bool | None] = undecided
    """whether their quotient is constant, positive or not"""


def compare(first: Node, second: Node, rules: Rules) -> bool | None:
    """Whether two nodes mean the same; None: neither exact forms nor values at points can tell."""
    if first == second:
        return True
    one, other = sorted((first, second), key=lambda node: ORDER.get(node[0], len(ORDER)))
    if one[0] in ("assign", "comma") and one[0] != other[0]:
        return UNWRAPPED[one[0]](one[1], other, rules)
    rule = RULES.get((one[0], other[0]))
    return rule(one, other, rules) if rule is not None else False


def same_form(first: Form, second: Form, rules: Rules) -> bool | None:
    """Of two expressions."""
    if first == second:
        return True
    exact, other_exact = algebra.as_number(first), algebra.as_number(second)
    if exact is not None and other_exact is not None:
        return _near(exact, other_exact, rules)
    infinite = [numeric.real_value(form) for form in (first, second) if _is_infinite(form)]
    if len(infinite) == 2 and None not in infinite:
        return infinite[0] == infinite[1]
    if not numeric.differ(first, second):
        # agreement at points is no proof, and where there is no value there is nothing to see
        apart = _is_infinite(first) != _is_infinite(second) or algebra.is_huge(first) != algebra.is_huge(second)
        return False if apart and _one_in_reach(first, second) else rules.equal(first, second)
    value, other_value = numeric.real_value(first), numeric.real_value(second)
    if value is None or other_value is None or not math.isfinite(value) or not math.isfinite(other_value):
        return False
    return _near(
        exact if exact is not None else Fraction(value),
        other_exact if other_exact is not None else Fraction(other_value),
        rules,
        decimals=tuple(number for number in (exact, other_exact) if number is not None),
    )


def _near(first: Fraction, second: Fraction, rules: Rules, decimals: Sequence[Fraction] | None = None) -> bool:
    apart = abs(first - second)
    if apart <= Fraction(rules.relative) * max(abs(first), abs(second)):
        return True
    return any(
        apart <= unit for unit in map(_last_unit(rules), (first, second) if decimals is None else decimals) if unit
    )


def _last_unit(rules: Rules) -> Callable[[Fraction], Fraction]:
    """One unit of a decimal's last digit, 0 for what is no decimal or has too few digits."""

    def unit(value: Fraction) -> Fraction:
        bottom, twos, fives = value.denominator, 0, 0
        if bottom == 1:
            return Fraction(0)
        while bottom % 2 == 0:
            bottom, twos = bottom // 2, twos + 1
        while bottom % 5 == 0:
            bottom, fives = bottom // 5, fives + 1
        if bottom > 1:
            return Fraction(0)
        places = max(twos, fives)
        digits = len(str(abs(value.numerator) * 10**places // value.denominator))
        if digits < rules.decimal_digits:
            return Fraction(0)
        return Fraction(1, 10**places) * 10 ** max(0, digits - FLOAT_DIGITS)

    return unit


def _is_infinite(form: Form) -> bool:
    return any(base == ("constant", "infinity") for monomial, _ in form for base, _ in monomial)


def _one_in_reach(first: Form, second: Form) -> bool:
    return None not in numeric.values(first) or None not in numeric.values(second)


def _forms(first: Node, second: Node, rules: Rules) -> bool | None:
    return same_form(as_form(first), as_form(second), rules)


def _percents(first: Node, second: Node, rules: Rules) -> bool | None:
    return same_form(first[1], second[1], rules)


def _percent(percent: Node, other: Node, rules: Rules) -> bool | None:
    """28% means 28, as benchmarks have it, and 0.28, which it is."""
    form = as_form(other)
    hundredth = algebra.scale(percent[1], Fraction(1, 100))
    return _any((same_form(percent[1], form, rules), same_form(hundredth, form, rules)))


def _quantity(quantity: Node, other: Node, rules: Rules) -> bool | None:
    """A value without a unit means the value with any; an angle's is in degrees or in radians."""
    form, unit = quantity[1]
    verdicts = [same_form(form, as_form(other), rules)]
    if unit == DEGREE:
        verdicts.append(same_form(algebra.mul(form, RADIANS), as_form(other), rules))
    product = _as_quantity(other)
    if product is not None:
        verdicts.append(_quantities(quantity, product, rules))
    return _any(verdicts)


def _as_quantity(node: Node) -> Node | None:
    """A number times a symbol as a quantity, if the symbol can be a unit: 3 m."""
    if node[0] != "expression" or len(node[1]) != 1 or len(node[1][0][0]) != 1:
        return None
    (((base, exponent),), coefficient) = node[1][0]
    unit = read_unit(f"{base[1]}^{exponent}") if base[0] == "symbol" and exponent.denominator == 1 else None
    return None if unit is None else ("quantity", (algebra.number(coefficient), unit))


def _quantities(first: Node, second: Node, rules: Rules) -> bool | None:
    (form, unit), (other_form, other_unit) = first[1], second[1]
    if (unit, other_unit) == (DEGREE, RADIAN):
        return same_form(algebra.mul(form, RADIANS), other_form, rules)
    if (unit, other_unit) == (RADIAN, DEGREE):
        return same_form(form, algebra.mul(other_form, RADIANS), rules)
    if unit.dimensions != other_unit.dimensions:
        return False
    return same_form(algebra.scale(form, unit.factor), algebra.scale(other_form, other_unit.factor), rules)


def _ratio(ratio: Node, other: Node, rules: Rules) -> bool | None:
    """3:4 means 3/4."""
    if len(ratio[1]) != 2 or not ratio[1][1]:
        return False
    return same_form(algebra.power(ratio[1][1], algebra.number(-1)), as_form(other), rules)


def _ratios(first: Node, second: Node, rules: Rules) -> bool | None:
    if len(first[1]) != len(second[1]):
        return False
    return _all(same_form(one, other, rules) for one, other in zip(first[1], second[1], strict=True))


def _in_order(first: Node, second: Node, rules: Rules) -> bool | None:
    return _pairwise(items_of(first), items_of(second), rules)


def _pairwise(first: Sequence[Node], second: Sequence[Node], rules: Rules) -> bool | None:
    if len(first) != len(second):
        return False
    return _all(compare(one, other, rules) for one, other in zip(first, second, strict=True))


def _tuples(first: Node, second: Node, rules: Rules) -> bool | None:
    ends = (first[1][0], first[1][2]) == (second[1][0], second[1][2])
    if not ends and len(first[1][1]) == 2:  # of two items it is an interval
        return False
    return _in_order(first, second, rules)


def _any_order(first: Node, second: Node, rules: Rules) -> bool | None:
    """Every item has its match. Items that are equal by hash are matched first; the rest one by one."""
    items, others = list(first[1]), list(second[1])
    if "set" in (first[0], second[0]):
        items, others = list(dict.fromkeys(items)), list(dict.fromkeys(others))
    if len(items) != len(others):
        return False
    counts: dict[Node, int] = {}
    for item in others:
        counts[item] = counts.get(item, 0) + 1
    left = []
    for item in items:
        if counts.get(item, 0):
            counts[item] -= 1
        else:
            left.append(item)
    rest = [item for item, count in counts.items() for _ in range(count)]
    return _match(left, rest, rules)


def _match(items: Sequence[Node], others: list[Node], rules: Rules) -> bool | None:
    if len(items) > 40:
        return False  # by far not the same list
    open_items = False
    for item in items:
        verdicts = [compare(item, other, rules) for other in others]
        if True in verdicts:
            del others[verdicts.index(True)]
        elif None in verdicts:
            open_items = True
        else:
            return False
    return None if open_items else True


def _one_of(container: Node, other: Node, rules: Rules) -> bool | None:
    """{5} means 5."""
    return compare(container[1][0], other, rules) if len(container[1]) == 1 else False


def _list_tuple(listed: Node, point: Node, rules: Rules) -> bool | None:
    if len(listed[1]) == 1:
        return compare(listed[1][0], point, rules)
    if point[1][0] == "[" or point[1][2] == "]":
        return False
    return _in_order(listed, point, rules)


def _regions(first: Node, second: Node, rules: Rules) -> bool | None:
    (name, pieces), (other_name, other_pieces) = first[1], second[1]
    if name is not None and other_name is not None and name != other_name:
        return False
    return _same_pieces(pieces, other_pieces, rules)


def _same_pieces(pieces: Sequence[Piece], others: Sequence[Piece], rules: Rules) -> bool | None:
    if len(pieces) != len(others):
        return False
    bounds = [
        (one, other)
        for piece, other_piece in zip(pieces, others, strict=True)
        for one, other in ((piece.low, other_piece.low), (piece.high, other_piece.high))
    ]
    if any(one.closed != other.closed for one, other in bounds):
        return False
    return _all(same_form(one.form, other.form, rules) for one, other in bounds)


def _region(region: Node, other: Node, rules: Rules) -> bool | None:
    pieces = as_region(other)
    return False if pieces is None else _same_pieces(region[1][1], pieces, rules)


def _assignments(first: Node, second: Node, rules: Rules) -> bool | None:
    """The same name, or one function of two letters, and the same value."""
    (name, value), (other_name, other_value) = first[1], second[1]
    functions = [each[1][0][0][0][0][:2] for each in (name, other_name) if each[0] == "expression"]
    if name != other_name and not (len(functions) == 2 and functions[0] == functions[1] and functions[0][0] == "function"):
        return False
    return compare(value, other_value, rules)


def _assigned(assign: tuple[Node, Node], other: Node, rules: Rules) -> bool | None:
    """`x = 5` means 5; as an equation it is what it says."""
    name, value = assign
    if other[0] != "equation":
        return compare(value, other, rules)
    if name[0] != "expression" or value[0] not in ("number", "expression"):
        return False
    over = algebra.add(name[1], algebra.scale(as_form(value), Fraction(-1)))
    return _equations(("equation", algebra.scale(over, 1 / over[0][1])), other, rules)


def _equations(first: Node, second: Node, rules: Rules) -> bool | None:
    """Their quotient is constant."""
    if first[1] == second[1]:
        return True
    ratios = []
    for one, other in zip(numeric.values(first[1]), numeric.values(second[1]), strict=True):
        if one is not None and other is not None and one.value and other.value:
            ratios.append(one.value / other.value)
    if any(abs(ratio - ratios[0]) > 1e-7 * abs(ratios[0]) for ratio in ratios):
        return False
    return rules.proportional(first[1], second[1])


def _inequalities(first: Node, second: Node, rules: Rules) -> bool | None:
    """The same sign, and forms that are equal over the coefficient that each is divided by."""
    return same_form(first[1][1], second[1][1], rules) if first[1][0] == second[1][0] else False


def _chains(first: Node, second: Node, rules: Rules) -> bool | None:
    return _any_order(first, second, rules)


def _systems(first: Node, second: Node, rules: Rules) -> bool | None:
    return _any_order(first, second, rules)


def _system(system: Node, other: Node, rules: Rules) -> bool | None:
    """x = 1, y = 2 means (1, 2) and 1, 2; of x_1 and x_2 the order does not matter."""
    values = tuple(item[1][1] for item in system[1])
    bases = {str(name[1][0][0][0][0][1]).split("_")[0] for name, _ in (item[1] for item in system[1]) if name[0] == "expression"}
    if len(bases) == 1 and other[0] != "tuple":
        return _any_order(("list", values), ("list", items_of(other)), rules)
    return _pairwise(values, items_of(other), rules)


def _matrices(first: Node, second: Node, rules: Rules) -> bool | None:
    if [len(row) for row in first[1]] != [len(row) for row in second[1]]:
        return False
    pairs = zip(first[1], second[1], strict=True)
    return _all(compare(one, other, rules) for rows in pairs for one, other in zip(*rows, strict=True))


def _vector(point: Node, matrix: Node, rules: Rules) -> bool | None:
    """A column means a point."""
    if any(len(row) != 1 for row in matrix[1]) or (point[1][0], point[1][2]) != ("(", ")"):
        return False
    return _pairwise(point[1][1], [row[0] for row in matrix[1]], rules)


def _clocks(first: Node, second: Node, rules: Rules) -> bool | None:
    """A time without a.m. or p.m. means either."""
    return first[1][:2] == second[1][:2] and "" in (first[1][2], second[1][2])


def _clock_ratio(clock: Node, other: Node, rules: Rules) -> bool | None:
    hours, minutes, half = clock[1]
    if half or not hours:
        return False
    return compare(("ratio", (algebra.number(1), algebra.number(Fraction(minutes, hours)))), other, rules)


def _dates(first: Node, second: Node, rules: Rules) -> bool | None:
    """A date without a year means that of any."""
    return first[1][1:] == second[1][1:] and 0 in (first[1][0], second[1][0])


def _congruences(first: Node, second: Node, rules: Rules) -> bool | None:
    """Residues are reduced already; what is left is the sign of the whole."""
    (over, modulus), (other, other_modulus) = first[1], second[1]
    return modulus == other_modulus and algebra.scale(over, Fraction(-1)) == other


def _comma(comma: tuple[Node, Node], other: Node, rules: Rules) -> bool | None:
    """`1,5` is read as one and a half beside a number, as a list beside a list."""
    number, listed = comma
    return compare(number if other[0] in ("number", "expression", "quantity", "percent") else listed, other, rules)


def _set_operations(first: Node, second: Node, rules: Rules) -> bool | None:
    if first[1][0] != second[1][0]:
        return False
    if first[1][0] == r"\setminus":
        return _pairwise(first[1][1:], second[1][1:], rules)
    return _any_order(("list", first[1][1:]), ("list", second[1][1:]), rules)


def _any(verdicts: Sequence[bool | None]) -> bool | None:
    return True if True in verdicts else None if None in verdicts else False


def _all(verdicts) -> bool | None:  # type: ignore[no-untyped-def]
    result: bool | None = True
    for verdict in verdicts:
        if verdict is False:
            return False
        result = None if verdict is None else result
    return result


UNWRAPPED = {"assign": _assigned, "comma": _comma}
"""Kinds that are compared by what they hold, whatever the other is."""

ORDER = {
    kind: place
    for place, kind in enumerate(
        (
            *("assign", "comma", "system", "list", "set", "region", "tuple", "matrix", "sets", "clock", "ratio"),
            *("percent", "quantity", "number", "expression"),
        )
    )
}
"""The first of a pair in `RULES`."""

Rule = Callable[[Node, Node, Rules], bool | None]
RULES: dict[tuple[str, str], Rule] = {
    ("assign", "assign"): _assignments,
    ("comma", "comma"): lambda first, second, rules: compare(first[1][0], second[1][0], rules),
    ("system", "system"): _systems,
    **{("system", kind): _system for kind in ("list", "tuple")},
    ("system", "set"): _any_order,
    ("list", "list"): _any_order,
    ("list", "set"): _any_order,
    ("set", "set"): _any_order,
    ("list", "tuple"): _list_tuple,
    **{("set", kind): _one_of for kind in ("tuple", "matrix", "percent", "quantity", "number", "expression")},
    ("region", "region"): _regions,
    **{(kind, "region"): lambda first, second, rules: _region(second, first, rules) for kind in ("list", "set")},
    ("region", "tuple"): _region,
    ("region", "reals"): _region,
    ("tuple", "tuple"): _tuples,
    ("tuple", "matrix"): _vector,
    ("matrix", "matrix"): _matrices,
    ("sets", "sets"): _set_operations,
    ("clock", "clock"): _clocks,
    ("clock", "ratio"): _clock_ratio,
    ("ratio", "ratio"): _ratios,
    **{("ratio", kind): _ratio for kind in ("number", "expression")},
    ("percent", "percent"): _percents,
    **{("percent", kind): _percent for kind in ("number", "expression")},
    ("quantity", "quantity"): _quantities,
    **{("quantity", kind): _quantity for kind in ("number", "expression")},
    ("number", "number"): _forms,
    ("number", "expression"): _forms,
    ("expression", "expression"): _forms,
    ("equation", "equation"): _equations,
    ("inequality", "inequality"): _inequalities,
    ("chain", "chain"): _chains,
    ("congruence", "congruence"): _congruences,
    ("date", "date"): _dates,
}
"""By kinds; a pair that is not in it differs."""
