"""The files of a run: written atomically or line by line, whole after a kill at any instant, and read back.

Consumes bytes, records with an integer `step`, and rows; produces files in directories that one program at a time
writes to. A full disk is one clear error. It does not know what the records mean.
"""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seed_grpo.errors import CheckpointError, ConfigError, SeedGrpoError

if TYPE_CHECKING:
    import pyarrow as pa


@contextmanager
def clear_disk_errors(path: Path) -> Iterator[None]:
    """Turns a full disk or an exhausted quota into one clear error; other faults pass as they are.

    Raises:
        SeedGrpoError: names the file and the free bytes of its file system.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        there = next(parent for parent in path.absolute().parents if parent.exists())
        free = shutil.disk_usage(there).free
        raise SeedGrpoError(
            f"cannot write {path}: {os.strerror(error.errno)}; {free} bytes are free on its file system. Free some and "
            "start again with the same command, or point run.directory at a larger disk"
        ) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file so that a kill leaves either the old content or the new one. Raises as `clear_disk_errors`."""
    temporary = path.with_name(f".{path.name}.tmp")
    with clear_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)


@contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Keeps other programs out of a directory, which is made if it is missing. The claim ends with the process, however
    that ends. On a file system of another machine, a lost machine's claim lasts until that file system gives it up; a
    file system without locks lets everybody in.

    Raises:
        ConfigError: another program is at work there, or nobody can write there.
        SeedGrpoError: the disk is full.
    """
    path = directory / ".lock"
    try:
        with clear_disk_errors(path):
            directory.mkdir(parents=True, exist_ok=True)
            file = open(path, "a+b", buffering=0)  # noqa: SIM115 - closed below
    except OSError as error:
        raise ConfigError(f"cannot write into {directory}: {error.strerror}; choose another directory") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().decode(errors="replace")
            raise ConfigError(
                f"another program is at work in {directory}: {holder}; stop it or wait for it, or choose another "
                f"directory. If that machine is gone, delete {path}"
            ) from error
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
        with clear_disk_errors(path):
            file.truncate(0)
            file.write(f"process {os.getpid()} on {platform.node()}".encode())
            os.fsync(file.fileno())
        yield


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
