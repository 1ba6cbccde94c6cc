"""A place in a list of tokens, as a value: whoever keeps a cursor can read on from there again.

Nothing of a cursor changes, so saving and restoring a place is assignment. Everything that reading changes is in it:
tokens that were cut in two, how deep the place is nested, what surrounds it and what was met on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from seed_grpo.verify.math.reading.tokens import Token


class Within(NamedTuple):
    """Surroundings of a place, which say how ambiguous signs are meant there."""

    calls: int = 0
    """number of function calls around the place; inside of one, degrees are angles and not units"""
    name_call: bool = False
    """true left of an equals sign, where a bracket after any name is the argument of a function"""
    modulus_follows: bool = False
    """true if `mod` belongs to a congruence and not to the expression"""
    bar_ends: bool = False
    """true if the next bar ends something, and does not begin an absolute value that is a factor"""
    colon_follows: bool = False
    """true if a colon is the one of {x : x > 3}, and of no ratio"""


class Met(NamedTuple):
    """Things met on the way to a place that decide how the whole value is read."""

    infinities: int = 0
    """number of times that infinity was read"""
    degrees: bool = False
    """true if a term of the current side was in degrees"""


class Cursor(NamedTuple):
    """A place in tokens, e.g. `Cursor(tokens, at=3, depth=1)`: three are read, and the next is nested once."""

    tokens: tuple[Token, ...]
    at: int = 0
    depth: int = 0
    within: Within = Within()
    met: Met = Met()

    def moved(self, count: int) -> Cursor:
        """The place that many tokens further on."""
        tokens, at, depth, within, met = self
        return _new(Cursor, (tokens, at + count, depth, within, met))

    def nested(self, levels: int) -> Cursor:
        """The same place, deeper by that many levels."""
        tokens, at, depth, within, met = self
        return _new(Cursor, (tokens, at, depth + levels, within, met))

    def replaced(self, start: int, stop: int, tokens: Sequence[Token]) -> Cursor:
        """The same place, with the unread tokens from start to stop replaced by others."""
        return self._replace(tokens=(*self.tokens[:start], *tokens, *self.tokens[stop:]))


_new = tuple.__new__
"""makes a cursor in half the time that its own constructor takes; the two methods that use it are called the most"""
