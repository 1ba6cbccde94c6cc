"""TensorBoard events of a run: scalars by step, of which a resumed run shows each step once.

Consumes names and values; produces an event file. It needs TensorBoard alone, and no torch.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter


class TensorBoardEvents:
    """One event file, open for writing."""

    def __init__(self, folder: Path, first_step: int) -> None:
        """Opens a file of its own.

        Args:
            folder: of the events, which is made.
            first_step: steps from this one on are hidden in older files of the folder; 0 hides nothing.
        """
        self._writer = EventFileWriter(str(folder))
        if first_step:
            start = SessionLog(status=SessionLog.START)
            self._writer.add_event(Event(wall_time=time.time(), step=first_step, session_log=start))

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Adds the values of a step, by tag."""
        for tag, value in scalars.items():
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
            self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))

    def close(self) -> None:
        """Flushes and closes the file."""
        self._writer.close()
