"""Rows of record files and of Arrow tables, whose values are those written, to the last digit.

Consumes a file whose name ends in one of `SUFFIXES`; produces rows with their places, one at a time. JSON Lines, JSON
(a list of objects, or JSON Lines under that name), CSV and TSV (a header, then text), Parquet and Arrow (a file or a
stream), plain or gzipped. A JSON number with a fraction becomes a `Decimal`. A float of 16 or 32 bits stays one, since
its shortest text is not that of a Python float. What is wrong with a file as a whole is a `DataError`; what is wrong
with one row is a `BadRecordError`, raised as that row is read. It knows nothing of problems and answers: see
`problem_files`.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pyarrow
import pyarrow.parquet
from pyarrow import types

from seed_grpo.data.values import BadRecordError
from seed_grpo.data.values.json_text import check_fields, parse_json, parse_records
from seed_grpo.errors import DataError

ARROW_FILE = b"ARROW1"
"""beginning of an Arrow file; a stream has none"""
MAX_CELL_CHARS = 2**30
"""characters of a cell of CSV; Python's own limit of 131,072 is below that of a long solution"""
_NARROW = re.compile(r"\b(?:half)?float\b")
"""in the name of a type that has floats narrower than Python's somewhere"""

Row = tuple[str, Callable[[], Any]]
"""a row's place for messages, such as `line 3`, and the function that reads it"""


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
        raise DataError(f"{path} cannot be read past {place}: {error}; correct it, or copy it again") from error


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
    """The objects of one list, which may be the value of an object, as in `{"data": [...]}`; or of the columns that
    `pandas` writes, as in `{"problem": {"0": "1+1="}, "answer": {"0": "2"}}`; or lines."""
    data = file.read()
    try:
        whole = parse_records(_decoded(data))
    except BadRecordError as error:
        if data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
            raise _BadFileError(str(error)) from error
        yield from _json_lines(io.BytesIO(data))
        return
    for number, item in enumerate(_items(whole), start=1):
        yield f"record {number}", partial(_checked, item)


def _items(whole: Any) -> list[Any]:
    if not isinstance(whole, dict):
        return whole if isinstance(whole, list) else [whole]
    values = list(whole.values())
    lists = [value for value in values if isinstance(value, list) and any(isinstance(item, dict) for item in value)]
    if len(lists) == 1:
        return lists[0]
    columns = [value for value in values if isinstance(value, dict) and value]
    if len(columns) < len(values) or any(column.keys() != columns[0].keys() for column in columns):
        return [whole]
    if not all(key.isdecimal() for key in columns[0]):
        return [whole]
    return [{name: whole[name][key] for name in whole} for key in columns[0]]


def _checked(item: Any) -> Any:
    check_fields(item)
    return item


def _parse_json(text: bytes) -> Any:
    return parse_json(_decoded(text))


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRecordError(f"is not UTF-8 (byte {error.start} of the line)") from error


def _separated(separator: str, file: IO[bytes]) -> Iterator[Row]:
    """Rows under a header, all as text; an empty cell is no value."""
    csv.field_size_limit(MAX_CELL_CHARS)
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


def _arrow(file: IO[bytes]) -> Iterator[Row]:
    is_file = file.read(len(ARROW_FILE)) == ARROW_FILE
    file.seek(0)
    if is_file:
        with pyarrow.ipc.open_file(file) as table:
            yield from arrow_rows(table.get_batch(number) for number in range(table.num_record_batches))
    else:
        with pyarrow.ipc.open_stream(file) as stream:
            yield from arrow_rows(stream)


def _arrow_rows(batch: pyarrow.RecordBatch) -> Iterator[dict[str, Any]]:
    columns = [_values(column) for column in batch.columns]
    return (dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True))


def _values(column: pyarrow.Array) -> list[Any]:
    values = column.to_pylist(maps_as_pydicts="lossy")
    return [_as_wide(value, column.type) for value in values] if _NARROW.search(str(column.type)) else values


def _as_wide(value: Any, kind: pyarrow.DataType) -> Any:
    """The value with its floats as wide as they are on disk, also those in lists and objects.

    Args:
        kind: Arrow's type of it.
    """
    if value is None:
        return None
    if types.is_floating(kind):
        return NARROW_FLOATS.get(kind, float)(value)
    if types.is_struct(kind):
        return {name: _as_wide(item, kind.field(name).type) for name, item in value.items()}
    if types.is_map(kind):
        return {name: _as_wide(item, kind.item_type) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_wide(item, kind.value_type) for item in value]
    return _as_wide(value, kind.value_type) if types.is_dictionary(kind) else value


NARROW_FLOATS: dict[pyarrow.DataType, Callable[[float], np.floating]] = {
    pyarrow.float32(): np.float32,
    pyarrow.float16(): np.float16,
}
"""those that are narrower than Python's"""


FORMATS: dict[str, Callable[[IO[bytes]], Iterator[Row]]] = {
    ".jsonl": _json_lines,
    ".json": _json,
    ".csv": partial(_separated, ","),
    ".tsv": partial(_separated, "\t"),
    ".parquet": _parquet,
    ".arrow": _arrow,
}
"""readers by the end of a file's name, before `.gz`"""
SUFFIXES = tuple(f"{ending}{packed}" for ending in FORMATS for packed in ("", ".gz"))
"""suffixes of files that can be read"""
