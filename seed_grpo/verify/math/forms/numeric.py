"""Expressions at points, as doubles or with any number of digits, with how exactly each value is known.

Consumes forms of `algebra`; produces complex numbers. As doubles it refutes equality quickly and
never proves it. A letter may stand for any real number. A value counts as real where nothing in it leaves the real
numbers, as the root and the logarithm of a negative number do: `(x - 5)^(1/2) (x + 5)^(1/2)` has no real value at -6.
"""

from __future__ import annotations

import cmath
import functools
import math
import random
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from seed_grpo.verify.isolation.bounds import REMEMBERED_FORMS
from seed_grpo.verify.math.forms import algebra
from seed_grpo.verify.math.forms.algebra import Atom, Form
from seed_grpo.verify.math.forms.contents import OPERATORS, contents, is_opaque

TOLERANCE = 1e-9
"""relative uncertainty of every number that goes in; double precision leaves room for cancellation"""
POINTS = (1, 2, -3)
"""seeds of the values that letters take, positive for a positive seed"""
FURTHER_POINTS = (4, 5, -6)
"""seeds that are looked at where both values are real at none of the others"""

DOUBLE_DIGITS = 300
"""decimal digits before the point beyond which a double is out of reach"""

Number = Any
"""complex, or that of an arithmetic with more digits"""


class Arithmetic(NamedTuple):
    """Numbers of one precision and the functions of them."""

    number: Callable[[Fraction], Number]
    constants: Mapping[str, Number]
    calls: Mapping[str, Callable[[Number], Number]]
    arctan2: Callable[[Number, Number], Number]
    tolerance: Any
    """relative uncertainty of what goes in"""
    noise: Any
    """relative size of an imaginary part that is rounding"""
    largest: Any
    """size above which a value is out of reach"""


class Value(NamedTuple):
    """A form at one point."""

    value: Number
    error: Any
    """distance to the exact value, if all that goes in is known to the tolerance"""
    real: bool
    """true if nothing in it leaves the real numbers"""


def _gamma(z: complex) -> complex:
    if abs(z.imag) > 1e-12:
        raise ValueError("the factorial of a complex number")
    return complex(math.gamma(z.real + 1))


DOUBLES = Arithmetic(
    number=lambda value: complex(float(value)),
    constants={"e": complex(math.e), "pi": complex(math.pi), "i": 1j},
    calls={
        "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "cot": lambda z: 1 / cmath.tan(z),
        "sec": lambda z: 1 / cmath.cos(z), "csc": lambda z: 1 / cmath.sin(z),
        "arcsin": cmath.asin, "arccos": cmath.acos, "arctan": cmath.atan,
        "sinh": cmath.sinh, "cosh": cmath.cosh, "tanh": cmath.tanh,
        "arcsinh": cmath.asinh, "arccosh": cmath.acosh, "arctanh": cmath.atanh,
        "ln": cmath.log, "abs": lambda z: complex(abs(z)), "sgn": lambda z: z / abs(z), "factorial": _gamma,
    },
    arctan2=lambda y, x: complex(math.atan2(y.real, x.real)),
    tolerance=TOLERANCE,
    noise=1e-12,
    largest=10.0**DOUBLE_DIGITS,
)  # fmt: skip

_CIRCULAR = ("sin", "cos", "tan", "cot", "sec", "csc")
_STEEP = ("sinh", "cosh", "tanh", "factorial")


