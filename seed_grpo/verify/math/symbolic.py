"""The last word on comparisons that the quick means leave open, with many digits. Only for the bounded process.

Consumes two answers as text and reads them with our own grammar. Two expressions are equal if they agree at every point
at which both are real, first to 30 digits and then to 185 or more; `seed_grpo.verify.math.forms.points` has the points.
Where both are real at none of them, or i occurs in them, they must agree as complex numbers where letters are positive.
mpmath calculates. Limits, integrals, derivatives and infinite series are sympy's, which also simplifies them where no
point has a value; no text reaches it. What is out of reach, such as a tower of powers, is not the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NamedTuple

import mpmath
import sympy

from seed_grpo.verify.isolation.bounds import BoundReachedError
from seed_grpo.verify.math.forms import algebra
from seed_grpo.verify.math.forms.algebra import Atom, Form
from seed_grpo.verify.math.forms.contents import contents, is_opaque
from seed_grpo.verify.math.forms.numeric import Arithmetic, Evaluation, Value
from seed_grpo.verify.math.forms.points import Point, points
from seed_grpo.verify.math.forms.series import JOINED, Substitution, series_length
from seed_grpo.verify.math.parameters import same_answers
from seed_grpo.verify.math.parse import parse_answer
from seed_grpo.verify.math.values import Rules

DIGITS = 45
MANY_DIGITS = 200
MOST_DIGITS = 2000
KNOWN = 1e-15
"""relative error above which a value is not known"""
CLOSE_LOOKS = 6
"""points at which many digits are looked at"""
FEWEST_RATIOS = 3
"""points that show a quotient to be constant"""
ROUNDING = 15
"""last digits of a value that may be rounding"""
REFUSALS = (TypeError, ValueError, ArithmeticError, NotImplementedError, AttributeError)
"""errors by which sympy says that an expression makes no sense to it"""

_SYMPY_FUNCTIONS: dict[str, Callable] = {
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "cot": sympy.cot, "sec": sympy.sec, "csc": sympy.csc,
    "arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan, "sinh": sympy.sinh, "cosh": sympy.cosh,
    "tanh": sympy.tanh, "arcsinh": sympy.asinh, "arccosh": sympy.acosh, "arctanh": sympy.atanh,
    "ln": sympy.log, "abs": sympy.Abs, "sgn": sympy.sign, "factorial": sympy.factorial,
    "min": sympy.Min, "max": sympy.Max, "binomial": sympy.binomial, "atan2": sympy.atan2,
    "sum": lambda body, name, low, high: sympy.Sum(body, (name, low, high)),
    "prod": lambda body, name, low, high: sympy.Product(body, (name, low, high)),
    "lim": lambda body, name, target, side: sympy.Limit(body, name, target, "+" if side > 0 else "-"),
    "diff": sympy.Derivative,
    "int": lambda body, name, *bounds: sympy.Integral(body, (name, *bounds) if bounds else name),
}  # fmt: skip
_SYMPY_CONSTANTS = {"e": sympy.E, "pi": sympy.pi, "i": sympy.I, "infinity": sympy.oo}


class Pair(NamedTuple):
    """Two forms at one point."""

    first: Value
    second: Value

    @property
    def real(self) -> bool:
        return self.first.real and self.second.real

    @property
    def apart(self) -> bool:
        """Checks whether they are seen to differ."""
        return bool(abs(self.first.value - self.second.value) > self.first.error + self.second.error)

    @property
    def known(self) -> bool:
        """Checks whether both are known well enough for their agreement to say something; tan(pi/2) never is."""
        size = max(1, abs(self.first.value), abs(self.second.value))
        return bool(self.first.error + self.second.error <= KNOWN * size)


def same(first: str, second: str, decimal_digits: int, relative: float) -> bool:
    """Checks whether two answers mean the same by the relation `math`; what cannot be shown is not the same."""
    rules = Rules(decimal_digits, relative, equal, proportional)
    one, other = parse_answer(first), parse_answer(second)
    return bool(same_answers((one.kind, one.value), (other.kind, other.value), rules))


def equal(first: Form, second: Form) -> bool:
    """Checks whether two expressions have the same value wherever both have one."""
    try:
        seen = 0
        for point, pair in _pairs(first, second):
            if pair.apart:
                return False
            if (seen < CLOSE_LOOKS or not pair.known) and not _holds(first, second, point, pair):
                return False
            seen += 1
        return seen > 0 or (_has_operators(first, second) and sympy.simplify(build(first) - build(second)) == 0)
    except REFUSALS:
        return False


def proportional(first: Form, second: Form) -> bool:
    """Checks whether the quotient of two expressions is a constant."""
    try:
        with mpmath.workdps(DIGITS):
            ratios = []
            for _, (one, other) in _pairs(first, second):
                if one.error < KNOWN * abs(one.value) and other.error < KNOWN * abs(other.value):
                    ratio = one.value / other.value
                    relative = one.error / abs(one.value) + other.error / abs(other.value)
                    ratios.append((ratio, abs(ratio) * relative))
            if len(ratios) >= FEWEST_RATIOS:
                kept, error = ratios[0]
                return all(abs(ratio - kept) <= error + ratio_error for ratio, ratio_error in ratios)
        return _has_operators(first, second) and bool(sympy.simplify(build(first) / build(second)).is_constant())
    except REFUSALS:
        return False


def _has_operators(first: Form, second: Form) -> bool:
    """Checks whether sympy may know what no point shows: an integral without bounds, a series of letters."""
    return bool(contents(first).operators | contents(second).operators)


def _pairs(first: Form, second: Form) -> Iterator[tuple[Point, Pair]]:
    """The values of both at the points that count: where both are real, or else where letters are positive.

    Raises:
        OutOfReachError: points say nothing.
    """
    positive = []
    any_real = False
    for point in points(first, second):
        pair = _pair(first, second, point, DIGITS)
        if pair is None:
            continue
        if pair.real:
            any_real = True
            yield point, pair
        elif all(value > 0 for value in point.values()):
            positive.append((point, pair))
    if not any_real:
        yield from positive


def _pair(first: Form, second: Form, point: Point, digits: int) -> Pair | None:
    """The values of both at a point; None where one of them has no value."""
    one, other = _value(first, point, digits), _value(second, point, digits)
    return None if one is None or other is None else Pair(one, other)


def _holds(first: Form, second: Form, point: Point, pair: Pair) -> bool:
    """Checks whether values that agree to 30 digits do so to many more than are lost on the way.

    Then nothing but equality is left: a difference that large terms hide, as in (10^80 + 1)^(1/2) - 10^40, comes out.
    """
    with mpmath.workdps(DIGITS):
        size = max(1, abs(pair.first.value), abs(pair.second.value))
        lost = max(pair.first.error, pair.second.error) / size * mpmath.mpf(10) ** (DIGITS - ROUNDING)
        digits = MANY_DIGITS + 2 * max(0, int(mpmath.ceil(mpmath.log10(lost)))) if lost else MANY_DIGITS
    if digits > MOST_DIGITS:
        return False
    closer = _pair(first, second, point, digits)
    return closer is not None and not closer.apart and closer.known


def _value(form: Form, point: Point, digits: int) -> Value | None:
    if contents(form).operators & set(JOINED):
        try:
            form = Substitution({name: algebra.number(value) for name, value in point.items()})(form)
        except (BoundReachedError, *REFUSALS):
            return None
    with mpmath.workdps(digits):
        values = {name: _number(value) for name, value in point.items()}
        operator = functools.partial(_operated, point=point, digits=digits)
        return Evaluation(_arithmetic(digits), values.__getitem__, operator)(form)


def _number(value: Fraction) -> mpmath.mpc:
    return mpmath.mpc(mpmath.mpf(value.numerator) / value.denominator)


@functools.lru_cache(maxsize=8)
def _arithmetic(digits: int) -> Arithmetic:
    """The arithmetic of that many digits, to which mpmath must be set wherever it is used."""
    ten = mpmath.mpf(10)
    return Arithmetic(
        number=_number,
        constants={"e": mpmath.mpc(mpmath.e), "pi": mpmath.mpc(mpmath.pi), "i": mpmath.mpc(0, 1)},
        calls={
            "sin": mpmath.sin, "cos": mpmath.cos, "tan": mpmath.tan,
            "cot": mpmath.cot, "sec": mpmath.sec, "csc": mpmath.csc,
            "arcsin": mpmath.asin, "arccos": mpmath.acos, "arctan": mpmath.atan,
            "sinh": mpmath.sinh, "cosh": mpmath.cosh, "tanh": mpmath.tanh,
            "arcsinh": mpmath.asinh, "arccosh": mpmath.acosh, "arctanh": mpmath.atanh,
            "ln": mpmath.ln, "abs": lambda z: mpmath.mpc(abs(z)), "sgn": lambda z: z / abs(z),
            "factorial": mpmath.factorial,
        },
        arctan2=lambda y, x: mpmath.mpc(mpmath.atan2(y.real, x.real)),
        tolerance=ten ** (ROUNDING - digits),
        noise=ten ** (ROUNDING - digits),
        largest=ten**1_000_000,
    )  # fmt: skip


def _operated(base: Atom, point: Point, digits: int) -> mpmath.mpc:
    """The value of a limit, an integral, a derivative or an infinite series at a point.

    Raises:
        ValueError: it has none.
    """
    _, name, forms = base
    length = series_length(*forms[2:]) if name in JOINED else None
    if length is not None and length.denominator > 1:
        raise ValueError("a series over a part of a step")
    letters = {sympy.Symbol(name): sympy.Rational(value.numerator, value.denominator) for name, value in point.items()}
    value = sympy.N(_atom(base).subs(letters).doit(), digits)
    if not (value.is_number and value.is_finite):
        raise ValueError("an operator without a value")
    return mpmath.mpc(*value.as_real_imag())


def build(form: Form) -> sympy.Expr:
    """The sympy object of an exact form."""
    terms = []
    for monomial, coefficient in form:
        factors = [_power(base, sympy.Rational(e.numerator, e.denominator)) for base, e in monomial]
        terms.append(sympy.Mul(sympy.Rational(coefficient.numerator, coefficient.denominator), *factors))
    return sympy.Add(*terms)


def _power(base: Atom, exponent: sympy.Rational) -> sympy.Expr:
    built = _atom(base)
    if exponent.q % 2 and exponent.q > 1 and built.is_number and built.is_real and built.is_negative:
        return (-1) ** (exponent.p % 2) * (-built) ** exponent  # the real root, as `algebra` has it
    return built**exponent


def _atom(base: Atom) -> sympy.Expr:
    if is_opaque(base):
        return sympy.Symbol(repr(base))  # f(x): whatever it is, it is the same in both
    match base:
        case ("symbol", name):
            return sympy.Symbol(name)
        case ("prime", value):
            return sympy.Integer(value)
        case ("constant", name):
            return _SYMPY_CONSTANTS[name]
        case ("sum", form):
            return build(form)
        case ("power", below, above):
            return build(below) ** build(above)
        case ("call", name, form):
            return _SYMPY_FUNCTIONS[name](build(form))
        case ("function", name, forms):
            return _SYMPY_FUNCTIONS[name](*map(build, forms))
    raise AssertionError(f"an atom of the kind {base[0]}")


def _warm_up() -> None:
    """Builds the tables that sympy needs for its first series and integral: half a second, which the children that make
    the comparisons would each spend anew."""
    x = sympy.Symbol("x")
    sympy.Sum(sympy.Rational(1, 3) ** x, (x, 0, sympy.oo)).doit()
    sympy.Integral(x**2 * sympy.exp(x), (x, 0, 1)).doit()


_warm_up()
