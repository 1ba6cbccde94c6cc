"""The last word on what the quick means leave open, by sympy. Only for the bounded process.

Consumes two answers as text, reads them with our own grammar, and builds sympy objects from the exact forms: no text
reaches sympy. Two expressions are equal if they agree at every random point at which both have a value, first to 30
digits of their largest term and then to 185 or more; a point with negative symbols counts where both values are real.
Where there is no such point, sympy simplifies.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import sympy

from seed_grpo.verify import equivalence
from seed_grpo.verify.forms.algebra import Atom, Form
from seed_grpo.verify.parse import parse_answer
from seed_grpo.verify.values import Rules

DIGITS = 45
MANY_DIGITS = 200
ROUNDING = 15
"""last digits of a value, in terms of its largest term, that may be rounding"""
AGREEMENT = sympy.Float(10) ** (ROUNDING - DIGITS)
POINTS = 6
SERIES = (sympy.Sum, sympy.Product)
PIECES = (sympy.Abs, sympy.Min, sympy.Max)
STEPS = (sympy.floor, sympy.ceiling, sympy.Mod, sympy.factorial2)
REFUSALS = (TypeError, ValueError, ArithmeticError, NotImplementedError, AttributeError)
"""by which sympy says that an expression makes no sense to it, such as the minimum of complex numbers"""

_FUNCTIONS: dict[str, Callable] = {
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "cot": sympy.cot, "sec": sympy.sec, "csc": sympy.csc,
    "arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan, "sinh": sympy.sinh, "cosh": sympy.cosh,
    "tanh": sympy.tanh, "ln": sympy.log, "abs": sympy.Abs, "factorial": sympy.factorial, "floor": sympy.floor,
    "ceil": sympy.ceiling, "min": sympy.Min, "max": sympy.Max, "binomial": sympy.binomial, "mod": sympy.Mod,
    "factorial2": sympy.factorial2, "gcd": sympy.gcd, "lcm": sympy.lcm,
    "sum": lambda body, name, low, high: sympy.Sum(body, (name, low, high)),
    "prod": lambda body, name, low, high: sympy.Product(body, (name, low, high)),
    "lim": lambda body, name, target, side: sympy.Limit(body, name, target, "+" if side > 0 else "-"),
    "diff": sympy.Derivative,
    "int": lambda body, name, *bounds: sympy.Integral(body, (name, *bounds) if bounds else name),
}  # fmt: skip
_CONSTANTS = {"e": sympy.E, "pi": sympy.pi, "i": sympy.I, "infinity": sympy.oo}


def same(first: str, second: str, decimal_digits: int, relative: float) -> bool:
    """Whether two answers mean the same by the relation `math`; what cannot be shown is not the same."""
    rules = Rules(decimal_digits, relative, equal, proportional)
    one, other = parse_answer(first), parse_answer(second)
    return bool(equivalence.compare((one.kind, one.value), (other.kind, other.value), rules))


def equal(first: Form, second: Form) -> bool:
    """Whether two expressions have the same value wherever both have one."""
    try:
        one, other = build(first), build(second)
        seen = 0
        for point, sign in _points(one, other):
            apart, largest = _difference(one, other, point, sign, DIGITS)
            if apart is None:
                continue
            if apart > largest * AGREEMENT or not _holds(one, other, point, sign, largest):
                return False
            seen += 1
        return seen > 0 or sympy.simplify(one - other) == 0
    except REFUSALS:
        return False


def proportional(first: Form, second: Form) -> bool:
    """Whether the quotient of two expressions is a constant."""
    try:
        one, other = build(first), build(second)
        pairs = [_evaluated(one, other, point, sign, DIGITS)[0] for point, sign in _points(one, other)]
        ratios = [pair[0] / pair[1] for pair in pairs if pair is not None and pair[0] and pair[1]]
        if not ratios:
            return bool(sympy.simplify(one / other).is_constant())
    except REFUSALS:
        return False
    return all(abs(ratio - ratios[0]) <= AGREEMENT * abs(ratios[0]) for ratio in ratios)


def _holds(one: sympy.Expr, other: sympy.Expr, point: dict, sign: int, largest: sympy.Expr) -> bool:
    """Whether what agrees to 30 digits does so to many more than its largest term has, so that nothing but equality
    is left: a difference that large terms hide, as in (10^80 + 1)^(1/2) - 10^40, comes out."""
    digits = MANY_DIGITS + 2 * max(0, int(sympy.ceiling(sympy.log(largest, 10).n(15)))) if largest else MANY_DIGITS
    apart, largest = _difference(one, other, point, sign, digits)
    return apart is not None and apart <= largest * sympy.Float(10, digits) ** (ROUNDING - digits)


def _difference(
    one: sympy.Expr, other: sympy.Expr, point: dict, sign: int, digits: int
) -> tuple[sympy.Expr | None, sympy.Expr]:
    """How far apart the two are at a point, None where one has no value, and the size of the largest term."""
    pair, largest = _evaluated(one, other, point, sign, digits)
    return (None if pair is None else abs(pair[0] - pair[1])), largest


def _evaluated(
    one: sympy.Expr, other: sympy.Expr, point: dict, sign: int, digits: int
) -> tuple[tuple[sympy.Expr, sympy.Expr] | None, sympy.Expr]:
    """The values of both at a point, None where they are no numbers, or not real at a negative one."""
    terms = [[sympy.N(term.subs(point).doit(), digits) for term in sympy.Add.make_args(each)] for each in (one, other)]
    first, second = (sympy.Add(*each) for each in terms)
    numbers = all(value.is_number and value.is_finite for value in (first, second))
    if not numbers or (sign < 0 and not (first.is_real and second.is_real)):
        return None, sympy.Integer(0)
    return (first, second), max(abs(term) for each in terms for term in each)


def _points(one: sympy.Expr, other: sympy.Expr) -> Iterator[tuple[dict, int]]:
    """What symbols are replaced by, and the sign of it.

    Whole numbers where a symbol may be the number of terms; whole numbers as well, powers of two first, where there are
    steps, which may differ in nothing else.
    """
    names = sorted(one.free_symbols | other.free_symbols, key=str)
    if not names:
        yield {}, 1
        return
    series = one.has(*SERIES) or other.has(*SERIES)
    if series or one.has(*STEPS) or other.has(*STEPS):
        for index in range(POINTS):
            choices = (2, 4, 8) if index < POINTS // 2 else range(1, 13)
            generator = random.Random(index)
            yield {name: sympy.Integer(generator.choice(choices)) for name in names}, 1
    for index in range(0 if series else POINTS):
        generator = random.Random(index)
        sign, top = (-1 if index % 3 == 2 else 1), (70000 if index % 2 else 16999)
        yield {name: sign * sympy.Rational(generator.randint(3001, top), 10007) for name in names}, sign
    if any(each.has(*PIECES) or (each.atoms(sympy.Pow) and _has_root(each)) for each in (one, other)):
        for far in (-1000, -50, 50, 1000):  # where pieces may part
            yield {name: far + sympy.Rational(index, 7) for index, name in enumerate(names)}, far


def _has_root(expression: sympy.Expr) -> bool:
    return any(power.exp.is_Rational and power.exp.q % 2 == 0 for power in expression.atoms(sympy.Pow))


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
        return (-1) ** (exponent.p % 2) * (-built) ** exponent  # the real root, as in `seed_grpo.verify.forms.algebra`
    return built**exponent


def _atom(base: Atom) -> sympy.Expr:
    match base:
        case ("symbol", name):
            return sympy.Symbol(name)
        case ("prime", value):
            return sympy.Integer(value)
        case ("constant", name):
            return _CONSTANTS[name]
        case ("sum", form):
            return build(form)
        case ("power", below, above):
            return build(below) ** build(above)
        case ("call", name, form):
            return _FUNCTIONS[name](build(form))
        case ("function", name, forms) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*map(build, forms))
    return sympy.Symbol(repr(base))  # f(x): whatever it is, it is the same in both
