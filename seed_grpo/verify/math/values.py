"""Comparison of values: numbers, expressions, percentages, quantities, ratios.

Consumes nodes of values and `Rules`; produces True, False, or None where exact forms and values at random points leave
it open. Numbers are exact: 1/3 is not 0.333. `Rules` say when a decimal stands for what it is the beginning of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from seed_grpo.verify.math.forms import algebra, names, numeric
from seed_grpo.verify.math.forms.algebra import Form
from seed_grpo.verify.math.forms.nodes import Node, as_form
from seed_grpo.verify.math.forms.units import DEGREE, RADIAN, RADIANS, read_unit

FLOAT_DIGITS = 15
"""significant digits of a decimal that are looked at: a double holds no more"""
MOST_DIGITS = 40
"""digits of a decimal as somebody writes it; 1 - 1/2^100 is a decimal of 100"""


def undecided(first: Form, second: Form) -> bool | None:
    """Leaves it open, since in process there is no oracle."""
    return None


class Rules(NamedTuple):
    """Settings by which different numbers count as the same, and oracles for what the quick means leave open."""

    decimal_digits: int = 12
    """least number of significant digits with which a decimal means every number that begins with its digits, to one
    unit"""
    relative: float = 0.0
    """fraction of the larger by which numbers that count as the same may differ; Minerva's benchmark takes 0.01"""
    equal: Callable[[Form, Form], bool | None] = undecided
    """oracle for two expressions that agree at points, or have no value there: are they equal?"""
    proportional: Callable[[Form, Form], bool | None] = undecided
    """oracle for two expressions: is their quotient a constant, positive or not?"""


def same_form(first: Form, second: Form, rules: Rules) -> bool | None:
    """Compares two expressions."""
    if first == second:
        return True
    exact, other_exact = algebra.as_number(first), algebra.as_number(second)
    if exact is not None and other_exact is not None:
        return _near(exact, other_exact, (exact, other_exact), rules)
    first, second = names.in_one_reading(first, second)
    if first == second:
        return True
    value, other_value = numeric.real_value(first), numeric.real_value(second)
    if value is not None and other_value is not None:
        if math.isinf(value) or math.isinf(other_value):
            return value == other_value
        one = exact if exact is not None else Fraction(value)
        other = other_exact if other_exact is not None else Fraction(other_value)
        if _near(one, other, [number for number in (exact, other_exact) if number is not None], rules):
            return True
    if numeric.differ(first, second):
        return False
    # agreement at points is no proof, and where there is no value there is nothing to see
    apart = _is_infinite(first) != _is_infinite(second) or algebra.is_huge(first) != algebra.is_huge(second)
    return False if apart and _one_in_reach(first, second) else rules.equal(first, second)


def _near(first: Fraction, second: Fraction, decimals: Sequence[Fraction], rules: Rules) -> bool:
    """Checks whether two numbers count as the same.

    Args:
        decimals: those of the two that are exact, and so may be decimals as they were written.
    """
    apart, size = abs(first - second), max(abs(first), abs(second))
    if rules.relative and apart <= Fraction(rules.relative) * size:
        return True
    if apart * 10 ** (rules.decimal_digits - 1) > size * 10:
        return False  # further apart than one unit of the last digit of any decimal that counts
    units = [unit for unit in (_last_unit(value, rules) for value in decimals) if unit]
    if len(units) == 2 and units[0] == units[1]:
        return False  # two decimals of one length are what they say
    return any(apart <= unit for unit in units)


