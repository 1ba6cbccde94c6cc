"""Checkpoint folders of a run: each whole or not there at all, the last few kept.

Consumes what the caller writes into a folder; produces `<directory>/step_<number>` with a manifest of file sizes. It
knows nothing of what is inside.

A checkpoint is written under a hidden temporary name, flushed to the disk file by file, and renamed. Older ones are
removed only after that. So a kill or a full disk at any moment leaves the checkpoints that were there before.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seed_grpo.errors import CheckpointError

MANIFEST = "manifest.json"
_NAME = re.compile(r"step_(\d{8,})")

logger = logging.getLogger(__name__)


@contextmanager
def writing(directory: Path, step: int, keep: int) -> Iterator[Path]:
    """Yields an empty folder to write into, and makes it the checkpoint of `step` when the block ends without error.

    Args:
        directory: folder of all checkpoints; made if absent.
        step: number of finished optimiser steps; a checkpoint of the same step is replaced.
        keep: number of newest checkpoints that stay, this one included.

    Raises:
        CheckpointError: the disk is full or cannot be written; the checkpoints that were there are as before.
    """
    final = directory / f"step_{step:08d}"
    temporary = directory / f".{final.name}.partial"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        _seal(temporary)
        _replace(temporary, final)
    except (OSError, CheckpointError) as error:
        raise CheckpointError(
            f"cannot write the checkpoint of step {step} in {directory}: {error}; older checkpoints are untouched. "
            f"Free space, lower run.keep_checkpoints (now {keep}), or choose another run.directory"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    for old in _by_step(directory)[keep:]:
        shutil.rmtree(old)


def latest(directory: Path) -> Path | None:
    """The newest whole checkpoint, or None; one whose files differ from its manifest is skipped with a warning."""
    for folder in _by_step(directory):
        fault = _fault(folder)
        if not fault:
            return folder
        logger.warning("checkpoint %s is skipped: %s", folder, fault)
    return None


def step_of(folder: Path) -> int:
    """Number of finished optimiser steps of a checkpoint."""
    match = _NAME.fullmatch(folder.name)
    if match is None:
        raise CheckpointError(f"{folder} is not a checkpoint; its name must be step_<number>")
    return int(match[1])


def _by_step(directory: Path) -> list[Path]:
    """Checkpoints, newest first, whole or not."""
    if not directory.is_dir():
        return []
    return sorted((path for path in directory.iterdir() if _NAME.fullmatch(path.name)), key=step_of, reverse=True)


def _seal(folder: Path) -> None:
    """Writes the manifest and flushes everything to the disk."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sizes = {str(path.relative_to(folder)): path.stat().st_size for path in files}
    (folder / MANIFEST).write_text(json.dumps(sizes, indent=1))
    for path in [*files, folder / MANIFEST, *(p for p in folder.rglob("*") if p.is_dir()), folder]:
        _flush(path)


def _replace(temporary: Path, final: Path) -> None:
    """Renames a folder; an old checkpoint of the same step is moved aside first and removed after."""
    aside = final.with_name(f".{final.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    if final.exists():
        final.rename(aside)
    temporary.rename(final)
    _flush(final.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fault(folder: Path) -> str:
    """The fault of a checkpoint, in words; empty if there is none."""
    try:
        sizes = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        return f"no readable {MANIFEST} ({error})"
    for name, size in sizes.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != size:
            return f"{name} has {path.stat().st_size} bytes, not {size}"
    return ""
