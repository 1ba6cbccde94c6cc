r"""Vectors as sums of unit vectors: 2\mathbf{i} - \mathbf{j} is (2, -1), and (2, -1, 0).

Consumes forms; produces components. An i that is set as a vector is one where every term has exactly one such letter;
else, as in 3 + 2\mathbf{i}, it is the imaginary unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from seed_grpo.verify.math.forms import algebra, names
from seed_grpo.verify.math.forms.algebra import Atom, Form

PLAIN = (algebra.atom("constant", "i"), algebra.atom("symbol", "j"), algebra.atom("symbol", "k"))
"""what the same letters are elsewhere"""

Components = tuple[Form, Form, Form]


def components(form: Form) -> Components | None:
    """Of a sum of unit vectors; None where a term has none or several, or where there are no unit vectors."""
    return _components(form, [("symbol", name) for name in names.UNIT_VECTORS])


def plain_components(form: Form) -> Components | None:
    """Of a form in plain letters, 2i - j."""
    return _components(form, [letter[0][0][0][0] for letter in PLAIN])


def _components(form: Form, units: Sequence[Atom]) -> Components | None:
    parts: list[list[tuple[algebra.Monomial, Fraction]]] = [[], [], []]
    for monomial, coefficient in form:
        found = [(units.index(base), exponent) for base, exponent in monomial if base in units]
        if len(found) != 1 or found[0][1] != 1:
            return None
        place = found[0][0]
        parts[place].append((tuple(factor for factor in monomial if factor[0] != units[place]), coefficient))
    first, second, third = (algebra.add(*((term,) for term in part)) for part in parts)
    return (first, second, third) if form else None


def without_units(form: Form) -> Form:
    """The form with the letters of unit vectors as what they are elsewhere."""
    found = names.symbols(form) & set(names.UNIT_VECTORS)
    return names.replaced(form, dict(zip(names.UNIT_VECTORS, PLAIN, strict=True))) if found else form
