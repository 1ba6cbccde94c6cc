r"""Comparison of nodes: the relation `math`, as far as it is quickly told.

Consumes nodes and a `Rules`; produces True, False, or None where exact forms and values at random points leave it
open. The relation is symmetric and reflexive. It is not transitive where benchmarks accept a written convention: 28%
means 28 and 0.28, a value without its unit means the value with any, `1, 3` means (1, 3) and, as a list, `3, 1`;
an option `(D) 12` means its letter D and its value 12.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from seed_grpo.verify.math.forms import algebra, numeric
from seed_grpo.verify.math.forms.names import in_one_reading
from seed_grpo.verify.math.forms.nodes import Node, equation, items_of
from seed_grpo.verify.math.forms.regions import Piece
from seed_grpo.verify.math.piecewise import same_as_expression, same_piecewise
from seed_grpo.verify.math.reading.statements import as_region, by_name
from seed_grpo.verify.math.shapes import SHAPES
from seed_grpo.verify.math.values import (
    Rules,
    every,
    same_as_percent,
    same_as_quantity,
    same_as_ratio,
    same_form,
    same_forms,
    same_percents,
    same_quantities,
    same_ratios,
    some,
)


def compare(first: Node, second: Node, rules: Rules) -> bool | None:
    """Checks whether two nodes mean the same; None: neither exact forms nor values at points can tell."""
    if first == second:
        return True
    one, other = sorted((first, second), key=lambda node: ORDER.get(node[0], len(ORDER)))
    if one[0] in UNWRAPPED and one[0] != other[0]:
        return UNWRAPPED[one[0]](one[1], other, rules)
    rule = RULES.get((one[0], other[0]))
    return rule(one, other, rules) if rule is not None else False


def _in_order(first: Node, second: Node, rules: Rules) -> bool | None:
    return _pairwise(items_of(first), items_of(second), rules)


def _pairwise(first: Sequence[Node], second: Sequence[Node], rules: Rules) -> bool | None:
    if len(first) != len(second):
        return False
    return every(compare(one, other, rules) for one, other in zip(first, second, strict=True))


def _tuples(first: Node, second: Node, rules: Rules) -> bool | None:
    ends = (first[1][0], first[1][2]) == (second[1][0], second[1][2])
    if not ends and len(first[1][1]) == 2:  # of two items it is an interval
        return False
    return _in_order(first, second, rules)


def _any_order(first: Node, second: Node, rules: Rules) -> bool | None:
    """Checks that every item has its match. Items that are equal by hash are matched first; the rest one by one."""
    items, others = list(first[1]), list(second[1])
    if "set" in (first[0], second[0]):
        items, others = list(dict.fromkeys(items)), list(dict.fromkeys(others))
    if len(items) != len(others):
        return False
    counts: dict[Node, int] = {}
    for item in others:
        counts[item] = counts.get(item, 0) + 1
    left = []
    for item in items:
        if counts.get(item, 0):
            counts[item] -= 1
        else:
            left.append(item)
    rest = [item for item, count in counts.items() for _ in range(count)]
    return _match(left, rest, rules)


def _match(items: Sequence[Node], others: Sequence[Node], rules: Rules) -> bool | None:
    """Checks whether items and others can be paired with the same meaning: a matching by augmenting paths."""
    if len(items) > 40:
        return False  # by far not the same list
    verdicts = [[compare(item, other, rules) for other in others] for item in items]
    if _is_perfect([[verdict is True for verdict in row] for row in verdicts]):
        return True
    return None if _is_perfect([[verdict is not False for verdict in row] for row in verdicts]) else False


def _is_perfect(allowed: Sequence[Sequence[bool]]) -> bool:
    partner: dict[int, int] = {}

    def place(item: int, tried: set[int]) -> bool:
        for other, may in enumerate(allowed[item]):
            if may and other not in tried:
                tried.add(other)
                if other not in partner or place(partner[other], tried):
                    partner[other] = item
                    return True
        return False

    return all(place(item, set()) for item in range(len(allowed)))


def _one_of(container: Node, other: Node, rules: Rules) -> bool | None:
    """Compares a set of one item with that item: {5} means 5."""
    return compare(container[1][0], other, rules) if len(container[1]) == 1 else False


def _list_tuple(listed: Node, point: Node, rules: Rules) -> bool | None:
    if len(listed[1]) == 1:
        return compare(listed[1][0], point, rules)
    if point[1][0] == "[" or point[1][2] == "]":
        return False
    return _in_order(listed, point, rules)


def _regions(first: Node, second: Node, rules: Rules) -> bool | None:
    (name, pieces), (other_name, other_pieces) = first[1], second[1]
    if name is not None and other_name is not None and name != other_name:
        return False
    return _same_pieces(pieces, other_pieces, rules)


def _same_pieces(pieces: Sequence[Piece], others: Sequence[Piece], rules: Rules) -> bool | None:
    if len(pieces) != len(others):
        return False
    bounds = [
        (one, other)
        for piece, other_piece in zip(pieces, others, strict=True)
        for one, other in ((piece.low, other_piece.low), (piece.high, other_piece.high))
    ]
    if any(one.closed != other.closed for one, other in bounds):
        return False
    return every(same_form(one.form, other.form, rules) for one, other in bounds)


def _region(region: Node, other: Node, rules: Rules) -> bool | None:
    pieces = as_region(other)
    return False if pieces is None else _same_pieces(region[1][1], pieces, rules)


def _assignments(first: Node, second: Node, rules: Rules) -> bool | None:
    """Checks for the same name, or one function of two letters, and the same value."""
    (name, value), (other_name, other_value) = first[1], second[1]
    if name != other_name and (_function(name) is None or _function(name) != _function(other_name)):
        if any(side[0] != "expression" for side in (name, value, other_name, other_value)):
            return False
        return _equations(equation(name, value), equation(other_name, other_value), rules)
    return compare(value, other_value, rules)


def _function(name: Node) -> str | None:
    """The name f of f(x); f(2) is a value, and P(A) not P(B)."""
    base = name[1][0][0][0][0] if name[0] == "expression" else ()
    if not base or base[0] != "function" or len(base[2]) != 1 or len(base[2][0]) != 1:
        return None
    variables = [each[0][1] for each in base[2][0][0][0] if each[0][0] == "symbol"]
    return base[1] if len(variables) == 1 and variables[0].islower() else None


def _assigned(assign: tuple[Node, Node], other: Node, rules: Rules) -> bool | None:
    """Compares an assignment with a value: `x = 5` means 5; as an equation it is what it says."""
    name, value = assign
    if other[0] != "equation":
        return compare(value, other, rules)
    if name[0] != "expression" or value[0] not in ("number", "expression"):
        return False
    return _equations(equation(name, value), other, rules)


def _equations(first: Node, second: Node, rules: Rules) -> bool | None:
    """Checks that the quotient of two equations is constant."""
    left, right = in_one_reading(first[1], second[1])
    if left == right:
        return True
    if not left or not right:
        return False
    if numeric.not_proportional(left, right):
        return False
    return rules.proportional(left, right)


def _inequalities(first: Node, second: Node, rules: Rules) -> bool | None:
    """Checks for the same sign, and forms that are equal over the coefficient that each is divided by."""
    return same_form(first[1][1], second[1][1], rules) if first[1][0] == second[1][0] else False


def _system(system: Node, other: Node, rules: Rules) -> bool | None:
    """Compares a system with values: x = 1, y = 2 means (1, 2) and 1, 2; of x_1 and x_2 the order does not matter."""
    values = tuple(item[1][1] for item in by_name(system[1]))
    if other[0] == "tuple" and (other[1][0], other[1][2]) != ("(", ")"):
        return False
    names = [item[1][0][1] for item in system[1] if item[1][0][0] == "expression"]
    bases = {str(name[0][0][0][0][1]).partition("_")[0] for name in names}
    if len(bases) == 1 and other[0] != "tuple":
        return _any_order(("list", values), ("list", items_of(other)), rules)
    by_letter = _pairwise(values, items_of(other), rules)
    if other[0] == "tuple":
        return by_letter
    return some([by_letter, _pairwise([item[1][1] for item in system[1]], items_of(other), rules)])


def _matrices(first: Node, second: Node, rules: Rules) -> bool | None:
    if [len(row) for row in first[1]] != [len(row) for row in second[1]]:
        return False
    pairs = zip(first[1], second[1], strict=True)
    return every(compare(one, other, rules) for rows in pairs for one, other in zip(*rows, strict=True))


def _vector(point: Node, matrix: Node, rules: Rules) -> bool | None:
    """Compares a point with a matrix, whose one column means it."""
    if any(len(row) != 1 for row in matrix[1]) or (point[1][0], point[1][2]) != ("(", ")"):
        return False
    return _pairwise(point[1][1], [row[0] for row in matrix[1]], rules)


def _clocks(first: Node, second: Node, rules: Rules) -> bool | None:
    """Compares times; one without a.m. or p.m. means either."""
    return first[1][:3] == second[1][:3] and "" in (first[1][3], second[1][3])


def _clock_ratio(clock: Node, other: Node, rules: Rules) -> bool | None:
    hours, minutes, seconds, half = clock[1]
    if half or seconds or not hours:
        return False
    return compare(("ratio", (algebra.number(1), algebra.number(Fraction(minutes, hours)))), other, rules)


def _dates(first: Node, second: Node, rules: Rules) -> bool | None:
    """Compares dates; one without a year means that of any year."""
    return first[1][1:] == second[1][1:] and 0 in (first[1][0], second[1][0])


def _congruences(first: Node, second: Node, rules: Rules) -> bool | None:
    """Compares congruences, whose residues are reduced already; what is left is the sign of the whole."""
    (over, modulus), (other, other_modulus) = first[1], second[1]
    return modulus == other_modulus and algebra.scale(over, Fraction(-1)) == other


def _comma(comma: tuple[Node, Node], other: Node, rules: Rules) -> bool | None:
    """Compares `1,5`, which is one and a half beside a number and a list beside a list."""
    number, listed = comma
    return compare(number if other[0] in ("number", "expression", "quantity", "percent") else listed, other, rules)


def _commas(first: Node, second: Node, rules: Rules) -> bool | None:
    return some([compare(one, other, rules) for one, other in zip(first[1], second[1], strict=True)])


def _set_operations(first: Node, second: Node, rules: Rules) -> bool | None:
    if first[1][0] != second[1][0]:
        return False
    if first[1][0] == r"\setminus":
        return _pairwise(first[1][1:], second[1][1:], rules)
    return _any_order(("list", first[1][1:]), ("list", second[1][1:]), rules)


def _choice(choice: tuple[Node, Node], other: Node, rules: Rules) -> bool | None:
    """Compares an option with one part: `(D) 12` means D, and 12."""
    letter, value = choice
    return True if other == letter else compare(value, other, rules)


def _choices(first: Node, second: Node, rules: Rules) -> bool | None:
    """Checks for the same letter and the same value: one of the two alone is another test's option, or a slip."""
    (letter, value), (other_letter, other_value) = first[1], second[1]
    return compare(value, other_value, rules) if letter == other_letter else False


