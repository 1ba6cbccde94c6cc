"""The interface of a tracker, and what one is started with.

Each tracker is a module of this folder with a function that makes one of a `Start`, and a line in `table.TRACKERS`. It
imports its library inside that function, which runs in a process of its own (`process_main`): the library may be
missing, raise, print, hang or take over signals there, and the run does not notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from seed_grpo.records.files import write_atomically

COLUMNS = ("prompt", "completion", "reward", "meaning class", "verdict")
"""columns of a table of completions"""

Row = Sequence[Any]
"""one line of a table of completions: texts of bounded length, and numbers"""


class Tracker(Protocol):
    """A run at a tracker. A method may raise whatever its library raises."""

    place: str
    """address or folder where people find the run"""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Sends numbers of a step, by names with slashes. Steps do not descend, but for `rewind`; one may come several
        times, each time with other names."""
        ...

    def completions(self, step: int, rows: Sequence[Row]) -> None:
        """Sends the table of a step's sampled completions, with `COLUMNS`."""
        ...

    def rewind(self, step: int) -> None:
        """Notes that the run goes on from a step: later ones come anew, the first of them next."""
        ...

    def close(self) -> None:
        """Sends what is left, and marks the run as ended."""
        ...


@dataclass(frozen=True)
class Start:
    """Facts that a tracker is started with, e.g. `Start("wandb", "maths", "team", "run-1", ["try"], {}, "runs/1", {})`.
    All of them go through JSON."""

    use: str
    """name in `table.TRACKERS`"""
    project: str
    entity: str | None
    name: str
    tags: list[str]
    settings: dict[str, Any]
    """further keyword arguments of the library's own start"""
    directory: str
    """absolute path of the run directory"""
    config: dict[str, Any]
    """the run's settings by dotted name, without secrets"""

    @property
    def folder(self) -> Path:
        """Folder of the run directory for what trackers leave there."""
        return Path(self.directory) / "trackers"

    @property
    def known_id(self) -> str | None:
        """The library's id of the run, from an earlier start."""
        file = self._id_file
        return file.read_text(encoding="utf-8") if file.exists() else None

    def keep_id(self, own: str) -> None:
        """Keeps the library's id of the run for the next start."""
        write_atomically(self._id_file, own.encode())

    @property
    def _id_file(self) -> Path:
        return self.folder / f"{self.use}.id"
