r"""Functions with exact values: gcd, lcm, min, max, floor, ceiling, mod, factorial, binomial, sums over whole numbers.

Consumes and produces forms. What has no exact value stays a call, whose arguments are in canonical order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from seed_grpo.verify.forms import algebra, numeric
from seed_grpo.verify.forms.algebra import Form, Monomial
from seed_grpo.verify.limits import sort_key

LARGEST_FACTORIAL = 500
MOST_FACTORS = 500
"""of a binomial, over the factors of its denominator"""


def gcd(forms: Sequence[Form]) -> Form:
    """Of terms: of the coefficients (rationals included) and of the powers; sums are taken as they are."""
    return _of_terms("gcd", forms)


def lcm(forms: Sequence[Form]) -> Form:
    """Of terms, as `gcd`; with a symbol in it the product of the signs stays."""
    return _of_terms("lcm", forms)


def _of_terms(name: str, forms: Sequence[Form]) -> Form:
    if any(len(form) > 1 for form in forms):
        return algebra.atom("function", name, tuple(sorted(forms, key=sort_key)))
    values = [form[0][1] if form else Fraction(0) for form in forms]
    numerators, denominators = [value.numerator for value in values], [value.denominator for value in values]
    factors = [dict(form[0][0]) if form else {} for form in forms]
    atoms = dict.fromkeys(base for each in factors for base in each)
    zero = Fraction(0)
    if name == "gcd":
        coefficient = Fraction(math.gcd(*numerators), math.lcm(*denominators))
        powers = {base: min(each.get(base, zero) for each in factors) for base in atoms}
    else:
        coefficient = Fraction(math.lcm(*numerators), math.gcd(*denominators))
        powers = {base: max(each.get(base, zero) for each in factors) for base in atoms}
        if any(base[0] == "symbol" for base in atoms) and sum(value < 0 for value in values) % 2:
            coefficient = -coefficient
    monomial: Monomial = tuple(sorted(((b, e) for b, e in powers.items() if e), key=sort_key))
    return algebra.scale(((monomial, Fraction(1)),), coefficient)


def minimum(forms: Sequence[Form]) -> Form:
    return _extreme("min", forms)


def maximum(forms: Sequence[Form]) -> Form:
    return _extreme("max", forms)


def _extreme(name: str, forms: Sequence[Form]) -> Form:
    """Whatever a constant difference decides is decided; the rest stays."""
    kept: list[Form] = []
    for form in forms:
        for index, other in enumerate(kept):
            apart = numeric.real_value(algebra.add(form, algebra.scale(other, Fraction(-1))))
            if apart is not None:
                if (apart < 0) == (name == "min") and apart:
                    kept[index] = form
                break
        else:
            kept.append(form)
    return kept[0] if len(kept) == 1 else algebra.atom("function", name, tuple(sorted(kept, key=sort_key)))


def floor(forms: Sequence[Form]) -> Form:
    return _rounded("floor", forms)


def ceiling(forms: Sequence[Form]) -> Form:
    return _rounded("ceil", forms)


def _rounded(name: str, forms: Sequence[Form]) -> Form:
    (form,) = forms
    exact = algebra.as_number(form)
    value = numeric.real_value(form)
    if exact is not None:
        return algebra.number(math.floor(exact) if name == "floor" else math.ceil(exact))
    if value is None or abs(value) > 1e9 or abs(value - round(value)) < 1e-6:  # too near to a step to tell
        return algebra.atom("call", name, form)
    return algebra.number(math.floor(value) if name == "floor" else math.ceil(value))


def modulo(first: Form, second: Form) -> Form:
    """The remainder with the sign of the divisor.

    Raises:
        ZeroDivisionError: the divisor is zero.
    """
    exact, divisor = algebra.as_number(first), algebra.as_number(second)
    if exact is not None and divisor is not None:
        return algebra.number(exact % divisor)
    value, size = numeric.real_value(first), numeric.real_value(second)
    if value is None or not size or not math.isfinite(value) or abs(value / size) > 1e6:
        return algebra.atom("function", "mod", (first, second))
    return algebra.add(first, algebra.scale(second, Fraction(-math.floor(value / size))))


def factorial(form: Form) -> Form:
    value = _natural(form)
    if value is None:
        return algebra.atom("call", "factorial", form)
    if value > LARGEST_FACTORIAL:
        return algebra.atom("call", "factorial", form)
    return algebra.number(math.factorial(value))


def double_factorial(form: Form) -> Form:
    """n (n - 2) (n - 4) ... down to 1 or 2."""
    value = _natural(form)
    if value is None or value > LARGEST_FACTORIAL:
        return algebra.atom("call", "factorial2", form)
    return algebra.number(math.prod(range(value, 0, -2)))


def binomial(above: Form, below: Form) -> Form:
    total, chosen = _natural(above), _natural(below)
    if total is None or chosen is None:
        return algebra.atom("function", "binomial", (above, below))
    if min(chosen, total - chosen) > MOST_FACTORS or total > 10**6:
        return algebra.atom("function", "binomial", (above, below))
    return algebra.number(math.comb(total, chosen))


def permutations(above: Form, below: Form) -> Form:
    """n! / (n - k)!, the number of arrangements of k out of n."""
    rest = algebra.add(above, algebra.scale(below, Fraction(-1)))
    return algebra.mul(factorial(above), algebra.power(factorial(rest), algebra.number(-1)))


def absolute(form: Form) -> Form:
    """Without its sign where it is real; |2x| is 2|x|, and |x - y| is |y - x|."""
    value = numeric.real_value(form)
    if value is not None:
        return algebra.scale(form, Fraction(-1)) if value < 0 else form
    if not form:
        return form
    content = form[0][1]
    return algebra.scale(algebra.atom("call", "abs", algebra.scale(form, 1 / content)), abs(content))


def _natural(form: Form) -> int | None:
    value = algebra.as_number(form)
    return int(value) if value is not None and value.denominator == 1 and value >= 0 else None


FUNCTIONS = {
    "gcd": gcd, "lcm": lcm, "min": minimum, "max": maximum, "floor": floor, "ceil": ceiling,
}  # fmt: skip
"""By name, of a list of forms."""
