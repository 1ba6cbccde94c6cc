r"""Remarks behind an answer: `\frac{737}{39}\text{ (about }18.9\text{ cards)}`, `\frac12\text{ or }0.5`.

Consumes a tidy answer and what reads one; produces the node of the answer without its remark. A remark gives the value
once more, exactly (`i.e. 50\%`) or rounded (`about 18.9`). Or it says how the value was rounded, why it holds or what
kind of value it is (`since n is even`, `the minimum`, `in lowest terms`). It never adds a value: a remark that does not
agree with the answer contradicts it, and then the whole is only a text, equal to no value. Two values with `or` between
them are one answer where they agree, and else a list.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from seed_grpo.verify.math.equivalence import compare
from seed_grpo.verify.math.forms import numeric
from seed_grpo.verify.math.forms.nodes import Node, as_form
from seed_grpo.verify.math.values import Rules

LEAST_DECIMALS = 2
"""decimals of a rounded value behind an `or` without `about`: 2.5 or 3 is a list"""
MOST_CHARS = 40
"""characters of a rounded value as somebody writes it"""
SLACK = 1e-9
"""share of a value that double precision may add to the difference of two"""

_GROUP = re.compile(r"\\(?:text(?:bf|it|rm|up|normal)?|mbox|hbox|mathrm)\s?\{([^{}]*)\}")
_OPEN, _CLOSE = "\ue000", "\ue001"
r"""characters for `\text{` and its brace, so that patterns can treat both as spaces"""
_S = f"[ {_OPEN}{_CLOSE}]*+"
_START = f"(?<![ {_OPEN}{_CLOSE}])"
"""lookbehind before a run of spaces, so that a long one is tried once"""
_ABOUT = r"(?:(?:about|approximately|roughly|around)\b|approx\b\.?|\\approx(?![a-z]))"
_AGAIN = r"(?:i\. ?e\.|(?:that is(?: to say)?|which is|which equals|(?:or )?equivalently|in other words)\b),?"
_AGAIN_OR = rf"(?:or\b|=|{_AGAIN})"
_REMARK = re.compile(
    rf"{_START}{_S}(?:(?P<bracket>\(){_S}(?:(?:{_AGAIN_OR}{_S})?(?P<about_1>{_ABOUT})|{_AGAIN_OR})"
    rf"|,?{_S}(?:(?:or\b|{_AGAIN}){_S}(?P<about_2>{_ABOUT})|{_AGAIN})"
    rf"|,{_S}(?P<about_3>{_ABOUT})){_S}"
)
_ROUNDING = re.compile(
    rf"(?:\({_S}|,{_S}|{_OPEN} ?)(?:rounded|correct(?:ed)?|accurate|to|nearest|\d)\b[\w .]*?(?:places?|d\.? ?p\.?"
    rf"|figures?|s\.? ?f\.?|digits|tenth|hundredth|thousandth|integer|whole number|unit){_S}\)?{_S}\Z"
)
_FORM = r"(?:lowest|simplest|reduced|simplified|exact|closed|expanded|factored|standard|scientific)"
_SAID = re.compile(
    rf"{_START}{_S}\({_S}(?:(?:since|because|given|due to)\b|(?:(?:the|a|in|its|total|an?) )*(?:minimum|maximum|min|max"
    rf"|exact|exactly|simplified|reduced|total|altogether|final answer|answer|{_FORM} (?:terms?|form|notation))"
    rf"(?: (?:value|area|number|answer|amount|length|possible|value possible))*{_S}\){_S}\Z)",
    re.I,
)
"""pattern of a remark in brackets: a reason, or the kind of the value"""
_LEAD = re.compile(rf"{_S}{_ABOUT}{_S}")
_OR = re.compile(rf",?{_START}{_S}\bor\b{_S}")
_LITERAL = re.compile(r"\d[\d,]*(?:\.(?P<decimals>\d+))?", re.A)


class Remark(NamedTuple):
    """An answer in two parts."""

    answer: str
    value: str
    """value that the remark says; empty where it says none"""
    is_about: bool
    """true if it says the value rounded"""


def read_remarked(tidied: str, read: Callable[[str], Node]) -> Node | None:
    """The node of an answer with a remark, or of two values that `or` makes one; None where there is neither.

    Args:
        read: the node of a tidy answer without a remark.
    """
    if _OPEN in tidied or _CLOSE in tidied:
        return None
    marked = _GROUP.sub(rf"{_OPEN}\1{_CLOSE}", tidied)
    lead = _LEAD.match(marked)
    if lead is not None and lead.end() < len(marked):
        return read(_restored(marked[lead.end() :]))
    remark = _find(marked)
    if remark is not None:
        node = read(remark.answer)
        agrees = not remark.value or _agree(node, read(remark.value), remark.value, remark.is_about)
        return node if agrees else ("string", tidied.replace(" ", ""))
    parts = [_restored(part) for part in _OR.split(marked)]
    if len(parts) != 2 or not all(parts):
        return None
    first, second = map(read, parts)
    if _agree(first, second, parts[1], False):
        return first
    return second if _agree(second, first, parts[0], False) else None


def _find(marked: str) -> Remark | None:
    rounding = _ROUNDING.search(marked)
    if rounding is not None and rounding.start():
        return Remark(_restored(marked[: rounding.start()]), "", False)
    said = _SAID.search(marked)
    if said is not None and said.start() and marked.rstrip(f" {_OPEN}{_CLOSE}").endswith(")"):
        return Remark(_restored(marked[: said.start()]), "", False)
    match = _REMARK.search(marked)
    if match is None or not match.start():
        return None
    value, behind = marked[match.end() :], ""
    if match["bracket"]:
        value, closed, behind = _cut_at_bracket(value)
        if not closed:
            return None
    answer, value = _restored(f"{marked[: match.start()]} {behind}"), _restored(value)
    about = match["about_1"] or match["about_2"] or match["about_3"]
    return Remark(answer, value, about is not None) if answer and value else None


def _cut_at_bracket(text: str) -> tuple[str, str, str]:
    """Cuts a text at the bracket that closes one opened before it: before, the bracket, behind."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return text[:at], ")", text[at + 1 :]
    return text, "", ""