class Evaluation:
    """Evaluates forms at one point, and records whether all of it so far is real."""

    def __init__(
        self, arithmetic: Arithmetic, at: Callable[[str], Number], operator: Callable[[Atom], Number] | None = None
    ) -> None:
        """Starts with all real.

        Args:
            at: the value of a letter; also of the text of an atom that is a letter by itself.
            operator: the value of a sum, an integral and the like; None: they have none.
        """
        self._arithmetic = arithmetic
        self._at = at
        self._operator = operator
        self._real = True

    def __call__(self, form: Form) -> Value | None:
        """The value of a form; None where it has none, or one that is out of reach."""
        self._real = True
        try:
            value, error = self._form(form)
            within = abs(value) <= self._arithmetic.largest and abs(error) <= self._arithmetic.largest  # not so of NaN
        except (KeyError, ValueError, ArithmeticError):
            return None
        return Value(value, error, self._real) if within else None

    def _form(self, form: Form) -> tuple[Number, Any]:
        value, error = self._arithmetic.number(Fraction(0)), 0
        for monomial, coefficient in form:
            term = self._arithmetic.number(coefficient)
            apart = abs(term) * self._arithmetic.tolerance
            for base, exponent in monomial:
                factor, factor_apart = self._factor(base, exponent)
                term, apart = term * factor, abs(term) * factor_apart + abs(factor) * apart
            value, error = value + term, error + apart
        return value, error

    def _factor(self, base: Atom, exponent: Fraction) -> tuple[Number, Any]:
        value, error = self._atom(base)
        if exponent == 1:
            return value, error
        size = abs(value)
        if size <= error and exponent < 0:
            raise ZeroDivisionError("what may be zero, in a denominator")
        raised = self._raise(value, exponent)
        if size <= error and error:
            return raised, (2 * error) ** float(exponent)
        return self._checked(raised), abs(float(exponent)) * abs(raised) * error / size if error else 0

    def _checked(self, value: Number) -> Number:
        if abs(value.imag) > self._arithmetic.noise * abs(value):
            self._real = False
        return value

    def _raise(self, value: Number, exponent: Fraction) -> Number:
        """The value of a power; of a negative number an odd root is the real one, as in `algebra`."""
        if exponent.denominator == 1:
            return value ** int(exponent)
        power = self._arithmetic.number(exponent).real
        is_odd_root = exponent.denominator % 2 and value.real < 0
        if is_odd_root and abs(value.imag) < self._arithmetic.noise * abs(value.real):
            return abs(value) ** power * (-1 if exponent.numerator % 2 else 1) + 0 * value
        return value**power

    def _atom(self, base: Atom) -> tuple[Number, Any]:
        """The value of an atom, and an error beyond that of a number that goes in."""
        if is_opaque(base):
            return self._at(repr(base)), 0
        match base:
            case ("symbol", name):
                return self._at(name), 0
            case ("prime", value):
                return self._arithmetic.number(Fraction(value)), 0
            case ("constant", name):
                return self._checked(self._arithmetic.constants[name]), 0
            case ("sum", form):
                return self._form(form)
            case ("call", name, form):
                return self._call(name, *self._form(form))
            case ("power", below, above):
                return self._power(*self._form(below), *self._form(above))
            case ("function", name, _) if name in OPERATORS:
                if self._operator is None:
                    raise KeyError(name)
                return self._checked(self._operator(base)), 0
            case ("function", name, forms):
                return self._function(name, [self._form(form) for form in forms])
        raise KeyError(base[0])

    def _call(self, name: str, value: Number, error: Any) -> tuple[Number, Any]:
        function = self._arithmetic.calls[name]
        if name == "sgn" and abs(value) <= error:
            raise ValueError("the sign of what may be zero")
        if (name in _CIRCULAR and error > 0.01) or (name in _STEEP and abs(value) > 1e30):
            raise ValueError("an argument out of reach")
        result = self._checked(function(value))
        return result, abs(function(value + error) - result) if error else 0

    def _power(self, value: Number, error: Any, above: Number, above_error: Any) -> tuple[Number, Any]:
        size = abs(value)
        if size <= error or abs(above) * math.log2(2 + size) > 1e6:
            raise ValueError("a power of what may be zero, or out of reach")
        result = self._checked(value**above)
        moved = self._arithmetic.calls["ln"](value)
        return result, abs(result) * (abs(above) * error / size + abs(moved) * above_error)

    def _function(self, name: str, arguments: list[tuple[Number, Any]]) -> tuple[Number, Any]:
        values = [self._checked(value) for value, _ in arguments]
        error = max(error for _, error in arguments)
        if not all(abs(value.imag) <= self._arithmetic.noise * abs(value) for value in values):
            raise ValueError("an order of complex numbers")
        if name == "binomial":
            return self._binomial(values[0], values[1], error)
        if name == "atan2":
            return self._arithmetic.arctan2(*values), error / max(map(abs, values))
        chosen = (min if name == "min" else max)(values, key=lambda value: value.real)
        return chosen, error

    def _binomial(self, total: Number, chosen: Number, error: Any) -> tuple[Number, Any]:
        factorial = self._arithmetic.calls["factorial"]

        def binomial(total: Number, chosen: Number) -> Number:
            return factorial(total) / (factorial(chosen) * factorial(total - chosen))

        result = binomial(total, chosen)
        return result, abs(binomial(total + error, chosen) - result) + abs(binomial(total, chosen + error) - result)


