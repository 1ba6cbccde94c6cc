r"""Subsets of the real line: intervals, unions, inequalities in one variable.

Consumes exact forms of end points; produces sorted, disjoint pieces, so that `x < 3`, `3 > x` and `(-\infty, 3)` are
equal. End points are ordered by their numeric values and kept exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from seed_grpo.verify.isolation.bounds import spend
from seed_grpo.verify.math.forms import algebra, numeric
from seed_grpo.verify.math.forms.algebra import Form

INFINITY = algebra.atom("constant", "infinity")
MINUS_INFINITY = algebra.scale(INFINITY, Fraction(-1))


class Bound(NamedTuple):
    """An end point and whether it belongs to the piece."""

    form: Form
    closed: bool


class Piece(NamedTuple):
    """An interval; a point where both ends are the same."""

    low: Bound
    high: Bound


REALS: tuple[Piece, ...] = (Piece(Bound(MINUS_INFINITY, False), Bound(INFINITY, False)),)


class NoRegionError(ValueError):
    """An end point is no real constant."""


def position(form: Form) -> float:
    """The position of an end point on the real line.

    Raises:
        NoRegionError: it is no real constant.
    """
    value = numeric.real_value(form)
    if value is None:
        raise NoRegionError("an end point that is no real constant")
    return value


def interval(opening: str, low: Form, high: Form, closing: str) -> tuple[Piece, ...]:
    """The pieces of an interval; none where it is empty.

    Raises:
        NoRegionError: an end point is no real constant, or the ends are in the wrong order.
    """
    if position(low) > position(high):
        raise NoRegionError("an interval from high to low")
    start, end = Bound(low, opening == "[" and low != MINUS_INFINITY), Bound(high, closing == "]" and high != INFINITY)
    return _kept([Piece(start, end)])


def points(forms: Sequence[Form]) -> tuple[Piece, ...]:
    """The region of single points."""
    return union(tuple(Piece(Bound(form, True), Bound(form, True)) for form in forms), ())


def union(first: tuple[Piece, ...], second: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """The pieces of either; what touches is joined."""
    spend(120 * (len(first) + len(second)))
    joined: list[Piece] = []
    for piece in sorted((*first, *second), key=lambda each: (_low(each), _high(each))):
        if joined and _touch(joined[-1], piece):
            last = joined[-1]
            joined[-1] = Piece(last.low, max(last, piece, key=_high).high)
        else:
            joined.append(piece)
    return tuple(joined)


def intersection(first: tuple[Piece, ...], second: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """The pieces that are in both."""
    overlaps = [
        Piece(max(one, other, key=_low).low, min(one, other, key=_high).high) for one in first for other in second
    ]
    return union(_kept(overlaps), ())


def complement(region: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """The real numbers that are not in it."""
    rest = REALS
    for piece in region:
        below = Piece(REALS[0].low, Bound(piece.low.form, not piece.low.closed and piece.low.form != MINUS_INFINITY))
        above = Piece(Bound(piece.high.form, not piece.high.closed and piece.high.form != INFINITY), REALS[0].high)
        rest = intersection(rest, _kept([below, above]))
    return rest


def half_line(sign: str, bound: Form) -> tuple[Piece, ...]:
    """The pieces of `< bound`, `<= bound`, `> bound`, `>= bound`, `!= bound`.

    Raises:
        NoRegionError: the bound is no real constant.
    """
    position(bound)
    if sign == "!=":
        return complement(points([bound]))
    if sign[0] == "<":
        return interval("(", MINUS_INFINITY, bound, "]" if sign == "<=" else ")")
    return interval("[" if sign == ">=" else "(", bound, INFINITY, ")")


def _low(piece: Piece) -> tuple[float, bool]:
    return position(piece.low.form), not piece.low.closed


def _high(piece: Piece) -> tuple[float, bool]:
    return position(piece.high.form), piece.high.closed


def _touch(first: Piece, second: Piece) -> bool:
    end, start = position(first.high.form), position(second.low.form)
    return start < end or (start == end and (first.high.closed or second.low.closed))


def _kept(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """The pieces that are not empty."""

    def is_empty(piece: Piece) -> bool:
        low, high = position(piece.low.form), position(piece.high.form)
        return low > high or (low == high and not (piece.low.closed and piece.high.closed))

    return tuple(piece for piece in pieces if not is_empty(piece))
