"""Exact canonical forms of expressions: sums of terms with rational coefficients, equal by hash.

A form is a sorted tuple of (monomial, coefficient); a monomial is a sorted tuple of (atom, exponent). Atoms:

    ("symbol", name)        ("prime", n)  n > 1, exponent in (0, 1): what is left of a root
    ("constant", "e"|"pi"|"i"|"infinity")
    ("call", name, form)    ("function", name, forms)  a call of several arguments, and a binomial
    ("sum", form)           a sum that is not expanded: roots, reciprocals, high powers
    ("power", base, exponent)              with an exponent that is no number, of one term without a coefficient

Rationals, surds, polynomials and their products are canonical: their forms are equal exactly when they are.
Quotients by sums and nested roots are not reduced further; there equal values may have different forms. Sizes and
work are bounded by `bounds`; nothing here is evaluated to floating point, and nothing is text.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import comb, isqrt

from seed_grpo.verify.isolation.bounds import (
    MAX_BITS,
    MAX_FACTORIAL,
    MAX_FACTORS,
    MAX_TERMS,
    BoundReachedError,
    sort_key,
    spend,
)

Atom = tuple
Monomial = tuple[tuple[Atom, Fraction], ...]
Form = tuple[tuple[Monomial, Fraction], ...]

ONE_HALF = Fraction(1, 2)
TRIAL_DIVISORS = 1000
POSITIVE = {("constant", "e"), ("constant", "pi")}


def number(value: Fraction | int) -> Form:
    """A rational number."""
    value = _bounded(Fraction(value))
    return (((), value),) if value else ()


def _bounded(value: Fraction) -> Fraction:
    """Checks and counts a rational number; all arithmetic goes through this."""
    bits = _bits(value)
    if bits > MAX_BITS:
        raise BoundReachedError(f"a number has over {MAX_BITS} bits")
    spend(1 + bits // 8)
    return value


def _bits(value: Fraction) -> int:
    return max(abs(value.numerator), value.denominator).bit_length()


def atom(*parts: object) -> Form:
    """One atom, e.g. `atom("symbol", "x")`."""
    return ((((parts, Fraction(1)),), Fraction(1)),)


def as_number(form: Form) -> Fraction | None:
    """The rational that the form is, or None."""
    if not form:
        return Fraction(0)
    return form[0][1] if len(form) == 1 and form[0][0] == () else None


def add(*forms: Form) -> Form:
    total: dict[Monomial, Fraction] = {}
    for form in forms:
        for monomial, coefficient in form:
            total[monomial] = _bounded(total.get(monomial, Fraction(0)) + coefficient)
    if len(total) > MAX_TERMS:
        raise BoundReachedError(f"a sum has over {MAX_TERMS} terms")
    return tuple(sorted(((m, c) for m, c in total.items() if c), key=lambda term: sort_key(term[0])))


def scale(form: Form, factor: Fraction) -> Form:
    """The form times a rational."""
    return mul(form, number(factor))


def mul(first: Form, second: Form) -> Form:
    if len(first) * len(second) > 10 * MAX_TERMS:
        raise BoundReachedError(f"a product has over {10 * MAX_TERMS} terms before it is collected")
    terms: list[Form] = []
    for left, left_coefficient in first:
        for right, right_coefficient in second:
            exponents = dict(left)
            for base, exponent in right:
                exponents[base] = exponents.get(base, Fraction(0)) + exponent
            coefficient = _bounded(left_coefficient * right_coefficient)
            both = left and right
            terms.append(_settle(coefficient, exponents) if both else ((left or right, coefficient),))
    return add(*terms)


def map_atoms(form: Form, image: Callable[[Atom], Form]) -> Form:
    """The form calculated again with the image of every atom in its place.

    An image that should change what is inside of an atom calls this for the inner forms.
    """
    terms = []
    for monomial, coefficient in form:
        term = number(coefficient)
        for base, exponent in monomial:
            term = mul(term, power(image(base), number(exponent)))
        terms.append(term)
    return add(*terms)


def power(base: Form, exponent: Form) -> Form:
    """The power base ** exponent.

    A rational number to a rational power is reduced; a sum is expanded where that stays small.

    Raises:
        ZeroDivisionError: zero to a power that is not positive.
    """
    rational = as_number(exponent)
    if rational is None:
        return _power_with_letters(base, exponent)
    if not base:
        if rational <= 0:
            raise ZeroDivisionError("zero to a power that is not positive")
        return ()
    if rational == 1:
        return base
    if len(base) == 1:
        return _power_of_term(base, rational)
    whole = rational.denominator == 1 and 0 <= rational <= 50
    if whole and comb(len(base) + int(rational) - 1, len(base) - 1) <= MAX_TERMS:
        result = number(1)
        for _ in range(int(rational)):
            result = mul(result, base)
        return result
    # what is taken out is positive, so that a root's sign stays inside; of an integer power the sign goes out too
    content = abs(base[0][1]) if rational.denominator > 1 else base[0][1]
    inner = scale(base, 1 / content)
    return mul(_power_of_term(number(content), rational), _raised(inner, rational))


def _power_with_letters(base: Form, exponent: Form) -> Form:
    """The power base ** exponent, a product of one power for each factor of the base and each term of the exponent.

    Only by laws that hold for every value: b^(m + n) = b^m b^n, b^(2m) = (b^m)^2, (-6)^m = (-1)^m 2^m 3^m, and for a
    real m and a positive number b^(m/2) = (b^m)^(1/2). That (ab)^m is a^m b^m holds for positive values alone.
    """
    if base == number(1):
        return base
    factors = _positive_factors(base) if len(base) == 1 else None
    parts = factors or [(base, Fraction(1))]
    if not base or len(parts) * len(exponent) > MAX_TERMS // 4:
        return atom("power", base, exponent)
    result = number(1)
    for part, multiple in parts:
        for monomial, coefficient in exponent:
            is_positive_number = factors is not None and part != number(-1)
            power_of_part = _power_of_part(part, monomial, coefficient * multiple, is_positive_number)
            if power_of_part is None:
                return atom("power", base, exponent)
            result = mul(result, power_of_part)
    return result


def _positive_factors(base: Form) -> list[tuple[Form, Fraction]] | None:
    """Numbers with exponents whose product is the base, and -1 if it is negative; None: it has letters."""
    ((monomial, coefficient),) = base
    if any(not is_positive(each) or each[0] == "power" for each, _ in monomial):
        return None
    factors: dict[Form, Fraction] = {number(-1): Fraction(1)} if coefficient < 0 else {}
    for part, direction in ((abs(coefficient.numerator), 1), (coefficient.denominator, -1)):
        for prime, multiplicity in _factors(part):
            factors[number(prime)] = factors.get(number(prime), Fraction(0)) + direction * multiplicity
    for each, exponent in monomial:
        form = number(each[1]) if each[0] == "prime" else atom(*each)
        factors[form] = factors.get(form, Fraction(0)) + exponent
    return [(part, multiple) for part, multiple in factors.items() if multiple]


def _power_of_part(base: Form, monomial: Monomial, coefficient: Fraction, is_positive_number: bool) -> Form | None:
    """The power base ** (coefficient * monomial); None where the root of what may be negative would be taken."""
    if not monomial:
        is_letter = len(base) == 1 and base[0][1] > 0 and all(each[0] == "symbol" for each, _ in base[0][0])
        is_safe = coefficient.denominator == 1 or is_positive_number or is_letter
        return power(base, number(coefficient)) if is_safe else None
    ((first, exponent), *rest) = monomial
    is_logarithm = not rest and exponent == 1 and first[:2] == ("call", "ln") and coefficient.denominator <= 2
    if is_logarithm and base == atom("constant", "e"):
        return power(first[2], number(coefficient))
    inside = Fraction(1) if is_positive_number and _is_real(monomial) else Fraction(1, coefficient.denominator)
    return ((((("power", base, ((monomial, inside),)), coefficient / inside),), Fraction(1)),)


def is_positive(base: Atom) -> bool:
    """Checks whether an atom is a positive number whatever letters stand for, as 2^x is."""
    if base[0] == "power":
        _, below, above = base
        is_positive_number = len(below) == 1 and below[0][1] > 0 and all(is_positive(each) for each, _ in below[0][0])
        return is_positive_number and all(_is_real(monomial) for monomial, _ in above)
    return base[0] == "prime" or base in POSITIVE


def _is_real(monomial: Monomial) -> bool:
    """Checks whether a product is real for real letters, as far as that is plain."""
    return all(base[0] in ("symbol", "prime") or base in POSITIVE for base, _ in monomial) and all(
        exponent.denominator == 1 or base[0] != "symbol" for base, exponent in monomial
    )


def without_denominators(form: Form) -> Form:
    """The form times what stands in its denominators; it is zero where the form is.

    Where that has too many terms the form stays as it is.
    """
    try:
        for _ in range(3):  # what was in a denominator may have some of its own
            lowest: dict[Atom, Fraction] = {}
            for monomial, _ in form:
                for base, exponent in monomial:
                    lowest[base] = min(exponent, lowest.get(base, Fraction(0)))
            below = {base: -exponent for base, exponent in lowest.items() if exponent < 0}
            if not below:
                break
            form = add(*(_settle(coefficient, _times(dict(monomial), below)) for monomial, coefficient in form))
    except BoundReachedError:
        pass
    return form


def _times(exponents: dict[Atom, Fraction], others: dict[Atom, Fraction]) -> dict[Atom, Fraction]:
    return {base: exponents.get(base, Fraction(0)) + others.get(base, Fraction(0)) for base in {**exponents, **others}}


def is_huge(form: Form) -> bool:
    """Checks whether a term is a number out of all reach: a power or a factorial too large to be worked out."""
    if len(form) != 1 or _bits(form[0][1]) > 64:
        return False
    for base, exponent in form[0][0]:
        match base:
            case ("power", below, above) if as_number(below) is not None:
                if (as_number(above) or (1 if is_huge(above) else 0)) * exponent > 0:
                    return True
            case ("call", "factorial", inside) if (as_number(inside) or 0) > 2 * MAX_FACTORIAL and exponent > 0:
                return True
            case ("function", "binomial", (above, below)) if exponent > 0:
                total, chosen = as_number(above) or 0, as_number(below) or 0
                if min(chosen, total - chosen) > MAX_FACTORS:
                    return True
    return False


def _raised(base: Form, exponent: Fraction) -> Form:
    """The power base ** exponent as one atom."""
    return ((((("sum", base), exponent),), Fraction(1)),)


def _power_of_term(base: Form, rational: Fraction) -> Form:
    monomial, coefficient = base[0]
    if rational.denominator > 1 and any(
        exponent.numerator % 2 == 0 and not is_positive(symbol) for symbol, exponent in monomial
    ):
        return _raised(base, rational)  # the root of x^2 is not x
    result = _power_of_number(coefficient, rational)
    exponents = {symbol: exponent * rational for symbol, exponent in monomial}
    return mul(result, _settle(Fraction(1), exponents))


def _power_of_number(value: Fraction, rational: Fraction) -> Form:
    if rational.denominator == 1:
        bits = _bits(value) - (abs(value) == 1)
        if bits * abs(rational) > MAX_BITS:
            return atom("power", number(value), number(rational))
        if bits == 0:  # a power of 1 or -1
            return number(value if rational % 2 else 1)
        return number(value ** int(rational))
    sign = number(1)
    if value < 0:
        # the real root where there is one, the principal square root otherwise
        if rational.denominator % 2:
            sign = number(-1 if rational.numerator % 2 else 1)
        elif rational.denominator == 2:
            sign = _settle(Fraction(1), {("constant", "i"): 2 * rational})
        else:
            return atom("power", number(value), number(rational))
    exponents: dict[Atom, Fraction] = {}
    for part, direction in ((abs(value.numerator), 1), (value.denominator, -1)):
        for prime, multiplicity in _factors(part):
            exponents[("prime", prime)] = direction * multiplicity * rational
    return mul(sign, _settle(Fraction(1), exponents))


def _settle(coefficient: Fraction, exponents: dict[Atom, Fraction]) -> Form:
    """One term with its exponents brought to canonical form."""
    monomial: dict[Atom, Fraction] = {}
    expanded: list[tuple[Form, Fraction]] = []
    for base, exponent in exponents.items():
        if base[0] == "prime":
            whole = exponent.numerator // exponent.denominator
            if whole:
                factor = as_number(_power_of_number(Fraction(base[1]), Fraction(whole)))
                assert factor is not None
                coefficient *= factor
            exponent -= whole
        elif base == ("constant", "i") and exponent.denominator == 1:
            turns = int(exponent % 4)
            coefficient, exponent = coefficient * (-1 if turns >= 2 else 1), Fraction(turns % 2)
        elif base[0] == "sum" and exponent.denominator == 1 and exponent > 0:
            expanded.append((base[1], exponent))
            continue
        if exponent:
            monomial[base] = _bounded(exponent)
    form: Form = ((tuple(sorted(monomial.items(), key=sort_key)), _bounded(coefficient)),)
    for base_form, exponent in expanded:
        grown = power(base_form, number(exponent))
        is_atom = len(grown) == 1 and len(grown[0][0]) == 1 and grown[0][0][0][0][0] == "sum"
        form = _times_atom(form, grown) if is_atom else mul(form, grown)
    return form


def _times_atom(term: Form, opaque: Form) -> Form:
    """A term times a power that stays unexpanded; `mul` would settle it again without end."""
    ((left, left_coefficient),), ((right, right_coefficient),) = term, opaque
    return ((tuple(sorted((*left, *right), key=sort_key)), left_coefficient * right_coefficient),)


def _factors(value: int) -> list[tuple[int, int]]:
    """Prime factors by trial division; what is left over counts as one factor, its square root taken if it is whole."""
    bits = value.bit_length()
    spend((min(value, TRIAL_DIVISORS) + bits) * (1 + bits // 1024))
    found = []
    for divisor in range(2, TRIAL_DIVISORS):
        if divisor * divisor > value:
            break
        multiplicity = 0
        while value % divisor == 0:
            value //= divisor
            multiplicity += 1
        if multiplicity:
            found.append((divisor, multiplicity))
    root = isqrt(value)
    if value > 1:
        found.append((root, 2) if root * root == value else (value, 1))
    return found