def _last_unit(value: Fraction, rules: Rules) -> Fraction:
    """One unit of a decimal's last digit, 0 for what is no decimal or has too few digits."""
    bottom, twos, fives = value.denominator, 0, 0
    while bottom % 2 == 0:
        bottom, twos = bottom // 2, twos + 1
    while bottom % 5 == 0:
        bottom, fives = bottom // 5, fives + 1
    places = max(twos, fives)
    digits = len(str(abs(value.numerator) * 10**places // value.denominator))
    if places == 0 or bottom > 1 or not rules.decimal_digits <= digits <= MOST_DIGITS:
        return Fraction(0)
    unit = Fraction(1, 10**places) * 10 ** max(0, digits - FLOAT_DIGITS)
    return unit if unit < 1 else Fraction(0)


def _is_infinite(form: Form) -> bool:
    return any(base == ("constant", "infinity") for monomial, _ in form for base, _ in monomial)


def _one_in_reach(first: Form, second: Form) -> bool:
    return numeric.in_reach(first) or numeric.in_reach(second)


def same_forms(first: Node, second: Node, rules: Rules) -> bool | None:
    return same_form(as_form(first), as_form(second), rules)


def same_percents(first: Node, second: Node, rules: Rules) -> bool | None:
    return same_form(first[1], second[1], rules)


def same_as_percent(percent: Node, other: Node, rules: Rules) -> bool | None:
    """Compares a percentage with a value: 28% means 28, as benchmarks have it, and 0.28, which it is."""
    form = as_form(other)
    hundredth = algebra.scale(percent[1], Fraction(1, 100))
    return some((same_form(percent[1], form, rules), same_form(hundredth, form, rules)))


def same_as_quantity(quantity: Node, other: Node, rules: Rules) -> bool | None:
    """Compares a quantity with a bare value, which may have any unit; an angle's is in degrees or in radians."""
    form, unit = quantity[1]
    verdicts = [same_form(form, as_form(other), rules)]
    if unit == DEGREE:
        verdicts.append(same_form(algebra.mul(form, RADIANS), as_form(other), rules))
        verdicts.append(same_form(_number_in_radians(form), as_form(other), rules))
    product = _as_quantity(other)
    if product is not None:
        verdicts.append(same_quantities(quantity, product, rules))
    return some(verdicts)


def _number_in_radians(form: Form) -> Form:
    r"""The form of 180^\\circ - 2\\alpha with its number alone in radians: the letters may be in them already."""
    return algebra.add(*(algebra.mul((term,), RADIANS) if not names.symbols((term,)) else (term,) for term in form))


def _as_quantity(node: Node) -> Node | None:
    """A number times a symbol as a quantity, if the symbol can be a unit: 3 m."""
    if node[0] != "expression" or len(node[1]) != 1 or len(node[1][0][0]) != 1:
        return None
    (((base, exponent),), coefficient) = node[1][0]
    unit = read_unit(f"{base[1]}^{exponent}") if base[0] == "symbol" and exponent.denominator == 1 else None
    return None if unit is None else ("quantity", (algebra.number(coefficient), unit))


def same_quantities(first: Node, second: Node, rules: Rules) -> bool | None:
    (form, unit), (other_form, other_unit) = first[1], second[1]
    if (unit, other_unit) == (DEGREE, RADIAN):
        return same_form(algebra.mul(form, RADIANS), other_form, rules)
    if (unit, other_unit) == (RADIAN, DEGREE):
        return same_form(form, algebra.mul(other_form, RADIANS), rules)
    if unit.dimensions != other_unit.dimensions:
        return False
    return same_form(algebra.scale(form, unit.factor), algebra.scale(other_form, other_unit.factor), rules)


def same_as_ratio(ratio: Node, other: Node, rules: Rules) -> bool | None:
    """Compares a ratio with a value: 3:4 means 3/4."""
    if len(ratio[1]) != 2 or not ratio[1][1]:
        return False
    return same_form(algebra.power(ratio[1][1], algebra.number(-1)), as_form(other), rules)


def same_ratios(first: Node, second: Node, rules: Rules) -> bool | None:
    if len(first[1]) != len(second[1]):
        return False
    return every(same_form(one, other, rules) for one, other in zip(first[1], second[1], strict=True))


def some(verdicts: Sequence[bool | None]) -> bool | None:
    """The verdict on readings of which one is enough."""
    return True if True in verdicts else None if None in verdicts else False


def every(verdicts: Iterable[bool | None]) -> bool | None:
    """The verdict on parts that must all be the same."""
    result: bool | None = True
    for verdict in verdicts:
        if verdict is False:
            return False
        result = None if verdict is None else result
    return result
