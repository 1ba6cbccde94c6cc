"""Files that are whole after a kill at any instant, one clear error where a disk is full, and directories that one
program at a time writes to.

Consumes bytes; it does not know what they mean.
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seed_grpo.errors import ConfigError, SeedGrpoError


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
    """Keeps other programs out of a directory, which is made where it is not there. The claim ends with the process,
    however that ends; on a file system of another machine, where this one is lost, when that machine gives it up. A
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
