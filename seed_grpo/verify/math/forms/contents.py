r"""Contents of a form: letters, i, operators, and places where its value may have a corner or stop being real.

Consumes forms of `algebra`; produces a `Contents`, remembered by form. Nothing is calculated.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from seed_grpo.verify.isolation.bounds import REMEMBERED_FORMS
from seed_grpo.verify.math.forms import algebra
from seed_grpo.verify.math.forms.algebra import Atom, Form

OPERATORS = ("sum", "prod", "lim", "int", "diff")
"""functions that bind a variable, their second form"""
EVALUATED = ("binomial", "min", "max", "atan2")
"""functions of several arguments that have values; every other one is a letter by itself, as f(x) is"""
OPAQUE_CALLS = ("floor", "re", "im", "arg")
"""calls that are letters by themselves: steps, whose agreement at points says nothing, and parts of complex numbers"""


class Contents(NamedTuple):
    """Contents of a form, e.g. of `|x - 3| + i`: the name x, imaginary, and a switch x - 3."""

    names: frozenset[str] = frozenset()
    """letters, and the text of each atom that is a letter by itself"""
    imaginary: bool = False
    """true if i occurs"""
    operators: frozenset[str] = frozenset()
    """the `OPERATORS` that occur"""
    switches: frozenset[tuple[str, Form]] = frozenset()
    """forms that change their sign where the value has a "corner" or where it stops being real, the end of its
    "domain"; or their "slope" where a root has a corner"""
    sizes: tuple[int, int] = (0, 0)
    """decimal orders of magnitude of the smallest and the largest number in it"""


NOTHING = Contents()


@functools.lru_cache(REMEMBERED_FORMS)
def contents(form: Form) -> Contents:
    """Everything that occurs in a form, in every depth."""
    found = NOTHING
    for monomial, coefficient in form:
        magnitude = _magnitude(coefficient)
        found = _joined(found, Contents(sizes=(min(0, magnitude), max(0, magnitude))))
        for base, exponent in monomial:
            found = _joined(found, _of_atom(base, exponent))
    return found


def is_opaque(base: Atom) -> bool:
    """Checks whether an atom is a letter by itself: f(x), a step, an operator on one of these."""
    if base[0] == "call":
        return base[1] in OPAQUE_CALLS
    if base[0] != "function" or base[1] in EVALUATED:
        return False
    return base[1] not in OPERATORS or any(map(is_atom_text, _of_forms(base[2]).names))


def is_atom_text(name: str) -> bool:
    """Checks whether a name is the text of an atom that is a letter by itself, and not a letter."""
    return name.startswith("(")


def _of_atom(base: Atom, exponent: Fraction) -> Contents:
    if is_opaque(base):
        return Contents(frozenset((repr(base),)))
    match base:
        case ("symbol", name):
            return Contents(frozenset((name,)))
        case ("constant", "i"):
            return Contents(imaginary=True)
        case ("prime", value):
            return Contents(sizes=(0, _magnitude(Fraction(value))))
        case ("function", name, forms) if name in OPERATORS:
            inside = _of_forms(forms)
            is_bound = name != "diff" and len(forms) > 2
            bound = contents(forms[1]).names if is_bound else frozenset()
            return inside._replace(names=inside.names - bound, operators=inside.operators | {name})
        case ("function", _, arguments):
            inside = _of_forms(arguments)
        case ("call", _, argument) | ("sum", argument):
            inside = contents(argument)
        case ("power", *parts):
            inside = _of_forms(parts)
        case _:
            return NOTHING
    switches = frozenset(switch for switch in _switches(base, exponent) if contents(switch[1]).names)
    return inside._replace(switches=inside.switches | switches)


def _of_forms(forms: Sequence[Form]) -> Contents:
    found = NOTHING
    for form in forms:
        found = _joined(found, contents(form))
    return found


def _joined(first: Contents, second: Contents) -> Contents:
    return Contents(
        first.names | second.names,
        first.imaginary or second.imaginary,
        first.operators | second.operators,
        first.switches | second.switches,
        (min(first.sizes[0], second.sizes[0]), max(first.sizes[1], second.sizes[1])),
    )


def _switches(base: Atom, exponent: Fraction) -> Iterator[tuple[str, Form]]:
    match base:
        case ("call", "abs" | "sgn", inside):
            yield "corner", inside
        case ("call", "ln", inside) | ("power", inside, _) if len(inside) > 1:
            yield "domain", inside
        case ("call", "arcsin" | "arccos" | "arctanh" | "arccosh", inside):
            yield "domain", algebra.add(inside, algebra.number(1))
            yield "domain", algebra.add(inside, algebra.number(-1))
        case ("function", "min" | "max", forms):
            for index, first in enumerate(forms):
                for second in forms[:index]:
                    yield "corner", algebra.add(first, algebra.scale(second, Fraction(-1)))
        case ("sum", inside) if exponent.denominator > 1:
            yield "domain", inside
            yield "slope", inside


def _magnitude(value: Fraction) -> int:
    """The decimal order of magnitude of a number, from its bits."""
    return round((abs(value.numerator).bit_length() - value.denominator.bit_length()) * 0.30103)
