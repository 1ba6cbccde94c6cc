"""Expressions at random points, to tell quickly that two of them differ.

Consumes forms of `seed_grpo.verify.algebra`; produces complex numbers. It refutes equality and never proves it.
"""

from __future__ import annotations

import cmath
import functools
import math
import random
from collections.abc import Callable

from seed_grpo.verify.algebra import Atom, Form

TOLERANCE = 1e-9
"""relative difference above which two values differ; double precision leaves room for cancellation"""
POINTS = (1, 2)
"""seeds of the values that symbols take"""

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
}
CONSTANTS = {"e": complex(math.e), "pi": complex(math.pi), "i": 1j}


def differ(first: Form, second: Form) -> bool:
    """Whether the two are seen to differ; False where they agree, or where a value is out of reach."""
    for seed in POINTS:
        try:
            one, other = _value(first, seed), _value(second, seed)
            size = max(abs(one), abs(other))
            if cmath.isfinite(one) and cmath.isfinite(other) and abs(one - other) > TOLERANCE * max(size, 1e-300):
                # a difference far below the largest term may be rounding
                return abs(one - other) > TOLERANCE * max(_largest_term(first, seed), _largest_term(second, seed))
        except (KeyError, ValueError, OverflowError, ZeroDivisionError):
            continue
    return False


def _value(form: Form, seed: int) -> complex:
    return sum(_terms(form, seed), 0j)


def _largest_term(form: Form, seed: int) -> float:
    return max((abs(term) for term in _terms(form, seed)), default=0.0)


def _terms(form: Form, seed: int) -> list[complex]:
    terms = []
    for monomial, coefficient in form:
        term = complex(float(coefficient))
        for base, exponent in monomial:
            term *= _atom_value(base, seed) ** float(exponent)
        terms.append(term)
    return terms


@functools.lru_cache(maxsize=4096)
def _symbol_value(name: str, seed: int) -> complex:
    return complex(random.Random(f"{name} {seed}").uniform(0.3, 1.7))


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
    raise KeyError(base[0])
