"""Equivalence relations over answers: when do two texts mean the same?

A relation makes a parsed form of each text, once. Equal forms mean the same, by hash, which decides most answers. Of
different forms `compare` says yes, no, or that it cannot tell, in process and quickly; what it cannot tell goes to the
relation's oracle, in the bounded process. A further relation is one entry of `RELATIONS`.

Every relation is symmetric and reflexive. `math` is not transitive in one place: 28% means what 28 means (which
benchmarks ask for) and what 0.28 means (which it is).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from seed_grpo.verify import numeric
from seed_grpo.verify.grammar import Node, as_form
from seed_grpo.verify.parse import Parsed, parse_answer

FORMS = ("number", "expression")
COLLECTIONS = ("set", "tuple", "matrix", "based")
RELATIONAL = ("equation", "inequality", "chain")
KINDS = (FORMS, COLLECTIONS, RELATIONAL, ("undefined",))
"""no answer of one group means what an answer of another means; unions, strings and percentages are in none"""


@dataclass(frozen=True)
class Relation:
    """One equivalence relation."""

    parse: Callable[[str], Parsed]
    """text to form; raises BoundReachedError"""
    compare: Callable[[Parsed, Parsed], bool | None]
    """of two different forms whether they mean the same; None: cannot tell"""
    oracle: str | None
    """`module:function` of two texts, for what `compare` cannot tell; None: it always can"""


def parse_exact(text: str) -> Parsed:
    """The text itself, white space at the ends and its amount aside."""
    written = " ".join(text.split())
    return Parsed("string", written, "string", written)


def never(first: Parsed, second: Parsed) -> bool | None:
    return False


def compare_math(first: Parsed, second: Parsed) -> bool | None:
    """Whether two different parsed forms mean the same, as far as that is quickly told."""
    return _compare((first.kind, first.value), (second.kind, second.value))


def _compare(first: Node, second: Node) -> bool | None:
    if first == second:
        return True
    (kind, value), (other_kind, other_value) = sorted((first, second), key=lambda node: node[0])
    match kind, other_kind:
        case ("number", "percent"):
            return value in (other_value, other_value / Fraction(100))  # type: ignore[operator]
        case ("number", "number") | ("percent", "percent") | ("based", "based"):
            return False
        case ("tuple", "tuple"):
            return _compare_tuples(value, other_value)  # type: ignore[arg-type]
        case ("set", "set"):
            numbers = all(item[0] == "number" for item in (*value, *other_value))  # type: ignore[misc]
            return False if numbers else None
    if kind in FORMS and other_kind in FORMS:
        # agreement at points is no proof: the oracle has the word
        return False if numeric.differ(as_form(first), as_form(second)) else None
    groups = [next((group for group in KINDS if each in group), None) for each in (kind, other_kind)]
    if None not in groups and groups[0] != groups[1]:
        return False  # a number is no tuple, and the value of an equation's side is not the equation
    return False if {kind, other_kind} == {"set", "tuple"} else None


def _compare_tuples(first: tuple[str, tuple[Node, ...], str], second: tuple[str, tuple[Node, ...], str]) -> bool | None:
    (opening, items, closing), (other_opening, other_items, other_closing) = first, second
    if len(items) != len(other_items):
        return False
    if (opening, closing) != (other_opening, other_closing):
        return False if len(items) == 2 else None  # of two items it is an interval
    verdicts = [_compare(item, other) for item, other in zip(items, other_items, strict=True)]
    if False in verdicts:
        return False
    return None if None in verdicts else True


RELATIONS: dict[str, Relation] = {
    "math": Relation(parse_answer, compare_math, "seed_grpo.verify.oracle:math_verify_same"),
    "exact": Relation(parse_exact, never, None),
}
"""By `verifier.relation`."""
