r"""Nodes, which answers are read into: hashable, and equal where their exact forms are.

A node is `(kind, value)`:

    number      Fraction                        expression  form of `seed_grpo.verify.math.forms.algebra`
    percent     form, 28 for 28%                quantity    (form, Unit), 15 cm^2
    based       (digits, base), 52_8            ratio       forms, 3:4
    list        nodes as written, 1, 2          set         sorted nodes, {1, 2}
    tuple       (opening, nodes, closing)       matrix      rows of nodes
    vector      forms of three components, 2i - j       structure   sorted names, Z/6
    region      (name or None, pieces), as in `regions`: intervals and inequalities in one variable
    sets        (operation, first, second): unions and the like of what is no region
    assign      (name, node), x = 5             system      assignments of several names, as written
    equation    form that is zero               inequality  (sign, form): the form is < <= != 0
    chain       sorted inequalities             comma       (number, list), 1,5: one and a half, or a list
    congruence  (form that is 0, modulus)       reals       all of them, in words
    family      (node, names, "Z"): the node for all values of the names in it from a set of numbers
    date        (year, month, day), year 0 where there is none
    clock       (hour, minute, second, "a" | "p" | "")          words, string  text
    piecewise   (condition, value) of each case, sorted; a condition is a region, another node, or ("otherwise", ())
    choice      (its letter, its value), (D) 12: an option with its value
    undefined   text that divides by zero
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from fractions import Fraction
from typing import Any

from seed_grpo.verify.isolation.bounds import GrammarError, check_items, sort_key
from seed_grpo.verify.math.forms import algebra
from seed_grpo.verify.math.forms.algebra import Form

Node = tuple[str, Any]


def expression(form: Form) -> Node:
    """The node of a form: a number where it is rational."""
    value = algebra.as_number(form)
    return ("expression", form) if value is None else ("number", value)


def as_form(node: Node) -> Form:
    """The form of a number or an expression.

    Raises:
        GrammarError: it is neither.
    """
    if node[0] == "number":
        return algebra.number(node[1])
    if node[0] == "expression":
        return node[1]
    raise GrammarError(f"{node[0]} in an expression")


def as_set(items: list[Node]) -> Node:
    """The set of items and of those of nested lists and sets, without order and repetition."""
    flat = flatten(items)
    return "set", tuple(sorted(dict.fromkeys(flat), key=sort_key))


def as_list(items: list[Node]) -> Node:
    """The list of items as written; of equal tuples, which are points of a solution set, one is kept."""
    flat = flatten(items)
    if all(item[0] == "tuple" for item in flat):
        flat = list(dict.fromkeys(flat))
    return "list", tuple(flat)


def flatten(items: list[Node]) -> list[Node]:
    """Items of lists and sets among the items in their place.

    Raises:
        BoundReachedError: there are too many.
    """
    flat: list[Node] = []
    for item in items:
        flat.extend(item[1] if item[0] in ("set", "list") else [item])
    check_items(len(flat))
    return flat


def map_forms(node: Node, function: Callable[[Form], Form]) -> Node | None:
    """A node whose forms are replaced; None where it is of a kind for which that is not known."""
    kind, value = node
    if kind == "number":
        return node
    if kind == "expression":
        return expression(function(value))
    if kind == "equation":
        return kind, monic(function(value))
    if kind == "quantity":
        return kind, (function(value[0]), value[1])
    if kind not in ("list", "set", "tuple", "assign", "system"):
        return None
    items = [map_forms(item, function) for item in (value[1] if kind == "tuple" else value)]
    if None in items:
        return None
    mapped = [item for item in items if item is not None]
    if kind == "set":
        return as_set(mapped)
    return (kind, (value[0], tuple(mapped), value[2])) if kind == "tuple" else (kind, tuple(mapped))


def monic(form: Form) -> Form:
    """The form over its first coefficient; equal for the two sides of an equation in every arrangement."""
    return algebra.scale(form, 1 / form[0][1]) if form else form


def equation(left: Node, right: Node) -> Node:
    """The node that says that two sides are equal: the form that is zero, without denominators."""
    return "equation", monic(algebra.without_denominators(difference(left, right)))


def difference(left: Node, right: Node) -> Form:
    return algebra.add(as_form(left), algebra.scale(as_form(right), Fraction(-1)))


def items_of(node: Node) -> tuple[Node, ...]:
    """The items of a list, a set or a tuple."""
    items: Hashable = node[1][1] if node[0] == "tuple" else node[1]
    assert isinstance(items, tuple)
    return items
