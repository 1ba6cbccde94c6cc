r"""Matrices and vectors: sums, multiples, products; 2\mathbf{i} - \mathbf{j} is (2, -1), and (2, -1, 0).

A matrix is rows of nodes, of which those that are calculated with must be expressions. A vector is a form, a sum of
unit vectors. An i that is set as a vector is one where every term has exactly one such letter; else, as in
3 + 2\mathbf{i}, it is the imaginary unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from seed_grpo.verify.isolation.bounds import MAX_ITEMS, BoundReachedError, GrammarError
from seed_grpo.verify.math.forms import algebra, names
from seed_grpo.verify.math.forms.algebra import Atom, Form
from seed_grpo.verify.math.forms.nodes import Node, as_form, expression

LARGEST_POWER = 10
Rows = tuple[tuple[Node, ...], ...]
PLAIN = (algebra.atom("constant", "i"), algebra.atom("symbol", "j"), algebra.atom("symbol", "k"))
"""the same letters where they are no unit vectors"""

Components = tuple[Form, Form, Form]


def times(factor: Form, rows: Rows) -> Rows:
    return tuple(tuple(expression(algebra.mul(factor, as_form(entry))) for entry in row) for row in rows)


def plus(first: Rows, second: Rows) -> Rows:
    """The sum of two matrices, entry by entry.

    Raises:
        GrammarError: the shapes differ.
    """
    if [len(row) for row in first] != [len(row) for row in second]:
        raise GrammarError("a sum of matrices of different shapes")
    return tuple(
        tuple(expression(algebra.add(as_form(one), as_form(other))) for one, other in zip(*rows, strict=True))
        for rows in zip(first, second, strict=True)
    )


def product(first: Rows, second: Rows) -> Rows:
    """The matrix product.

    Raises:
        GrammarError: the shapes do not fit.
        BoundReachedError: it has too many terms.
    """
    columns = transposed(second)
    if any(len(row) != len(second) for row in first):
        raise GrammarError("a product of matrices whose shapes do not fit")
    if len(first) * len(columns) * len(second) > MAX_ITEMS:
        raise BoundReachedError(f"a product of matrices has over {MAX_ITEMS} terms")
    return tuple(
        tuple(
            expression(algebra.add(*(algebra.mul(as_form(a), as_form(b)) for a, b in zip(row, column, strict=True))))
            for column in columns
        )
        for row in first
    )


def determinant(rows: Rows) -> Form:
    """The determinant, expanded by the first row.

    Raises:
        GrammarError: the matrix is not square, or larger than 4 x 4.
    """
    if any(len(row) != len(rows) for row in rows) or len(rows) > 4:
        raise GrammarError("the determinant of a matrix that is not square or too large")
    if len(rows) == 1:
        return as_form(rows[0][0])
    terms = []
    for column, entry in enumerate(rows[0]):
        minor = tuple(row[:column] + row[column + 1 :] for row in rows[1:])
        terms.append(algebra.scale(algebra.mul(as_form(entry), determinant(minor)), Fraction((-1) ** column)))
    return algebra.add(*terms)


def trace(rows: Rows) -> Form:
    """The sum of the diagonal.

    Raises:
        GrammarError: the matrix is not square.
    """
    if any(len(row) != len(rows) for row in rows):
        raise GrammarError("the trace of a matrix that is not square")
    return algebra.add(*(as_form(row[place]) for place, row in enumerate(rows)))


def inverse(rows: Rows) -> Rows:
    """The inverse, by cofactors.

    Raises:
        GrammarError: the matrix is not square, or larger than 4 x 4.
        ZeroDivisionError: its determinant is 0.
    """
    over = algebra.power(determinant(rows), algebra.number(-1))
    if len(rows) == 1:
        return ((expression(over),),)
    places = range(len(rows))

    def cofactor(row: int, column: int) -> Form:
        minor = tuple(each[:column] + each[column + 1 :] for at, each in enumerate(rows) if at != row)
        return algebra.scale(determinant(minor), Fraction((-1) ** (row + column)))

    return tuple(tuple(expression(algebra.mul(cofactor(row, column), over)) for row in places) for column in places)


def raised(rows: Rows, exponent: str) -> Rows:
    """The transposed, the inverse, or a power, as the written exponent says.

    Raises:
        GrammarError: it says something else, or the matrix does not fit.
    """
    if exponent in ("T", r"\top"):
        return transposed(rows)
    if exponent == "-1":
        return inverse(rows)
    if not exponent.isdigit() or not 0 < int(exponent) <= LARGEST_POWER:
        raise GrammarError(f"a matrix to the power {exponent!r}")
    result = rows
    for _ in range(int(exponent) - 1):
        result = product(result, rows)
    return result


def transposed(rows: Rows) -> Rows:
    """The transposed matrix.

    Raises:
        GrammarError: the rows differ in length.
    """
    if len({len(row) for row in rows}) > 1:
        raise GrammarError("a matrix whose rows differ in length")
    return tuple(zip(*rows, strict=True))


def components(form: Form) -> Components | None:
    """The components of a sum of unit vectors; None where a term does not have exactly one."""
    return _components(form, [("symbol", name) for name in names.UNIT_VECTORS])


def plain_components(form: Form) -> Components | None:
    """The components of a form in plain letters, 2i - j."""
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
