r"""Answers that differ in the name of a parameter alone: `\frac\pi4 + k\pi`, `\frac\pi4 + n\pi`; `x^2 + C`, `x^2 + K`.

Consumes two nodes and `Rules`; produces whether they mean the same, compared as they are and with the parameters of one
under the names of the other. A letter that a problem gives must stay what it is, `n + 1` is not `k + 1`; so a letter
counts as a parameter only where the answer itself shows it:

- both answers say what it is, and the same (`k \in \mathbb{Z}`);
- it is one of `COUNTERS` and counts turns: rational multiples of pi (or degrees) times it, beside constants alone;
- it is a constant of integration, C or K or c or k with one of these on the other side, by itself in a sum with other
  letters (`\ln|x| + C`), or before exponential and trigonometric functions (`Ce^x`).

The names go one to one, and none occurs in the other answer.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from seed_grpo.verify.math.equivalence import compare
from seed_grpo.verify.math.forms import algebra
from seed_grpo.verify.math.forms.algebra import Form, Monomial
from seed_grpo.verify.math.forms.contents import contents
from seed_grpo.verify.math.forms.nodes import Node, map_forms
from seed_grpo.verify.math.forms.series import Substitution
from seed_grpo.verify.math.forms.units import DEGREE
from seed_grpo.verify.math.values import Rules, some

WITHOUT_LETTERS = ("number", "words", "string", "date", "clock", "based", "percent", "reals", "undefined", "comma")
"""kinds in which no letter is looked for"""
COUNTERS = ("k", "n", "m", "l", "j")
CONSTANTS = ("C", "K", "c", "k")
"""letters for a constant of integration"""
FURTHER_CONSTANTS = ("A", "B", "D", "a", "b", "d")
"""further letters of a general solution that has several"""
MOST_PARAMETERS = 3
PI = ("constant", "pi")


class _Sides(NamedTuple):
    """Two answers, without what they say of their letters."""

    first: Node
    second: Node
    both_stated: tuple[frozenset[str], frozenset[str]]
    """letters of which an answer says what they are, where both say the same"""


def same_answers(first: Node, second: Node, rules: Rules) -> bool | None:
    """Checks whether two answers mean the same, the names of parameters aside; None: as `compare`."""
    verdict = compare(first, second, rules)
    if verdict is True or first[0] in WITHOUT_LETTERS or second[0] in WITHOUT_LETTERS:
        return verdict
    return some([verdict, *(compare(one, other, rules) for one, other in _renamings(first, second))])


def _renamings(first: Node, second: Node) -> Iterator[tuple[Node, Node]]:
    """The first answer under names of the second, and the second; nothing where no letter may have another name."""
    sides = _sides(first, second)
    if sides is None:
        return
    ones, others = _letters(sides.first), _letters(sides.second)
    ours, theirs = sorted(ones - others), sorted(others - ones)
    if len(ours) != len(theirs) or not 1 <= len(ours) <= MOST_PARAMETERS:
        return
    for order in itertools.permutations(theirs):
        names = dict(zip(ours, order, strict=True))
        if all(_is_parameter(sides, one, other, len(names)) for one, other in names.items()):
            values = {one: algebra.atom("symbol", other) for one, other in names.items()}
            renamed = map_forms(sides.first, Substitution(values))
            if renamed is not None:
                yield renamed, sides.second


def _sides(first: Node, second: Node) -> _Sides | None:
    """Two answers taken apart; None where they speak of different domains."""
    (one, names, domain), (other, other_names, other_domain) = (
        node[1] if node[0] == "family" else (node, (), None) for node in (first, second)
    )
    if (one[0] == "assign") != (other[0] == "assign"):  # x = k\pi means k\pi
        one, other = (node[1][1] if node[0] == "assign" else node for node in (one, other))
    if domain is None or other_domain is None:
        names = other_names = ()
    elif domain != other_domain:
        return None
    return _Sides(one, other, (frozenset(names), frozenset(other_names)))


def _letters(node: Node) -> frozenset[str]:
    return frozenset().union(*(contents(form).names for form, _ in _forms(node)))


def _forms(node: Node) -> list[tuple[Form, bool]]:
    """The forms in a node, and whether each is in degrees."""
    found: list[tuple[Form, bool]] = []

    def keep(form: Form) -> Form:
        found.append((form, False))
        return form

    if node[0] == "quantity":
        return [(node[1][0], node[1][1] == DEGREE)]
    return found if map_forms(node, keep) is not None else []


def _is_parameter(sides: _Sides, one: str, other: str, count: int) -> bool:
    if one in sides.both_stated[0] and other in sides.both_stated[1]:
        return True
    if {one, other} <= set(COUNTERS):
        return _counts_turns(sides.first, one) and _counts_turns(sides.second, other)
    bases = {name.partition("_")[0] for name in (one, other)}
    known = bases & {"C", "K"} or count > 1
    if not known or not bases <= {*CONSTANTS, *(FURTHER_CONSTANTS if count > 1 else ())}:
        return False
    return _is_of_integration(sides.first, one) and _is_of_integration(sides.second, other)


def _counts_turns(node: Node, name: str) -> bool:
    """Checks whether a letter is in every form that has letters only as r * pi * letter, or r * letter in degrees."""
    turns = 0
    for form, in_degrees in _forms(node):
        turn = {(("symbol", name), 1)} if in_degrees else {(("symbol", name), 1), (PI, 1)}
        for monomial, coefficient in form:
            if set(monomial) == turn:
                turns += 1
            elif _names(monomial) and not _is_name_alone(form, monomial, coefficient):
                return False
    return turns > 0


def _is_name_alone(form: Form, monomial: Monomial, coefficient: Fraction) -> bool:
    """Checks whether a form is one letter, the x of `x = k\\pi`."""
    return len(form) == 1 and coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1


def _is_of_integration(node: Node, name: str) -> bool:
    """Checks whether a letter is a constant added to what has other letters, or one before functions of them."""
    value = node[1][1] if node[0] == "assign" else node
    if value[0] not in ("expression", "equation"):
        return False
    with_name = [term for term in value[1] if name in _names(term[0])]
    rest = [term for term in value[1] if name not in _names(term[0])]
    if [dict(monomial) for monomial, _ in with_name] == [{("symbol", name): 1}]:
        return any(_names(monomial) for monomial, _ in rest)
    return all(_is_before_function(monomial, name) for monomial, _ in with_name)


def _is_before_function(monomial: Monomial, name: str) -> bool:
    """Checks whether a term is a letter times exponential or trigonometric functions, which are without it."""
    factors = [base for base, _ in monomial if base != ("symbol", name)]
    inside = {base: _names(((base, Fraction(1)),)) for base in factors}
    is_linear = dict(monomial).get(("symbol", name)) == 1 and not any(name in names for names in inside.values())
    return is_linear and any(base[0] in ("call", "power") and names for base, names in inside.items())


def _names(monomial: Monomial) -> frozenset[str]:
    return contents(((monomial, Fraction(1)),)).names
