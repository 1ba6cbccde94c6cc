"""Comparison of functions by cases, with one another and with expressions.

Consumes nodes and `Rules`; produces True, False, or None where values leave it open. Functions by regions are the same
if they are defined on the same set and any two branches that overlap have the same values there: the order of the
branches, which of two includes a bound where they agree, and how a region is cut do not matter. Other conditions must
be the same, one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from seed_grpo.verify.math.forms import algebra, regions
from seed_grpo.verify.math.forms.algebra import Form
from seed_grpo.verify.math.forms.nodes import Node, as_form, expression
from seed_grpo.verify.math.forms.piecewise import OTHERWISE, Branch, by_region, covered, on_piece
from seed_grpo.verify.math.forms.regions import Piece
from seed_grpo.verify.math.values import Rules, every

Compare = Callable[[Node, Node, Rules], bool | None]
Parts = Sequence[tuple[tuple[Piece, ...], Node]]


def same_piecewise(first: Node, second: Node, rules: Rules, compare: Compare) -> bool | None:
    """Compares two functions by cases."""
    one, other = by_region(first), by_region(second)
    if one is None or other is None:
        return _same_conditions(first[1], second[1], rules, compare) if one is other else False
    if one[0] != other[0]:
        return False
    domain, other_domain = (
        ("region", (name, covered([pieces for pieces, _ in parts]))) for name, parts in (one, other)
    )
    overlaps = _overlaps(one[0], one[1], other[1], rules, compare)
    return every(chain([compare(domain, other_domain, rules)], overlaps))


def same_as_expression(function: Node, other: Node, rules: Rules, compare: Compare) -> bool | None:
    """Compares a function by cases on all of the real line with an expression."""
    found = by_region(function)
    if found is None or covered([pieces for pieces, _ in found[1]]) != regions.REALS:
        return False
    return every(_overlaps(found[0], found[1], [(regions.REALS, other)], rules, compare))


def _overlaps(name: Form, first: Parts, second: Parts, rules: Rules, compare: Compare) -> Iterator[bool | None]:
    """Yields, for each overlap of two branches, whether the values are the same there."""
    for pieces, value in first:
        for other_pieces, other_value in second:
            for piece in regions.intersection(pieces, other_pieces):
                try:
                    verdict = compare(_on(value, name, piece), _on(other_value, name, piece), rules)
                except ZeroDivisionError:
                    verdict = False
                yield verdict


def _on(value: Node, name: Form, piece: Piece) -> Node:
    if value[0] not in ("number", "expression"):
        return value
    return expression(on_piece(as_form(value), name, piece))


def _same_conditions(
    branches: Sequence[Branch], others: Sequence[Branch], rules: Rules, compare: Compare
) -> bool | None:
    """Checks that every branch has another with the same condition and the same value."""
    branches, others = _with_parity(branches), _with_parity(others)
    if len(branches) != len(others):
        return False
    verdicts = []
    for condition, value in branches:
        values = [other_value for other, other_value in others if compare(condition, other, rules)]
        verdicts.append(compare(value, values[0], rules) if len(values) == 1 else False)
    return every(verdicts)


def _with_parity(branches: Sequence[Branch]) -> Sequence[Branch]:
    """Replaces `otherwise` beside even by odd, and the reverse."""
    conditions = [condition for condition, _ in branches]
    congruences = [condition for condition in conditions if condition[0] == "congruence"]
    if (
        len(branches) != 2
        or OTHERWISE not in conditions
        or not congruences
        or congruences[0][1][1] != algebra.number(2)
    ):
        return branches
    ((over, modulus),) = (condition[1] for condition in congruences)
    rest = tuple(term for term in over if term[0])
    other = rest if len(rest) < len(over) else algebra.add(rest, algebra.number(1))
    return [(("congruence", (other, modulus)) if each == OTHERWISE else each, value) for each, value in branches]
