r"""Functions with exact values: gcd, lcm, min, max, floor, ceiling, mod, factorial, binomial, sums over whole numbers.

Consumes and produces forms. What has no exact value stays a call, whose arguments are in canonical order.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from fractions import Fraction

from seed_grpo.verify.isolation.bounds import MAX_FACTORIAL, MAX_FACTORS, sort_key
from seed_grpo.verify.math.forms import algebra, numeric
from seed_grpo.verify.math.forms.algebra import Atom, Form, Monomial
from seed_grpo.verify.math.forms.contents import contents


def gcd(forms: Sequence[Form]) -> Form:
    """The greatest common divisor: of constants as their factors have it, of whole numbers with letters in them a call.

    Letters stand for whole numbers that may have any factor. What all arguments share is taken out, gcd(2n, 6) is
    2 gcd(n, 3), and the others are reduced by a whole number among them, gcd(n + 7, 6) to gcd(n + 1, 6).
    """
    if not any(contents(form).names for form in forms):
        return _of_constants("gcd", forms)
    kept = list(dict.fromkeys(_without_sign(form) for form in forms if form))
    if len(kept) == 1:
        return kept[0]
    if any(coefficient.denominator > 1 for form in kept for _, coefficient in form):
        return _call("gcd", kept)
    common = _common_factor(kept)
    rest = [algebra.mul(form, algebra.power(common, algebra.number(-1))) for form in kept]
    while divisor := math.gcd(*(int(value) for value in map(algebra.as_number, rest) if value is not None)):
        if divisor == 1:
            return common
        reduced = [tuple((m, c % divisor) for m, c in form if c % divisor) for form in rest]
        reduced = [algebra.number(divisor), *(_without_units(form, divisor) for form in reduced if form)]
        if reduced == rest:
            break
        rest = reduced
    return algebra.mul(common, _call("gcd", rest))


def lcm(forms: Sequence[Form]) -> Form:
    """The least common multiple: of two terms their product over their greatest common divisor, else as `gcd`."""
    if not any(contents(form).names for form in forms):
        return _of_constants("lcm", forms)
    kept = list(dict.fromkeys(map(_without_sign, forms)))
    if len(kept) == 1 or () in kept:
        return () if () in kept else kept[0]
    if len(kept) == 2:
        return algebra.mul(algebra.mul(*kept), algebra.power(gcd(kept), algebra.number(-1)))
    return _call("lcm", kept)


def _without_units(form: Form, divisor: int) -> Form:
    """A form over the number that divides it and shares nothing with a divisor."""
    unit = math.gcd(*(coefficient.numerator for _, coefficient in form))
    while (shared := math.gcd(unit, divisor)) > 1:
        unit //= shared
    return algebra.scale(form, Fraction(1, unit))


def _without_sign(form: Form) -> Form:
    return algebra.scale(form, Fraction(-1)) if form and form[0][1] < 0 else form


def _call(name: str, forms: Sequence[Form]) -> Form:
    return algebra.atom("function", name, tuple(sorted(dict.fromkeys(forms), key=sort_key)))


def _common_factor(forms: Sequence[Form]) -> Form:
    """The whole number and the powers of letters that divide every term."""
    terms = [term for form in forms for term in form]
    shared = dict(terms[0][0])
    for monomial, _ in terms[1:]:
        exponents = dict(monomial)
        shared = {base: min(exponent, exponents[base]) for base, exponent in shared.items() if base in exponents}
    monomial = tuple(sorted(((b, e) for b, e in shared.items() if b[0] == "symbol" and e > 0), key=sort_key))
    return ((monomial, Fraction(math.gcd(*(coefficient.numerator for _, coefficient in terms)))),)


def _of_constants(name: str, forms: Sequence[Form]) -> Form:
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
    monomial: Monomial = tuple(sorted(((b, e) for b, e in powers.items() if e), key=sort_key))
    return algebra.scale(((monomial, Fraction(1)),), coefficient)


def minimum(forms: Sequence[Form]) -> Form:
    return _extreme("min", forms)


def maximum(forms: Sequence[Form]) -> Form:
    return _extreme("max", forms)


def _extreme(name: str, forms: Sequence[Form]) -> Form:
    """The minimum or maximum, as far as constant differences decide; the rest stays."""
    kept: list[Form] = []
    for form in [part for argument in forms for part in _parts(name, argument)]:
        for index, other in enumerate(kept):
            apart = numeric.sign(algebra.add(form, algebra.scale(other, Fraction(-1))))
            if apart is not None:
                if apart == (-1 if name == "min" else 1):
                    kept[index] = form
                break
        else:
            kept.append(form)
    return kept[0] if len(kept) == 1 else algebra.atom("function", name, tuple(sorted(kept, key=sort_key)))


def _parts(name: str, form: Form) -> Sequence[Form]:
    """The arguments of a minimum within a minimum, which are its own."""
    base = form[0][0][0][0] if len(form) == 1 and form[0][1] == 1 and len(form[0][0]) == 1 else ()
    is_same = base[:2] == ("function", name) and form[0][0][0][1] == 1
    return base[2] if is_same else (form,)


def floor(forms: Sequence[Form]) -> Form:
    """The largest whole number that is not larger. A whole number in a sum comes out: floor(x + 1) is floor(x) + 1."""
    (form,) = forms
    exact = algebra.as_number(form)
    if exact is not None:
        return algebra.number(math.floor(exact))
    value = numeric.real_value(form)
    if value is not None and _is_off_step(value):
        return algebra.number(math.floor(value))
    whole = algebra.number(math.floor(sum(coefficient for monomial, coefficient in form if not monomial)))
    rest = algebra.add(form, algebra.scale(whole, Fraction(-1)))
    return algebra.add(algebra.atom("call", "floor", rest), whole)


def _is_off_step(value: float) -> bool:
    """Checks whether a double is far enough from every whole number to tell between which two it lies."""
    return abs(value) <= 1e9 and abs(value - round(value)) >= 1e-6


def ceiling(forms: Sequence[Form]) -> Form:
    (form,) = forms
    return algebra.scale(floor([algebra.scale(form, Fraction(-1))]), Fraction(-1))


def modulo(first: Form, second: Form) -> Form:
    """The remainder with the sign of the divisor: the first less the floor of the quotient times the divisor.

    Raises:
        ZeroDivisionError: the divisor is zero.
    """
    exact, divisor = algebra.as_number(first), algebra.as_number(second)
    if exact is not None and divisor is not None:
        return algebra.number(exact % divisor)
    quotient = floor([algebra.mul(first, algebra.power(second, algebra.number(-1)))])
    return algebra.add(first, algebra.scale(algebra.mul(second, quotient), Fraction(-1)))


def factorial(form: Form) -> Form:
    value = _natural(form)
    if value is None:
        return algebra.atom("call", "factorial", form)
    if value > MAX_FACTORIAL:
        return algebra.atom("call", "factorial", form)
    return algebra.number(math.factorial(value))


def double_factorial(form: Form) -> Form:
    """The product n (n - 2) (n - 4) ... down to 1 or 2."""
    value = _natural(form)
    if value is None or value > MAX_FACTORIAL:
        return algebra.atom("call", "factorial2", form)
    return algebra.number(math.prod(range(value, 0, -2)))


def binomial(above: Form, below: Form) -> Form:
    total, chosen = _natural(above), _natural(below)
    if total is None or chosen is None:
        return algebra.atom("function", "binomial", (above, below))
    if min(chosen, total - chosen) > MAX_FACTORS or total > 10**6:
        return algebra.atom("function", "binomial", (above, below))
    return algebra.number(math.comb(total, chosen))


def permutations(above: Form, below: Form) -> Form:
    """The value of n! / (n - k)!, the number of arrangements of k out of n."""
    rest = algebra.add(above, algebra.scale(below, Fraction(-1)))
    return algebra.mul(factorial(above), algebra.power(factorial(rest), algebra.number(-1)))


def absolute(form: Form) -> Form:
    """The absolute value, without its sign where it is real; |2x| is 2|x|, |xy| is |x||y|, and |x - y| is |y - x|."""
    known = numeric.sign(form)
    if known is not None:
        return algebra.scale(form, Fraction(known))
    content = form[0][1]
    if len(form) > 1:
        return algebra.scale(algebra.atom("call", "abs", algebra.scale(form, 1 / content)), abs(content))
    sizes = [algebra.power(_size(base), algebra.number(exponent)) for base, exponent in form[0][0]]
    return functools.reduce(algebra.mul, sizes, algebra.number(abs(content)))


def _size(base: Atom) -> Form:
    """The absolute value of an atom."""
    itself: Form = ((((base, Fraction(1)),), Fraction(1)),)
    if algebra.is_positive(base) or base[:2] == ("call", "abs"):
        return itself
    if base == ("constant", "i"):
        return algebra.number(1)
    return absolute(base[1]) if base[0] == "sum" else algebra.atom("call", "abs", itself)


def sign(form: Form) -> Form:
    """The sign -1, 0 or 1 where it is known."""
    known = numeric.sign(form)
    return algebra.atom("call", "sgn", form) if known is None else algebra.number(known)


def real_part(form: Form) -> Form:
    return _part("re", form, imaginary=False)


def imaginary_part(form: Form) -> Form:
    return _part("im", form, imaginary=True)


def argument(form: Form) -> Form:
    """The angle of a complex number."""
    parts = imaginary_part(form), real_part(form)
    return algebra.atom("call", "arg", form) if contents(form).names else arctan2(parts)


def _part(name: str, form: Form, imaginary: bool) -> Form:
    """The terms without or with i, where all else in them is positive; else a call."""
    unit = ("constant", "i")
    atoms = {base for monomial, _ in form for base, _ in monomial}
    if not all(base == unit or algebra.is_positive(base) for base in atoms):
        return algebra.atom("call", name, form)
    terms = tuple(term for term in form if (unit in dict(term[0])) is imaginary)
    return algebra.mul(terms, algebra.power(algebra.atom(*unit), algebra.number(-1))) if imaginary else terms


def _natural(form: Form) -> int | None:
    value = algebra.as_number(form)
    return int(value) if value is not None and value.denominator == 1 and value >= 0 else None


def arctan2(forms: Sequence[Form]) -> Form:
    """The angle of the point (x, y), which is given as y, x."""
    return algebra.atom("function", "atan2", tuple(forms))


FUNCTIONS = {
    "gcd": gcd, "lcm": lcm, "min": minimum, "max": maximum, "floor": floor, "ceil": ceiling, "atan2": arctan2,
}  # fmt: skip
"""functions of a list of forms, by name"""