def _restored(marked: str) -> str:
    r"""Marked text as it was; of a `\text{...}` that was cut through only the words are left."""
    text = re.sub(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}", r"\\text{\1}", marked)
    return " ".join(re.sub(f"[{_OPEN}{_CLOSE}]", " ", text).replace(r"\text{}", "").split()).strip(" ,;")


def _agree(answer: Node, again: Node, written: str, is_about: bool) -> bool:
    """Checks whether what is said again is the same value, or one that the answer rounds to."""
    if compare(answer, again, Rules()) is True:
        return True
    if answer[0] == again[0] == "list" and len(answer[1]) == len(again[1]):
        return _agree_in_order(answer, again, written, is_about)
    one, other = (node[1][1] if node[0] == "assign" else node for node in (answer, again))
    are_values = all(node[0] in ("number", "expression", "percent", "quantity") for node in (one, other))
    return are_values and _rounds_to(one, other, written, is_about)


def _agree_in_order(answer: Node, again: Node, written: str, is_about: bool) -> bool:
    """Compares lists item by item."""
    parts = re.split(r",|\band\b|\bor\b", written)
    items = zip(answer[1], again[1], parts, strict=True) if len(parts) == len(again[1]) else ()
    return bool(items) and all(_agree(one, other, part, is_about) for one, other, part in items)


def _rounds_to(answer: Node, rounded: Node, written: str, is_about: bool) -> bool:
    """Checks whether a rounded value is within half a unit of its last digit, or one unit if it is `about` that."""
    literal = _LITERAL.search(written)
    decimals = len(literal["decimals"] or "") if literal else 0
    if literal is None or len(literal[0]) > MOST_CHARS or not (is_about or decimals >= LEAST_DECIMALS):
        return False
    digits = literal.group().replace(",", "")
    size = abs(float(digits))
    unit = 10.0**-decimals if decimals else 10.0 ** (len(digits) - len(digits.rstrip("0")))
    for exact, value in _in_one_unit(answer, rounded) if size else ():
        reach = unit * abs(value) / size * (1 if is_about and decimals else 0.5)
        if abs(exact - value) <= reach + SLACK * abs(exact):
            return True
    return False


def _in_one_unit(first: Node, second: Node) -> list[tuple[float, float]]:
    """The values of both, none where one has none; of a per cent value as it is written, and as a hundredth."""
    one, other = _value(first), _value(second)
    if one is None or other is None:
        return []
    if first[0] == second[0] == "quantity":
        unit, other_unit = first[1][1], second[1][1]
        is_comparable = unit.dimensions == other_unit.dimensions
        return [(one * float(unit.factor), other * float(other_unit.factor))] if is_comparable else []
    hundredths = [(one / 100, other)] * (first[0] == "percent") + [(one, other / 100)] * (second[0] == "percent")
    return [(one, other), *hundredths]


def _value(node: Node) -> float | None:
    if node[0] == "quantity":
        return numeric.real_value(node[1][0])
    return numeric.real_value(node[1] if node[0] == "percent" else as_form(node))