class _Looks:
    """A form with its contents, and its values as doubles at the points that were asked for."""

    def __init__(self, form: Form) -> None:
        self.contents = contents(form)
        self._form = form
        self._values: dict[int, Value | None] = {}

    def at(self, seed: int) -> Value | None:
        """The value where letters have those that a seed gives them."""
        if seed not in self._values:
            self._values[seed] = Evaluation(DOUBLES, functools.partial(_letter, seed=seed))(self._form)
        return self._values[seed]


_looks = functools.lru_cache(REMEMBERED_FORMS)(_Looks)


@functools.lru_cache(maxsize=4096)
def _letter(name: str, seed: int) -> complex:
    low, high = (0.3, 1.7) if seed in POINTS else (2.0, 90.0)
    return complex(math.copysign(random.Random(f"{name} {seed}").uniform(low, high), seed))


def in_reach(form: Form) -> bool:
    """Checks whether the form has values where letters are positive and of ordinary size."""
    return all(_looks(form).at(seed) is not None for seed in POINTS if seed > 0)


def differ(first: Form, second: Form) -> bool:
    """Checks whether the two are seen to differ; False where they agree, or where a value is out of reach."""
    return any(abs(one.value - other.value) > one.error + other.error for one, other in _pairs(first, second))


def not_proportional(first: Form, second: Form) -> bool:
    """Checks whether the quotient of the two is seen not to be constant."""
    ratios = []
    for one, other in _pairs(first, second):
        if abs(one.value) > one.error and abs(other.value) > other.error:
            ratio = one.value / other.value
            ratios.append((ratio, abs(ratio) * (one.error / abs(one.value) + other.error / abs(other.value))))
    return any(abs(ratio - ratios[0][0]) > error + ratios[0][1] for ratio, error in ratios)


def _pairs(first: Form, second: Form) -> Iterator[tuple[Value, Value]]:
    """The values of both at the points that count: where both are real.

    Complex values count, where letters are positive, if i occurs or no letter does.
    """
    one_look, other_look = _looks(first), _looks(second)
    seen, other = one_look.contents, other_look.contents
    takes_complex = seen.imaginary or other.imaginary or not (seen.names or other.names)
    counted = 0
    for seed in (*POINTS, *FURTHER_POINTS):
        if counted and seed == FURTHER_POINTS[0]:
            return
        one, two = one_look.at(seed), other_look.at(seed)
        if one is not None and two is not None and ((one.real and two.real) or (takes_complex and seed > 0)):
            counted += 1
            yield one, two


def real_value(form: Form) -> float | None:
    """The value of a real constant; None where it has a letter, is not real, or is out of reach. Infinity is one."""
    if len(form) == 1 and form[0][0] == ((("constant", "infinity"), 1),):
        return math.copysign(math.inf, form[0][1])
    look = _looks(form)
    found = None if look.contents.names else look.at(POINTS[0])
    if found is None or abs(found.value.imag) > found.error or found.error > 0.1 * max(1.0, abs(found.value)):
        return None
    return found.value.real


def sign(form: Form) -> int | None:
    """The sign -1, 0 or 1 of a constant; None where it has letters, is not real, or may be zero."""
    exact = algebra.as_number(form)
    if exact is not None:
        return (exact > 0) - (exact < 0)
    value = real_value(form)
    if value is None:
        return None
    found = _looks(form).at(POINTS[0])
    return int(math.copysign(1, value)) if found is None or abs(value) > found.error else None
