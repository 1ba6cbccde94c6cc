"""Rows of record files and of Arrow tables, whose values are those written, to the last digit.

Consumes a file whose name ends in one of `SUFFIXES`; produces rows with their places, one at a time. JSON Lines, JSON
(a list of objects, or JSON Lines under that name), CSV and TSV (a header, then text) and Parquet, plain or gzipped. A
JSON number with a fraction becomes a `Decimal`. A float of 16 or 32 bits stays one, for its shortest text is not that
of a Python float. What is wrong with a file as a whole is a `DataError`; what is wrong with one row is a
`BadRecordError`, raised as that row is read. It knows nothing of problems and answers: see `problem_files`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pyarrow
import pyarrow.parquet

from seed_grpo.errors import DataError

FLOATS: dict[str, Callable[[float], np.floating]] = {"float": np.float32, "halffloat": np.float16}
"""types narrower than Python's float, by Arrow's name"""
_NARROW = re.compile(r"\b(?:half)?float\b")

Row = tuple[str, Callable[[], Any]]
"""a row's place for messages, such as `line 3`, and the function that reads it"""


class BadRecordError(Exception):
    """One record is malformed; says field and reason."""


class _BadFileError(Exception):
    """A file as a whole is not of its format; says why."""


def read_rows(path: Path) -> Iterator[Row]:
    """Reads the rows of a file.

    Raises:
        DataError: the file is missing, unreadable, damaged, or of no format that is read.
    """
    name = path.name.lower()
    read = next((read for ending, read in FORMATS.items() if name.endswith((ending, f"{ending}.gz"))), None)
    if read is None:
        raise DataError(f"{path} has a format that cannot be read; name a file in data.source ({', '.join(SUFFIXES)})")
    if not path.is_file():
        raise DataError(f"the data file {path} does not exist; set data.source to one that does")
    place = "its beginning"
    try:
        with cast(IO[bytes], gzip.open(path) if name.endswith(".gz") else path.open("rb")) as file:
            for place, row in read(file):
                yield place, row
    except _BadFileError as error:
        raise DataError(f"{path} {error}; correct it") from error
    except (OSError, EOFError, zlib.error, csv.Error, UnicodeDecodeError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} cannot be read past {place}: {error}; copy or download it again") from error


def arrow_rows(batches: Iterable[pyarrow.RecordBatch]) -> Iterator[Row]:
    """Reads the rows of Arrow tables."""
    rows = chain.from_iterable(_arrow_rows(batch) for batch in batches)
    return ((f"record {number}", partial(dict, row)) for number, row in enumerate(rows, start=1))


def _json_lines(file: IO[bytes]) -> Iterator[Row]:
    """Lines that are not blank."""
    for number, line in enumerate(file, start=1):
        if line.strip():
            yield f"line {number}", partial(_parse_json, line)


def _json(file: IO[bytes]) -> Iterator[Row]:
    """The objects of one list, which may be the value of an object, as in `{"data": [...]}`; or lines."""
    data = file.read()
    try:
        whole = _parse_json(data)
    except BadRecordError as error:
        if data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
            raise _BadFileError(str(error)) from error
        yield from _json_lines(io.BytesIO(data))
        return
    values = whole.values() if isinstance(whole, dict) else [whole]
    lists = [value for value in values if isinstance(value, list) and any(isinstance(item, dict) for item in value)]
    items = lists[0] if len(lists) == 1 else whole if isinstance(whole, list) else [whole]
    for number, item in enumerate(items, start=1):
        yield f"record {number}", partial(_itself, item)


def _parse_json(text: bytes) -> Any:
    try:
        return json.loads(text.decode("utf-8-sig"), parse_float=Decimal)
    except UnicodeDecodeError as error:
        raise BadRecordError(f"is not UTF-8 (byte {error.start} of the line)") from error
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        raise BadRecordError(f"is not JSON ({error.msg}, {line}column {error.colno})") from error
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits, nesting without end
        raise BadRecordError(f"is JSON that is too deep or too long to read ({error})") from error


def _separated(separator: str, file: IO[bytes]) -> Iterator[Row]:
    """Rows under a header, all as text; an empty cell is no value."""
    reader = csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""), delimiter=separator, strict=True)
    header = next(reader, [])
    if len(set(header)) < len(header):
        raise _BadFileError(f"has a column twice in its header {', '.join(header)}")
    rows = (row for row in reader if row)
    for number, row in enumerate(rows, start=1):
        yield f"record {number}", partial(_under_header, header, row)


def _under_header(header: list[str], row: list[str]) -> dict[str, str | None]:
    if len(row) != len(header):
        raise BadRecordError(
            f"has {len(row)} cells under a header of {len(header)} (quote a cell that holds a separator)"
        )
    return {name: cell or None for name, cell in zip(header, row, strict=True)}


def _parquet(file: IO[bytes]) -> Iterator[Row]:
    with pyarrow.parquet.ParquetFile(io.BytesIO(file.read()) if isinstance(file, gzip.GzipFile) else file) as table:
        yield from arrow_rows(table.iter_batches())


def _arrow_rows(batch: pyarrow.RecordBatch) -> Iterator[dict[str, Any]]:
    columns = [_values(column) for column in batch.columns]
    return (dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True))


def _values(column: pyarrow.Array) -> list[Any]:
    return [_as_wide(value, str(column.type)) for value in column.to_pylist()]


def _as_wide(value: Any, kind: str) -> Any:
    """The value with its floats as wide as they are on disk, also those in a list.

    Args:
        kind: Arrow's name of the column's type, such as `float` or `list<item: halffloat>`.
    """
    narrow = _NARROW.search(kind)
    if narrow is None or value is None:
        return value
    if isinstance(value, list):
        return [_as_wide(item, kind) for item in value]
    return FLOATS[narrow[0]](value) if isinstance(value, float) else value


def _itself(value: Any) -> Any:
    return value


FORMATS: dict[str, Callable[[IO[bytes]], Iterator[Row]]] = {
    ".jsonl": _json_lines,
    ".json": _json,
    ".csv": partial(_separated, ","),
    ".tsv": partial(_separated, "\t"),
    ".parquet": _parquet,
}
"""readers by the end of a file's name, before `.gz`"""
SUFFIXES = tuple(f"{ending}{packed}" for ending in FORMATS for packed in ("", ".gz"))
"""suffixes of files that can be read"""