def _families(first: Node, second: Node, rules: Rules) -> bool | None:
    """Checks for the same letters from the same numbers, and the same members; other letters are `parameters`'."""
    return compare(first[1][0], second[1][0], rules) if first[1][1:] == second[1][1:] else False


def _member(family: tuple[Node, tuple[str, ...], str], other: Node, rules: Rules) -> bool | None:
    """Compares a family with an answer that leaves unsaid what its letters are."""
    return compare(family[0], other, rules)


UNWRAPPED: dict[str, Callable[[Any, Node, Rules], bool | None]] = {
    "choice": _choice,
    "family": _member,
    "assign": _assigned,
    "comma": _comma,
}
"""comparisons of kinds that are compared by what they hold, whatever the other is"""

ORDER = {
    kind: place
    for place, kind in enumerate(
        (
            *("choice", "family", "assign", "comma", "system", "list", "set", "region", "tuple", "matrix", "sets"),
            *("clock", "piecewise", "ratio", "vector", "structure", "based", "percent", "quantity", "number"),
            "expression",
        )
    )
}
"""place of each kind; the earlier kind is the first of a pair in `RULES`"""

Rule = Callable[[Node, Node, Rules], bool | None]
RULES: dict[tuple[str, str], Rule] = {
    ("choice", "choice"): _choices,
    ("family", "family"): _families,
    ("assign", "assign"): _assignments,
    ("comma", "comma"): _commas,
    ("system", "system"): _any_order,
    **{("system", kind): _system for kind in ("list", "tuple")},
    ("system", "set"): _any_order,
    **{("list", kind): _any_order for kind in ("list", "set")},
    ("set", "set"): _any_order,
    ("list", "tuple"): _list_tuple,
    **{("set", kind): _one_of for kind in ("tuple", "matrix", "vector", "percent", "quantity", "number", "expression")},
    ("region", "region"): _regions,
    **{(kind, "region"): lambda first, second, rules: _region(second, first, rules) for kind in ("list", "set")},
    ("region", "tuple"): _region,
    ("region", "reals"): _region,
    ("tuple", "tuple"): _tuples,
    ("tuple", "matrix"): _vector,
    **SHAPES,
    ("matrix", "matrix"): _matrices,
    ("piecewise", "piecewise"): lambda first, second, rules: same_piecewise(first, second, rules, compare),
    **dict.fromkeys(
        (("piecewise", "number"), ("piecewise", "expression")),
        lambda first, second, rules: same_as_expression(first, second, rules, compare),
    ),
    ("sets", "sets"): _set_operations,
    ("clock", "clock"): _clocks,
    ("clock", "ratio"): _clock_ratio,
    ("ratio", "ratio"): same_ratios,
    **{("ratio", kind): same_as_ratio for kind in ("number", "expression")},
    ("percent", "percent"): same_percents,
    **{("percent", kind): same_as_percent for kind in ("number", "expression")},
    ("quantity", "quantity"): same_quantities,
    **{("quantity", kind): same_as_quantity for kind in ("number", "expression")},
    ("number", "number"): same_forms,
    ("number", "expression"): same_forms,
    ("expression", "expression"): same_forms,
    ("equation", "equation"): _equations,
    ("inequality", "inequality"): _inequalities,
    ("chain", "chain"): _any_order,
    ("congruence", "congruence"): _congruences,
    ("date", "date"): _dates,
}
"""rules by pairs of kinds; answers of any other pair differ"""
