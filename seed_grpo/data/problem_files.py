"""Problem records: from rows, of files or a hub data set, to checked `Problem`s.

Consumes rows and the layout of their columns; produces a `ProblemSet`. A record is malformed when it cannot be parsed,
when its problem or answer is missing or empty, when a number in it may have been rounded on its way here, or when its
id was seen before: ids key the per-prompt ledger, so two problems of one id would mix their histories, and a silent
suffix would hide a doubled file. Where a format's ids are known to come again, a record that is the same again is left
out, and another of its id gets the id of its place; both are counted. What is wrong with one record is an error or is
counted, as the user chose. It knows no data set by name: see `datasets`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np

from seed_grpo.data.escapes import doubtful, mended
from seed_grpo.data.files import Row
from seed_grpo.data.formats import Layout, layout_of, unknown_layout
from seed_grpo.data.references import references
from seed_grpo.data.values import BadRecordError, check_unicode
from seed_grpo.data.values.conversation import Turns, conversation
from seed_grpo.data.values.json_text import write_json
from seed_grpo.data.values.paths import MissingError, value_at, value_or_none
from seed_grpo.errors import DataError
from seed_grpo.messages import Problem

MAX_DIGITS = 400
"""digits that a number may have before or after its decimal point"""
NOTHING = ("[]", "nan", "NaN", "null", "NULL", "<NA>")
"""texts that tables hold where an answer was missing, or was a list without any"""
LOOKED_AT = 20
"""number of rows from which a format is recognised"""


class ProblemSet(NamedTuple):
    """Problems that were read."""

    problems: list[Problem]
    skipped: int
    """malformed records that were left out"""
    taken: str = ""
    """format, and which column was taken for what"""
    remarks: tuple[str, ...] = ()
    """changes made to the set that the user may not expect"""


class Part(NamedTuple):
    """Rows of one file, folder or hub data set."""

    name: str
    """unique in the set: part of the ids of records without one, and the source of records without one"""
    place: str
    """names the rows in errors"""
    rows: Iterator[Row]


class Reading(NamedTuple):
    """Rules by which records become problems."""

    layout: Layout
    skip_bad: bool = False
    limit: int | None = None
    """problems taken, the first ones; malformed records do not count; None: all"""


def recognised(part: Part, name: str) -> tuple[Layout, Part]:
    """The layout of a set by the first rows of its first part, and the part with all its rows.

    Args:
        name: of a format, or `auto`.

    Raises:
        DataError: the user named a format, and the rows are of another.
    """
    head: list[Row] = []
    records: list[Mapping[str, Any]] = []
    layout = None
    for row in islice(part.rows, LOOKED_AT):
        head.append(row)
        record = _readable(row)
        if record is not None:
            records.append(record)
            layout = layout_of(record, name)
        if layout is not None:
            break
    return layout or unknown_layout(records, name), part._replace(rows=chain(head, part.rows))


def read_problems(parts: Sequence[Part], reading: Reading) -> ProblemSet:
    """Makes problems of rows.

    Raises:
        DataError: a record is malformed and is not to be skipped, or none is usable; names place, row and field.
    """
    found = _Found(reading)
    numbered = ((part, number, row) for part in parts for number, row in enumerate(part.rows, start=1))
    for part, number, (where, read) in numbered:
        try:
            found.add(read(), part, number, where)
        except BadRecordError as fault:
            is_lost = isinstance(fault, MissingError) and reading.layout.unknown
            unknown = f"; {reading.layout.unknown}" if is_lost else ""
            message = f"{part.place}, {where}: {fault}{unknown}"
            if not reading.skip_bad:
                raise DataError(
                    f"{message}; correct it, or set data.on_bad_record=skip to leave such records out"
                ) from fault
            found.skipped.append(message)
        if len(found.problems) == reading.limit:
            break
    if not found.problems:
        places = ", ".join(part.place for part in parts)
        raise DataError(f"{places} has no usable record ({len(found.skipped)} malformed); see data.columns")
    return found.whole()


class _Found:
    """Problems so far, and what was done with records."""

    def __init__(self, reading: Reading) -> None:
        self._layout = reading.layout
        self.problems: list[Problem] = []
        self.skipped: list[str] = []
        self._first: dict[str, tuple[Part, str, Problem]] = {}
        """part, row and problem of each id, where it came first"""
        self._repeats: list[str] = []
        self._renamed: list[str] = []
        self._doubtful: list[str] = []
        self._numbered = 0

    def add(self, record: Any, part: Part, number: int, where: str) -> None:
        """Takes one record.

        Raises:
            BadRecordError: it is malformed.
        """
        problem = _to_problem(record, self._layout, part.name)
        by_place = f"{part.name}-{number}"
        if not problem.id:
            self._numbered += 1
            problem = replace(problem, id=by_place)
        elif problem.id in self._first and self._layout.format.repeats:
            if _content(problem) == _content(self._first[problem.id][2]):
                self._repeats.append(f"{part.place}, {where}")
                return
            self._renamed.append(f"{problem.id!r} in {part.place}, {where}")
            problem = replace(problem, id=by_place)
        if problem.id in self._first:
            other, there, _ = self._first[problem.id]
            first = there if other is part else f"{other.place}, {there}"
            raise BadRecordError(f"field {self._layout.columns.id!r}: id {problem.id!r} occurs first in {first}")
        if doubt := _doubt(problem, self._layout):
            self._doubtful.append(f"{part.place}, {where}: {doubt}")
        problem = replace(problem, record_json=write_json(record))
        self._first[problem.id] = part, where, problem
        self.problems.append(problem)

    def whole(self) -> ProblemSet:
        """The set, with what is to be said of it."""
        columns, remarks = self._layout.columns, []
        if self.skipped:
            remarks.append(f"{len(self.skipped)} malformed records are left out, the first: {self.skipped[0]}")
        if self._repeats:
            remarks.append(
                f"{len(self._repeats)} records have id, problem and answer of an earlier one and are left out, the "
                f"first: {self._repeats[0]}"
            )
        if self._renamed:
            remarks.append(
                f"{len(self._renamed)} records have the id ({columns.id}) of an earlier one and another problem or "
                f"answer; they get an id by their place, the first: {self._renamed[0]}"
            )
        if self._doubtful:
            remarks.append(
                f"{len(self._doubtful)} records hold a control character, perhaps the rest of a LaTeX command whose "
                "backslash was read as an escape (write two backslashes in JSON), the first: "
                f"{self._doubtful[0]}"
            )
        return ProblemSet(self.problems, len(self.skipped), self._taken(), tuple(remarks))

    def _taken(self) -> str:
        columns, total = self._layout.columns, len(self.problems)
        ids = f"id from {columns.id}" if self._numbered < total else "ids by place"
        if 0 < self._numbered < total:
            ids += f" ({self._numbered} have none, and one by their place)"
        turns = sum(bool(problem.turns) for problem in self.problems)
        answers = f"answer from {columns.answer}" if columns.answer else "no answers"
        return (
            f"read as {self._layout.name}: problem from {columns.problem}"
            f"{f' ({turns} of {total} are conversations)' if turns else ''}, {answers}, {ids}"
            f"{self._layout.others}"
        )


def _doubt(problem: Problem, layout: Layout) -> str | None:
    """The field with a character that no text contains on purpose, and what stands there."""
    answers = ((layout.columns.answer, answer, True) for answer in problem.answers)
    for field, text, is_answer in ((layout.columns.problem, problem.text, False), *answers):
        found = doubtful(text, is_answer=is_answer)
        if found is not None:
            return f"field {field!r} has {found!r}"
    return None


def _content(problem: Problem) -> tuple[Any, ...]:
    return problem.text, problem.turns, problem.answers


def _readable(row: Row) -> Mapping[str, Any] | None:
    try:
        record = row[1]()
    except BadRecordError:  # told when it is that row's turn
        return None
    return record if isinstance(record, Mapping) else None


def _to_problem(record: Any, layout: Layout, source: str) -> Problem:
    """A problem without `record_json`, and without an id where the record has none."""
    if not isinstance(record, Mapping):
        raise BadRecordError(f"holds {type(record).__name__}, not an object with fields")
    columns, known = layout.columns, layout.format
    layout.check(record)
    text, turns = _problem(value_at(record, columns.problem), layout)
    answers, further = [], None
    if columns.answer is not None:
        answers = _answers(value_at(record, columns.answer), columns.answer, columns.verbatim)
        further = value_or_none(record, columns.alternatives)
    if further is not None:
        answers += _answers(further, str(columns.alternatives), columns.verbatim)
    identity = value_or_none(record, columns.id)
    return Problem(
        id="" if identity is None else _texts(identity, str(columns.id))[0],
        text=text,
        answers=tuple(dict.fromkeys(answers)),
        source=_label(record, known.source) or source,
        level=_label(record, "level"),
        subject=_label(record, known.subject),
        turns=turns,
    )


def _problem(value: Any, layout: Layout) -> tuple[str, Turns]:
    """Text and conversation of a problem; a problem that is a text alone has no conversation."""
    field = layout.columns.problem
    turns = conversation(value, field)
    if turns is not None:
        turns = _asking(turns, layout)
        if not turns[-1][1].strip():
            raise BadRecordError(f"field {field!r} ends in an empty turn of the user")
        return turns[-1][1], turns
    if isinstance(value, int | float | np.floating | Decimal) and not isinstance(value, bool):
        raise BadRecordError(f"field {field!r} is {value}, a number; a problem is a text")
    (text, *more) = _texts(value, field)
    if more:
        raise BadRecordError(f"field {field!r} is a list; a problem is one text")
    return mended(text), ()


def _asking(turns: Turns, layout: Layout) -> Turns:
    """The conversation up to the turn of the user that is to be answered."""
    field, last = layout.columns.problem, turns[-1][0]
    if layout.answer_in_problem and last != "assistant":
        raise BadRecordError(
            f"field {field!r} ends in a turn of the {last}, not of the assistant, where the answer is taken from"
        )
    if layout.answer_in_problem or (layout.format.answers_last and last == "assistant"):
        turns = turns[:-1]
    if not turns or turns[-1][0] != "user":
        end = f"ends in a turn of the {turns[-1][0]}, not of the user" if turns else "has no turn of the user"
        raise BadRecordError(f"field {field!r} {end}; a prompt ends in what is to be answered")
    return turns


def _answers(value: Any, field: str, verbatim: bool) -> list[str]:
    """The reference answers in a field; none empty."""
    texts = _texts(value, field)
    if verbatim:
        return texts
    found = [reference for text in texts for reference in references(text)]
    for text in texts:
        if text.strip() in NOTHING:
            raise BadRecordError(
                f"field {field!r} is the text {text.strip()!r}, which stands for no answer, unless "
                "data.columns.verbatim takes it as it is"
            )
    for reference in found:
        if not reference.strip():
            raise BadRecordError(f"field {field!r} holds an empty answer in {value!r:.80}")
        control = doubtful(reference, is_answer=False)
        if control is not None:
            raise BadRecordError(
                f"field {field!r} holds a control character before {control[1:]!r}, perhaps of a LaTeX command whose "
                f"backslash an escape has eaten, in {reference!r:.80} (write two backslashes in JSON)"
            )
    return found


def _texts(value: Any, field: str) -> list[str]:
    """The texts of a value that is a text or number, or a list of them; none empty."""
    values = value if isinstance(value, list) else [value]
    if not values:
        raise BadRecordError(f"field {field!r} is an empty list")
    texts = [item if isinstance(item, str) else _digits(item, field) for item in values]
    for text in texts:
        if not text.strip():
            raise BadRecordError(f"field {field!r} is empty")
        check_unicode(text, field)
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
    values = value if isinstance(value, list) else [value]
    return ", ".join(str(each) for each in values if each is not None)
