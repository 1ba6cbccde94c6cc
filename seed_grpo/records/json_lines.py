"""Reading of the run directory's `.jsonl` records: one JSON object with an integer `step` per line.

Consumes a file that a killed process may have left with half a line at its end; produces the whole records. It
writes nothing (`seed_grpo.records.run_files` does).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seed_grpo.errors import CheckpointError


def read_lines(path: Path) -> list[tuple[bytes, dict[str, Any]]]:
    """The whole lines of a file, newline included, each with its record; a last line without a newline is left out.

    A file that is not there has no lines.

    Raises:
        CheckpointError: a whole line is not a JSON object with an integer `step`.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [(line + b"\n", _record(path, number, line)) for number, line in enumerate(lines, 1)]


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records alone, in the order of the file. Raises as `read_lines`."""
    return [record for _, record in read_lines(path)]


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:  # also bytes that are not UTF-8
        record = None
    if not isinstance(record, dict) or not isinstance(record.get("step"), int):
        raise CheckpointError(
            f"{path} line {number} is not a JSON object with an integer step: {line[:80]!r}; "
            "the file was changed from outside: restore it, or start in a new run.directory"
        )
    return record
