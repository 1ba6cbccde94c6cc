"""Nodes and forms as text, for people who want to see what an answer was read as.

Nothing reads this text back. It is cut where it gets long.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from seed_grpo.verify.math.forms.algebra import Atom, Form
from seed_grpo.verify.math.forms.regions import Piece

LONGEST = 300
"""characters of a form that are shown"""
_NAMES = {"infinity": "oo"}


def show(kind: str, value: Any) -> str:
    """A node as text, e.g. `x = 1/2`, `{1, 2}`, `(-oo, 3]`."""
    text = _node(kind, value)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def _node(kind: str, value: Any) -> str:
    match kind:
        case "number":
            return str(value)
        case "expression" | "equation":
            return show_form(value) + (" = 0" if kind == "equation" else "")
        case "percent":
            return show_form(value) + "%"
        case "quantity":
            form, unit = value
            dimensions = " ".join(name if e == 1 else f"{name}^{e}" for name, e in unit.dimensions)
            return f"{show_form(form)} [{unit.factor} {dimensions}]"
        case "based":
            return f"{value[0]} in base {value[1]}"
        case "ratio":
            return " : ".join(map(show_form, value))
        case "list" | "system":
            return ", ".join(_node(*item) for item in value)
        case "set":
            return "{" + ", ".join(_node(*item) for item in value) + "}"
        case "tuple":
            return value[0] + ", ".join(_node(*item) for item in value[1]) + value[2]
        case "matrix":
            return "[" + "; ".join(", ".join(_node(*entry) for entry in row) for row in value) + "]"
        case "vector":
            return "<" + ", ".join(map(show_form, value)) + ">"
        case "structure":
            return " x ".join(value)
        case "region":
            name, pieces = value
            return (f"{show_form(name)} in " if name else "") + (" or ".join(map(_piece, pieces)) or "{}")
        case "sets":
            return f"{value[0]} of " + " and ".join(_node(*item) for item in value[1:])
        case "assign":
            return f"{_node(*value[0])} = {_node(*value[1])}"
        case "piecewise":
            return "; ".join(f"{_node(*branch)} where {_node(*condition)}" for condition, branch in value)
        case "otherwise":
            return "otherwise"
        case "choice":
            return f"({_node(*value[0])}) {_node(*value[1])}"
        case "family":
            return f"{_node(*value[0])} for {', '.join(value[1])} in {value[2]}"
        case "inequality":
            return f"{show_form(value[1])} {value[0]} 0"
        case "chain":
            return " and ".join(_node(*item) for item in value)
        case "comma":
            return f"{_node(*value[0])}, or the list {_node(*value[1])}"
        case "congruence":
            return f"{show_form(value[0])} = 0 mod {show_form(value[1])}"
    return str(value)


def _piece(piece: Piece) -> str:
    if piece.low == piece.high:
        return "{" + show_form(piece.low.form) + "}"
    low, high = ("[" if piece.low.closed else "("), ("]" if piece.high.closed else ")")
    return f"{low}{show_form(piece.low.form)}, {show_form(piece.high.form)}{high}"


def show_form(form: Form) -> str:
    """A form as text, e.g. `2*3^(1/2) - x`."""
    text = " + ".join(_term(monomial, coefficient) for monomial, coefficient in form) or "0"
    return text.replace("+ -", "- ")


def _term(monomial: tuple, coefficient: Fraction) -> str:
    factors = [_atom(base) + _exponent(exponent) for base, exponent in monomial]
    if not factors:
        return str(coefficient)
    sign = "" if coefficient == 1 else "-" if coefficient == -1 else f"{coefficient}*"
    return sign + "*".join(factors)


def _exponent(exponent: Fraction) -> str:
    if exponent == 1:
        return ""
    return f"^{exponent}" if exponent.denominator == 1 and exponent > 0 else f"^({exponent})"


def _atom(base: Atom) -> str:
    match base:
        case ("sum", form):
            return f"({show_form(form)})"
        case ("power", below, above):
            return f"({show_form(below)})^({show_form(above)})"
        case ("call", name, form):
            return f"{name}({show_form(form)})"
        case ("function", name, forms):
            return f"{name}({', '.join(map(show_form, forms))})"
    return _NAMES.get(base[1], str(base[1]))
