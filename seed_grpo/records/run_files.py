"""The ways in which the run directory's files are written: atomically, line by line, and never half unnoticed.

Consumes bytes, records and columns; produces files that are whole after a kill at any instant. It does not know what
the records mean.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seed_grpo.records.files import clear_disk_errors, write_atomically
from seed_grpo.records.json_lines import read_lines

if TYPE_CHECKING:
    import pyarrow as pa


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> None:
    """Writes rows as a Parquet file, atomically. Text that is not Unicode (lone surrogates) gets question marks."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [pa.array([_storable(row[name]) for row in rows], schema.field(name).type) for name in schema.names]
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.table(columns, schema=schema), buffer, compression="zstd")
    write_atomically(path, buffer.getvalue().to_pybytes())


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, tuple):
        return [_storable(item) for item in value]
    return value


class JsonLines:
    """A file of records with ascending steps, to which lines are added and whose end can be cut off again.

    Opening it cuts off the half line that a kill may have left. Several records may have the same step.
    """

    def __init__(self, path: Path) -> None:
        """Raises CheckpointError if the file holds anything but whole records and half a line at its end."""
        self.path = path
        if path.exists():
            content = b"".join(line for line, _ in read_lines(path))
            if len(content) != path.stat().st_size:
                write_atomically(path, content)

    def append(self, step: int, values: Mapping[str, float]) -> None:
        """Adds one line: the step, then the values by name; a value that is not finite is written as null."""
        record = {"step": step, **{name: _finite(values[name]) for name in sorted(values)}}
        line = json.dumps(record, allow_nan=False) + "\n"
        with clear_disk_errors(self.path), open(self.path, "a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def truncate_after(self, step: int) -> None:
        """Cuts off every line of a later step, atomically; the lines that stay keep their bytes."""
        lines = read_lines(self.path)
        kept = [line for line, record in lines if record["step"] <= step]
        if len(kept) != len(lines):
            write_atomically(self.path, b"".join(kept))


def _finite(value: float) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
