"""Expressions at random points, to tell quickly that two of them differ.

Consumes forms of `seed_grpo.verify.forms.algebra`; produces complex numbers. It refutes equality and never proves it.
"""

from __future__ import annotations

import cmath
import functools
import math
import random
from collections.abc import Callable
from typing import NamedTuple

from seed_grpo.verify.forms.algebra import Atom, Form

TOLERANCE = 1e-9
"""relative difference above which two values differ; double precision leaves room for cancellation"""
POINTS = (1, 2, -3)
"""seeds of the values that symbols take, positive for a positive seed; a value at negative ones counts if it is real"""


def _gamma(z: complex) -> complex:
    if abs(z.imag) > 1e-12:
        raise ValueError("the factorial of a complex number")
    return complex(math.gamma(z.real + 1))


CALLS: dict[str, Callable[[complex], complex]] = {
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tan": cmath.tan,
    "cot": lambda z: 1 / cmath.tan(z),
    "sec": lambda z: 1 / cmath.cos(z),
    "csc": lambda z: 1 / cmath.sin(z),
    "arcsin": cmath.asin,
    "arccos": cmath.acos,
    "arctan": cmath.atan,
    "sinh": cmath.sinh,
    "cosh": cmath.cosh,
    "tanh": cmath.tanh,
    "ln": cmath.log,
    "abs": lambda z: complex(abs(z)),
    "factorial": _gamma,
}
CONSTANTS = {"e": complex(math.e), "pi": complex(math.pi), "i": 1j}


class Value(NamedTuple):
    """A form at one point."""

    value: complex
    largest: float
    """the largest term in it, by which rounding is measured"""


@functools.lru_cache(maxsize=8192)
def values(form: Form) -> tuple[Value | None, ...]:
    """At each of the `POINTS`; None where the value is out of reach."""
    return tuple(_at(form, seed) for seed in POINTS)


def differ(first: Form, second: Form) -> bool:
    """Whether the two are seen to differ; False where they agree, or where a value is out of reach."""
    for one, other in zip(values(first), values(second), strict=True):
        if one is not None and other is not None:
            apart = abs(one.value - other.value)
            # a difference far below the largest term may be rounding
            if apart > TOLERANCE * max(one.largest, other.largest, abs(one.value), abs(other.value), 1e-300):
                return True
    return False


def real_value(form: Form) -> float | None:
    """Of a constant that is real; None where it has a symbol, is not real, or is out of reach. Infinity is one."""
    if len(form) == 1 and form[0][0] == ((("constant", "infinity"), 1),):
        return math.copysign(math.inf, form[0][1])
    one, other, _ = values(form)
    if one is None or other is None or one.value != other.value:
        return None
    return one.value.real if abs(one.value.imag) <= TOLERANCE * max(one.largest, 1e-300) else None


def _at(form: Form, seed: int) -> Value | None:
    try:
        terms = _terms(form, seed)
        value = sum(terms, 0j)
        size = abs(value)
    except (KeyError, ValueError, OverflowError, ZeroDivisionError):
        return None
    if not cmath.isfinite(value) or (seed < 0 and abs(value.imag) > 1e-12 * size):
        return None
    return Value(value, max((abs(term) for term in terms), default=0.0))


def _value(form: Form, seed: int) -> complex:
    return sum(_terms(form, seed), 0j)


def _terms(form: Form, seed: int) -> list[complex]:
    terms = []
    for monomial, coefficient in form:
        term = complex(float(coefficient))
        for base, exponent in monomial:
            term *= _raise(_atom_value(base, seed), exponent.numerator, exponent.denominator)
        terms.append(term)
    return terms


def _raise(value: complex, numerator: int, denominator: int) -> complex:
    """A power; of a negative number an odd root is the real one, as in `seed_grpo.verify.forms.algebra`."""
    if denominator % 2 and denominator > 1 and value.real < 0 and abs(value.imag) < 1e-12 * abs(value.real):
        return complex((-value.real) ** (numerator / denominator) * (-1 if numerator % 2 else 1))
    return value ** (numerator / denominator)


@functools.lru_cache(maxsize=4096)
def _symbol_value(name: str, seed: int) -> complex:
    return complex(math.copysign(random.Random(f"{name} {seed}").uniform(0.3, 1.7), seed))


def _atom_value(base: Atom, seed: int) -> complex:
    """Raises KeyError for a function that has no numeric value here."""
    match base:
        case ("symbol", name):
            return _symbol_value(name, seed)
        case ("prime", value):
            return complex(value)
        case ("constant", name):
            return CONSTANTS[name]
        case ("sum", form):
            return _value(form, seed)
        case ("call", name, form):
            return CALLS[name](_value(form, seed))
        case ("power", below, above):
            return _value(below, seed) ** _value(above, seed)
        case ("function", "binomial", (above, below)):
            total, chosen = _value(above, seed), _value(below, seed)
            return _gamma(total) / (_gamma(chosen) * _gamma(total - chosen))
    raise KeyError(base[0])
