"""Problem records: from JSON Lines, Parquet (plain or gzipped) or a hub data set to checked `Problem`s.

Consumes a file or rows, and the names of the columns; produces a `ProblemSet`. A record is malformed when it cannot be
parsed, when its problem or answer is missing or empty, or when its id was seen before: ids key the per-prompt ledger,
so two problems of one id would mix their histories, and a silent suffix would hide a doubled file. What is wrong with
a file as a whole is an error always; what is wrong with one record is an error or is counted, as the user chose. It
knows no data set by name: see `sets`.
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow
import pyarrow.parquet

from seed_grpo.config import ColumnsConfig
from seed_grpo.errors import DataError
from seed_grpo.messages import Problem

SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet", ".parquet.gz")
"""of files that can be read"""


class ProblemSet(NamedTuple):
    """What was read."""

    problems: list[Problem]
    skipped: int
    """malformed records that were left out"""


class Reading(NamedTuple):
    """How records become problems."""

    name: str
    """of the set: part of the ids of records without one, and the source of records without one"""
    columns: ColumnsConfig
    skip_bad: bool = False
    limit: int | None = None
    """only the first so many records"""
    answer_after: str = ""
    """the answer is what follows this mark in its column"""


class _BadRecord(Exception):
    """One record is malformed; says field and reason."""


def read_file(path: Path, reading: Reading) -> ProblemSet:
    """Reads a file with one of `SUFFIXES`.

    Raises:
        DataError: the file is missing, unreadable or damaged, or a record is malformed and is not to be skipped; names
            file, line (record number in Parquet) and field.
    """
    if not path.is_file():
        raise DataError(f"the data file {path} does not exist; set data.source to one that does")
    if path.name.removesuffix(".gz").endswith(".jsonl"):
        return _collect(_json_lines(path), _parse_json, f"{path}, line", reading)
    return _collect(_parquet_rows(path), lambda row: row, f"{path}, record", reading)


def read_rows(rows: Iterable[Mapping[str, Any]], place: str, reading: Reading) -> ProblemSet:
    """Reads rows that are in memory or streamed, e.g. of a hub data set; `place` names them in errors."""
    return _collect(enumerate(rows, start=1), lambda row: row, f"{place}, record", reading)


def _collect(
    records: Iterable[tuple[int, Any]], parse: Callable[[Any], Any], place: str, reading: Reading
) -> ProblemSet:
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    skipped = 0
    for number, raw in islice(records, reading.limit):
        try:
            problem = _to_problem(parse(raw), number, reading)
            if problem.id in seen:
                raise _BadRecord(f"field {reading.columns.id!r}: id {problem.id!r} occurs first in {seen[problem.id]}")
        except _BadRecord as fault:
            if not reading.skip_bad:
                raise DataError(
                    f"{place} {number}: {fault}; mend it, or set data.on_bad_record=skip to leave such records out"
                ) from fault
            skipped += 1
            continue
        seen[problem.id] = number
        problems.append(problem)
    if not problems:
        raise DataError(f"{place.rpartition(', ')[0]} has no usable record ({skipped} malformed); see data.columns")
    return ProblemSet(problems, skipped)


def _to_problem(record: Any, number: int, reading: Reading) -> Problem:
    if not isinstance(record, Mapping):
        raise _BadRecord(f"holds {type(record).__name__}, not an object with fields")
    columns = reading.columns
    answers = _texts(record, columns.answer, reading.answer_after)
    if columns.alternatives is not None and record.get(columns.alternatives) is not None:
        answers += _texts(record, columns.alternatives)
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
        raise _BadRecord(f"field {field!r} is a list; a problem is one text")
    return text


def _texts(record: Mapping[str, Any], field: str, after: str = "") -> list[str]:
    """The texts of a field that holds a text or number, or a list of them; none empty."""
    if record.get(field) is None:
        raise _BadRecord(f"field {field!r} is missing (there are: {', '.join(map(str, record))})")
    value = record[field]
    values = value if isinstance(value, list) else [value]
    if not values:
        raise _BadRecord(f"field {field!r} is an empty list")
    return [_text(item, field, after) for item in values]


def _text(value: Any, field: str, after: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _BadRecord(f"field {field!r} holds {type(value).__name__}, not text or a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise _BadRecord(f"field {field!r} is {value}, not a finite number")
    text = str(value)
    if after:
        _, mark, text = text.rpartition(after)
        if not mark:
            raise _BadRecord(f"field {field!r} lacks the mark {after!r} before the answer")
    if not text.strip():
        raise _BadRecord(f"field {field!r} is empty")
    if not text.isascii() and any(0xD800 <= ord(c) < 0xE000 for c in text):
        raise _BadRecord(f"field {field!r} has half a surrogate pair, which is no Unicode text")
    return text.strip() if after else text


def _label(record: Mapping[str, Any], field: str) -> str:
    value = record.get(field)
    return "" if value is None else str(value)


def _json_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers from 1."""
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, line
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read past line {number}: {error}; get the file anew") from error


def _parse_json(line: bytes) -> Any:
    try:
        return json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise _BadRecord(f"is not UTF-8 (byte {error.start} of the line)") from error
    except json.JSONDecodeError as error:
        raise _BadRecord(f"is not JSON ({error.msg}, column {error.colno})") from error
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits, nesting without end
        raise _BadRecord(f"is JSON beyond our bounds ({error})") from error


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows with their numbers from 1."""
    number = 0
    try:
        opened: Any = pyarrow.BufferReader(gzip.decompress(path.read_bytes())) if path.suffix == ".gz" else path
        with pyarrow.parquet.ParquetFile(opened) as file:
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (OSError, EOFError, zlib.error, pyarrow.ArrowException) as error:
        raise DataError(f"{path} cannot be read past record {number}: {error}; get the file anew") from error
