"""Points at which two expressions are looked at, to see whether they differ.

Consumes two forms; produces points, small and large, of both signs. Where a root, a logarithm, an absolute value or a
maximum occurs, a value may have a corner or stop being real: along straight lines through the space of the letters
these places are searched for, and there is a point in every interval between them and beyond the last. Agreement on
one side of a corner says nothing of the other: min(n, 2024) is n at many points. Several letters have the same sign but
where the corners of written functions ask for others: (a^2 b)^(1/2) is a b^(1/2) as it is meant.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from seed_grpo.verify.math.forms.algebra import Form
from seed_grpo.verify.math.forms.contents import contents
from seed_grpo.verify.math.forms.numeric import DOUBLES, Evaluation
from seed_grpo.verify.math.forms.series import JOINED

Point = dict[str, Fraction]
Line = dict[str, tuple[float, float]]
"""letters to their values at 0 and their speeds"""
State = int | None
"""a sign, 0 where rounding hides it; None where there is no real value"""

NEAR = 6
"""points of ordinary size"""
LINES = 5
"""lines through the space of several letters, in random directions, besides those along single letters"""
MOST_AXES = 4
MOST_SWITCHES = 40
"""places with a corner that are searched for"""
FARTHEST = 100
"""decimal orders of magnitude beyond which corners are not searched for"""
STEPS = 3
"""places on a line for each decimal order of magnitude"""
MOST_CORNERS = 16
"""corners on a line that are used, those nearest to 0"""
BISECTIONS = 60
ROUNDING = 1e-5
"""share of a double's error bound, which is for uncertain inputs, that rounding alone may cause"""


class OutOfReachError(ValueError):
    """The corners of an expression cannot be found, so that points say nothing about it."""


def points(first: Form, second: Form) -> Iterator[Point]:
    """Points for two forms; the empty one for two constants.

    Raises:
        OutOfReachError: there are corners where nobody can look.
    """
    seen, other = contents(first), contents(second)
    names = sorted(seen.names | other.names)
    if not names:
        yield {}
        return
    operators, switches = seen.operators | other.operators, seen.switches | other.switches
    if operators & set(JOINED):
        yield from _whole(names)
    yield from _near(names)
    if switches and not operators:
        if len(switches) > MOST_SWITCHES:
            raise OutOfReachError(f"{len(switches)} corners")
        reach = 3 * max(abs(size) for each in (seen, other) for size in each.sizes) + 4
        if reach > FARTHEST:
            raise OutOfReachError(f"a number of {reach} digits beside a corner")
        one_sign = not any(kind == "corner" for kind, _ in switches)
        for line in _lines(names):
            for point in _along(line, sorted(switches, key=repr), reach):
                if not one_sign or len({value > 0 for value in point.values()}) == 1:
                    yield point


def _whole(names: Sequence[str]) -> Iterator[Point]:
    """Whole numbers, for what may be a number of terms."""
    for index in range(2 * NEAR):
        generator = random.Random(index)
        yield {name: Fraction(generator.randint(1, 12)) for name in names}


def _near(names: Sequence[str]) -> Iterator[Point]:
    for index in range(NEAR):
        generator = random.Random(index)
        sign, top = (-1 if index % 3 == 2 else 1), (70000 if index % 2 else 16999)
        yield {name: sign * Fraction(generator.randint(3001, top), 10007) for name in names}


def _lines(names: Sequence[str]) -> Iterator[Line]:
    """A single letter itself; of several each of the first by itself, and random directions."""
    if len(names) == 1:
        yield {names[0]: (0.0, 1.0)}
        return
    for index, moving in enumerate(names[:MOST_AXES]):
        generator = random.Random(index)
        yield {name: (generator.uniform(0.3, 3.0), float(name == moving)) for name in names}
    for index in range(LINES):
        generator = random.Random(-1 - index)
        speeds = {name: generator.choice((-1, 1)) * generator.uniform(0.3, 3.0) for name in names}
        yield {name: (generator.uniform(0.3, 3.0), speed) for name, speed in speeds.items()}


def _along(line: Line, switches: Sequence[tuple[str, Form]], reach: int) -> Iterator[Point]:
    """Two points between each two neighbouring corners on a line, and two beyond the outermost."""
    grid = _grid(reach)
    corners: set[float] = set()
    for kind, form in switches:
        state = _state_of(kind, form, line)
        states = [state(at) for at in grid]
        if not any(states):
            raise OutOfReachError("a corner that is nowhere")
        known = [(at, found) for at, found in zip(grid, states, strict=True) if found != 0]
        for (low, before), (high, behind) in itertools.pairwise(known):
            if before != behind:
                corners.add(_bisected(state, low, before, high))
    nearest = sorted({*sorted(corners, key=abs)[:MOST_CORNERS], *sorted(corners)[:1], *sorted(corners)[-1:]})
    places = [low + (high - low) * share for low, high in itertools.pairwise(nearest) for share in (0.37, 0.81)]
    for end, outwards in ((nearest[0], -1), (nearest[-1], 1)) if nearest else ():
        places += [end + outwards * (abs(end) + 1) * far for far in (0.3, 43.0)]
    for place in places:
        yield {name: Fraction(start + place * speed) for name, (start, speed) in line.items()}


@functools.lru_cache(maxsize=16)
def _grid(reach: int) -> tuple[float, ...]:
    sizes = [10 ** (step / STEPS) for step in range(-STEPS * reach, STEPS * reach + 1)]
    return (*(-size for size in reversed(sizes)), 0.0, *sizes)


def _state_of(kind: str, form: Form, line: Line) -> Callable[[float], State]:
    """The sign of a form on a line, or that of its slope; None where it has no real value."""

    def value(at: float) -> tuple[float, float] | None:
        found = Evaluation(DOUBLES, lambda name: complex(line[name][0] + at * line[name][1]))(form)
        return (found.value.real, ROUNDING * found.error) if found is not None and found.real else None

    def sign(at: float) -> State:
        found = value(at)
        return None if found is None else _sign(*found)

    def slope(at: float) -> State:
        step = abs(at) * 1e-4 + 1e-12
        low, high = value(at - step), value(at + step)
        return None if low is None or high is None else _sign(high[0] - low[0], low[1] + high[1])

    return slope if kind == "slope" else sign


def _sign(value: float, rounding: float) -> int:
    return 0 if abs(value) <= rounding else 1 if value > 0 else -1


def _bisected(state: Callable[[float], State], low: float, before: State, high: float) -> float:
    """The place between two others behind which the state is no more what it is at the lower one."""
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if state(middle) in (0, before):
            low = middle
        else:
            high = middle
    return high
