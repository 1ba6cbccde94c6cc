r"""Numbers that nobody writes out: towers of powers, factorials and binomials of over a million digits.

Consumes parsed values; says whether one holds such a number. It works nothing out: sizes are logarithms. Whether
`10^{10^{10}} \bmod 7` is 5 may be decidable, but an answer that leaves such a thing to the judge is out of all
proportion to a reference that has none.
"""

from __future__ import annotations

import math
from typing import Any

from seed_grpo.verify.isolation.bounds import BoundReachedError
from seed_grpo.verify.math.forms import algebra, numeric
from seed_grpo.verify.math.forms.algebra import Form

MAX_SIZE = 1e6
"""decimal digits, before or behind the point"""


def check_reach(first: Any, second: Any) -> None:
    """Refuses two values of which one alone is out of reach, before they are compared at length.

    Raises:
        BoundReachedError: one of them holds a number out of reach, and the other does not.
    """
    if is_out_of_reach(first) != is_out_of_reach(second):
        raise BoundReachedError(f"a number has over {MAX_SIZE:g} digits")


def is_out_of_reach(value: Any) -> bool:
    """Checks whether there is a number out of reach anywhere in a value of nodes, forms and atoms."""
    if not isinstance(value, tuple):
        return False
    return _digits(value) > MAX_SIZE or any(map(is_out_of_reach, value))


def _digits(atom: tuple) -> float:
    """The number of digits of an atom that is a number; 0 for any other."""
    match atom:
        case ("power", below, above):
            return abs(_size(above) * _log(below))
        case ("call", "factorial", inside) | ("function", "factorial", (inside,)):
            size = _size(inside)
            return size * math.log10(max(size, 10)) / 2
        case ("function", "binomial", (above, below)):
            chosen = min(_size(below), _size(above) - _size(below))
            return max(chosen, 0.0) if math.isfinite(_size(above)) else math.inf
    return 0.0


def _size(form: Form) -> float:
    """The approximate |form|: infinite beyond all floating point, 0 for what is no number."""
    exact = algebra.as_number(form)
    if exact is not None:
        return float(abs(exact)) if abs(exact) < 10**numeric.DOUBLE_DIGITS else math.inf
    value = numeric.real_value(form)
    if value is not None:
        return abs(value)
    return math.inf if is_out_of_reach(form) or _log(form) > numeric.DOUBLE_DIGITS else 0.0


def _log(form: Form) -> float:
    """The approximate |log10 |form|| of one term; 0 for what is no number."""
    exact = algebra.as_number(form)
    if exact is not None:
        return abs(math.log10(abs(exact.numerator)) - math.log10(exact.denominator)) if exact else 0.0
    value = numeric.real_value(form)
    if value is not None and math.isfinite(value):
        return abs(math.log10(abs(value))) if value else 0.0
    return sum(_digits(base) * abs(float(exponent)) for base, exponent in form[0][0]) if len(form) == 1 else 0.0
