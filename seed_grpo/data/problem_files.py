"""Problem records: from rows, of a file or a hub data set, to checked `Problem`s.

Consumes rows and the names of the columns; produces a `ProblemSet`. A record is malformed when it cannot be parsed,
when its problem or answer is missing or empty, when a number in it may have been rounded on its way here, or when its
id was seen before: ids key the per-prompt ledger, so two problems of one id would mix their histories, and a silent
suffix would hide a doubled file. What is wrong with one record is an error or is counted, as the user chose. It knows
no data set by name: see `datasets`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from seed_grpo.config.sections import ColumnsConfig
from seed_grpo.data.escapes import mended
from seed_grpo.data.files import BadRecordError, Row
from seed_grpo.data.references import references
from seed_grpo.errors import DataError
from seed_grpo.messages import Problem

MAX_DIGITS = 400
"""digits that a number may have before or after its decimal point"""


class ProblemSet(NamedTuple):
    """Problems that were read."""

    problems: list[Problem]
    skipped: int
    """malformed records that were left out"""


class Reading(NamedTuple):
    """Rules by which records become problems."""

    name: str
    """name of the set: part of the ids of records without one, and the source of records without one"""
    columns: ColumnsConfig
    skip_bad: bool = False
    limit: int | None = None
    """problems taken, the first ones; malformed records do not count; None: all"""


def read_problems(rows: Iterable[Row], place: str, reading: Reading) -> ProblemSet:
    """Makes problems of rows.

    Args:
        place: names the rows in errors.

    Raises:
        DataError: a record is malformed and is not to be skipped, or none is usable; names place, row and field.
    """
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    skipped = 0
    for number, (where, read) in enumerate(rows, start=1):
        try:
            problem = _to_problem(read(), number, reading)
            if problem.id in seen:
                first = seen[problem.id]
                raise BadRecordError(f"field {reading.columns.id!r}: id {problem.id!r} occurs first in {first}")
        except BadRecordError as fault:
            if not reading.skip_bad:
                raise DataError(
                    f"{place}, {where}: {fault}; correct it, or set data.on_bad_record=skip to leave such records out"
                ) from fault
            skipped += 1
            continue
        seen[problem.id] = where
        problems.append(problem)
        if len(problems) == reading.limit:
            break
    if not problems:
        raise DataError(f"{place} has no usable record ({skipped} malformed); see data.columns")
    return ProblemSet(problems, skipped)


def _to_problem(record: Any, number: int, reading: Reading) -> Problem:
    if not isinstance(record, Mapping):
        raise BadRecordError(f"holds {type(record).__name__}, not an object with fields")
    columns = reading.columns
    answers = _answers(record, columns.answer, columns.verbatim)
    if columns.alternatives is not None and record.get(columns.alternatives) is not None:
        answers += _answers(record, columns.alternatives, columns.verbatim)
    has_id = columns.id is not None and record.get(columns.id) is not None
    return Problem(
        id=_texts(record, str(columns.id))[0] if has_id else f"{reading.name}-{number}",
        text=_problem_text(record, columns.problem),
        answers=tuple(dict.fromkeys(answers)),
        source=_label(record, "source") or reading.name,
        level=_label(record, "level"),
        subject=_label(record, "subject"),
    )


def _problem_text(record: Mapping[str, Any], field: str) -> str:
    (text, *more) = _texts(record, field)
    if more:
        raise BadRecordError(f"field {field!r} is a list; a problem is one text")
    return mended(text)


def _answers(record: Mapping[str, Any], field: str, verbatim: bool) -> list[str]:
    """The reference answers in a field; none empty."""
    texts = _texts(record, field)
    found = texts if verbatim else [reference for text in texts for reference in references(text)]
    if not all(reference.strip() for reference in found):
        raise BadRecordError(f"field {field!r} holds an empty answer in {record[field]!r:.80}")
    return found


def _texts(record: Mapping[str, Any], field: str) -> list[str]:
    """The texts of a field that holds a text or number, or a list of them; none empty."""
    if record.get(field) is None:
        raise BadRecordError(f"field {field!r} is missing (there are: {', '.join(map(str, record))})")
    value = record[field]
    values = value if isinstance(value, list) else [value]
    if not values:
        raise BadRecordError(f"field {field!r} is an empty list")
    texts = [item if isinstance(item, str) else _digits(item, field) for item in values]
    for text in texts:
        if not text.strip():
            raise BadRecordError(f"field {field!r} is empty")
        if not text.isascii() and any(0xD800 <= ord(c) < 0xE000 for c in text):
            raise BadRecordError(f"field {field!r} has half a surrogate pair, which is no Unicode text")
    return texts


def _digits(value: Any, field: str) -> str:
    """A number as text: the shortest that gives it back, without an exponent.

    A float without a fraction, so large that not all whole numbers of its size are floats, is refused: a reader of JSON
    or CSV that makes floats of a whole column (`datasets` does, where one number has a fraction or 2^63 or more) has
    rounded it, perhaps.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating | Decimal):
        raise BadRecordError(f"field {field!r} holds {type(value).__name__}, not text or a number")
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        raise BadRecordError(f"field {field!r} is {value}, not a finite number")
    if isinstance(value, Decimal):
        if abs(value.adjusted()) > MAX_DIGITS:
            raise BadRecordError(f"field {field!r} is {value}, a number of more than {MAX_DIGITS} digits")
        return f"{value:f}"
    bits = np.finfo(type(value)).nmant + 1
    if abs(value) >= 2**bits:
        raise BadRecordError(
            f"field {field!r} is {value}, in a column of floats, whose whole numbers from 2^{bits} on may have been "
            "rounded; store such numbers as text"
        )
    return np.format_float_positional(value, trim="0")


def _label(record: Mapping[str, Any], field: str) -> str:
    value = record.get(field)
    return "" if value is None else str(value)
