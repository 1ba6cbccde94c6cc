"""TensorBoard: event files in the run directory, of which a resumed run shows each step once. No torch is needed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seed_grpo.records.trackers.tracker import COLUMNS, Row, Start


def start_tensorboard(start: Start) -> TensorBoard:
    """Opens no file yet; `start.settings` go to the library's `EventFileWriter`."""
    return TensorBoard(Path(start.directory) / "tensorboard", start.settings)


class TensorBoard:
    """The events of a run: an event file for each start and each rewind."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2
        from tensorboard.plugins.text.metadata import create_summary_metadata
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self.place = str(folder)
        self._open = lambda: EventFileWriter(str(folder), **settings)
        self._event, self._summary = event_pb2, summary_pb2
        self._tensor, self._shape, self._types = tensor_pb2, tensor_shape_pb2, types_pb2
        self._text_metadata = create_summary_metadata(display_name="", description="")
        self._writer: EventFileWriter | None = None
        self._first_step = 0

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Adds the values of a step, by tag."""
        value = self._summary.Summary.Value
        self._add(step, [value(tag=tag, simple_value=number) for tag, number in values.items()])

    def completions(self, step: int, rows: Sequence[Row]) -> None:
        """Adds a tensor of strings, which the page of texts shows as a table."""
        cells = [str(cell).encode() for row in (COLUMNS, *rows) for cell in row]
        sizes = [self._shape.TensorShapeProto.Dim(size=size) for size in (len(rows) + 1, len(COLUMNS))]
        tensor = self._tensor.TensorProto(
            dtype=self._types.DT_STRING, string_val=cells, tensor_shape=self._shape.TensorShapeProto(dim=sizes)
        )
        value = self._summary.Summary.Value(tag="completions", metadata=self._text_metadata, tensor=tensor)
        self._add(step, [value])

    def rewind(self, step: int) -> None:
        """Has later steps hidden in the files up to now."""
        self.close()
        self._first_step = step + 1

    def close(self) -> None:
        """Flushes and closes the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _add(self, step: int, values: Sequence[Any]) -> None:
        event = self._event.Event
        if self._writer is None:
            self._writer = self._open()
            if self._first_step:
                log = self._event.SessionLog(status=self._event.SessionLog.START)
                self._writer.add_event(event(wall_time=time.time(), step=self._first_step, session_log=log))
        summary = self._summary.Summary(value=values)
        self._writer.add_event(event(wall_time=time.time(), step=step, summary=summary))
