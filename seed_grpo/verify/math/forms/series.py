r"""Sums and products over whole numbers, and letters replaced in forms.

Consumes and produces forms. A sum over nothing is 0 and a product 1: `\sum_{k=5}^{1} k` is 0, not the -9 that another
convention gives it. A series of constant bounds is added up where letters are replaced; where it is read only a
short one of steps is, such as `\sum_{k=1}^{9} \lfloor k/2 \rfloor`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from seed_grpo.verify.math.forms import algebra, calls
from seed_grpo.verify.math.forms.algebra import Atom, Form
from seed_grpo.verify.math.forms.contents import OPERATORS, contents, is_atom_text
from seed_grpo.verify.math.forms.functions import FUNCTIONS, binomial

MOST_TERMS = 1000
"""terms of a series that is added up term by term"""
FEW_TERMS = 50
"""terms of a series of steps that is added up where it is read"""
JOINED: dict[str, tuple[Callable[[Form, Form], Form], int]] = {"sum": (algebra.add, 0), "prod": (algebra.mul, 1)}
"""functions that join the terms of a series, and its value without any"""


class EmptyRangeError(ValueError):
    """The letters in the bounds of a series have values that it does not mean: there is nothing between the bounds."""


def series(name: str, body: Form, variable: Form, low: Form, high: Form) -> Form:
    """A sum or a product from low to high; over nothing 0 or 1."""
    length = series_length(low, high)
    if length is not None and length < 0:
        return algebra.number(JOINED[name][1])
    if length is not None and length.denominator == 1 and length <= FEW_TERMS and _has_steps(body, variable):
        return _joined(name, body, variable, low, int(length))
    return algebra.atom("function", name, (body, variable, low, high))


def _has_steps(body: Form, variable: Form) -> bool:
    """Checks whether an atom without a value of its own has the index in it."""
    index = repr(variable[0][0][0][0])
    return any(index in name for name in contents(body).names if is_atom_text(name))


def _joined(name: str, body: Form, variable: Form, low: Form, length: int) -> Form:
    """The sum or product of all terms."""
    join, nothing = JOINED[name]
    index = next(iter(contents(variable).names))
    total = algebra.number(nothing)
    for step in range(length + 1):
        total = join(total, Substitution({index: algebra.add(low, algebra.number(step))}, True)(body))
    return total


def series_length(low: Form, high: Form) -> Fraction | None:
    """The upper bound less the lower one; None where that depends on letters."""
    return algebra.as_number(algebra.add(high, algebra.scale(low, Fraction(-1))))


class Substitution:
    """Replaces letters by forms and adds up what then is a short series."""

    def __init__(self, values: Mapping[str, Form], is_index: bool = False) -> None:
        """Keeps what the letters are replaced by.

        Args:
            is_index: whether a letter is the index of a series around, for some values of which an inner one may be
                empty; a letter that an author uses means values for which no series is.
        """
        self._values = values
        self._is_index = is_index

    def __call__(self, form: Form) -> Form:
        """The form with its letters replaced.

        Raises:
            EmptyRangeError: a series is over nothing.
            ZeroDivisionError: something has no value.
        """
        return algebra.map_atoms(form, self._atom)

    def _atom(self, base: Atom) -> Form:
        match base:
            case ("symbol", name) if name in self._values:
                return self._values[name]
            case ("prime", value):
                return algebra.number(value)
            case ("sum", form):
                return self(form)
            case ("power", below, above):
                return algebra.power(self(below), self(above))
            case ("call", name, form):
                return calls.call(name, self(form))
            case ("function", name, forms):
                return self._function(name, forms)
        return algebra.atom(*base)

    def _function(self, name: str, forms: tuple[Form, ...]) -> Form:
        if name in OPERATORS:
            return self._operator(name, *forms)
        arguments = [self(form) for form in forms]
        if name == "binomial":
            return binomial(*arguments)
        return FUNCTIONS[name](arguments) if name in FUNCTIONS else algebra.atom("function", name, tuple(arguments))

    def _operator(self, name: str, body: Form, variable: Form, *bounds: Form) -> Form:
        replaced = [self(bound) for bound in bounds]
        inside = {letter: form for letter, form in self._values.items() if letter not in contents(variable).names}
        body = Substitution(inside, self._is_index)(body)
        if name not in JOINED:
            return algebra.atom("function", name, (body, variable, *replaced))
        low, high = replaced
        length = series_length(low, high)
        depends = bounds != (low, high) and not self._is_index
        if depends and length is not None and (length < -1 or length.denominator > 1):
            raise EmptyRangeError(f"a {name} over {length + 1} steps")
        if length is None or length.denominator > 1 or length > MOST_TERMS:
            return series(name, body, variable, low, high)
        return _joined(name, body, variable, low, int(length))
