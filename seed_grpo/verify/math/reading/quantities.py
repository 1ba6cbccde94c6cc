r"""Values in several units, 5 feet 6 inches, 12^\circ 30', and what else stands behind a value.

Consumes tokens; produces nodes. The parts are added up in the first unit.
"""

from __future__ import annotations

from seed_grpo.verify.isolation.bounds import GrammarError
from seed_grpo.verify.math.forms import algebra, numeric
from seed_grpo.verify.math.forms.algebra import Form
from seed_grpo.verify.math.forms.nodes import Node, as_list
from seed_grpo.verify.math.forms.units import MINUTE, SECOND, UNITS, Unit, read_unit
from seed_grpo.verify.math.reading.structures import StructureReader
from seed_grpo.verify.math.reading.tokens import END

MOST_PARTS = 6
FOOT, INCH = UNITS["ft"], UNITS["in"]


class QuantityReader(StructureReader):
    """Reads what follows a value and its unit. A method consumes what its name says."""

    def _unit(self, form: Form) -> Unit | None:
        raise NotImplementedError

    def _quantity(self, form: Form, unit: Unit) -> Node:
        """A value in a unit with its further parts in smaller ones; with `and` between them they may be a list."""
        parts = [(form, unit)]
        joined = False
        while len(parts) < MOST_PARTS:
            start = self._next
            separated = self._is_separator(self._peek()) and self._peek().value != ";" and bool(self._take())
            part = self._part(parts[-1][1])
            if part is None or not _continues(parts, part):
                self._next = start
                break
            joined |= separated
            parts = _in_feet(parts) if part[1] == SECOND else parts
            parts.append((part[0], INCH) if parts[0][1] == FOOT and part[1] == SECOND else part)
        sign = -1 if (algebra.as_number(form) or 0) < 0 else 1
        rest = [algebra.scale(value, sign * smaller.factor / parts[0][1].factor) for value, smaller in parts[1:]]
        whole = "quantity", (algebra.add(parts[0][0], *rest), parts[0][1])
        return ("comma", (whole, as_list([("quantity", part) for part in parts]))) if joined else whole

    def _part(self, before: Unit) -> tuple[Form, Unit] | None:
        """A number with its unit, None where there is none."""
        if self._peek().kind != "number":
            return None
        try:
            form = self._mixed()
            primes = self._primes()
            unit = {"'": MINUTE, "''": SECOND}.get(primes) or (None if primes else self._unit_or_letter(form))
        except GrammarError:
            return None
        if unit is None and before == MINUTE and self._peek() == END:  # 5'6
            unit = SECOND
        return None if unit is None else (form, unit)

    def _unit_or_letter(self, form: Form) -> Unit | None:
        unit = self._unit(form)
        if unit is None and self._peek().kind == "word" and len(self._peek().value) == 1:
            unit = read_unit(self._take().value)
        return unit


def _continues(parts: list[tuple[Form, Unit]], part: tuple[Form, Unit]) -> bool:
    """Whether a part measures the same in a smaller unit, behind parts that are whole numbers."""
    value, unit = parts[-1]
    whole = algebra.as_number(value)
    return (
        whole is not None
        and whole.denominator == 1
        and numeric.real_value(part[0]) is not None
        and unit.dimensions == part[1].dimensions
        and unit.factor > part[1].factor
    )


def _in_feet(parts: list[tuple[Form, Unit]]) -> list[tuple[Form, Unit]]:
    """5' before 6'' is in feet, if no degrees stand before it."""
    return [(parts[0][0], FOOT)] if len(parts) == 1 and parts[0][1] == MINUTE else parts
