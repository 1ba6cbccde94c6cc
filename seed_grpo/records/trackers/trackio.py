"""trackio: a run of a project in its local store, or in a Hugging Face Space (`settings: {space_id: ...}`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seed_grpo.records.trackers.tracker import COLUMNS, Row, Start


def start_trackio(start: Start) -> Trackio:
    """Starts a run or goes on with that of the same project and name; `start.settings` go to `trackio.init`."""
    import trackio

    name = start.known_id or start.name
    start.keep_id(name)
    run = trackio.init(**{"project": start.project, **start.settings}, name=name, resume="allow", config=start.config)
    return Trackio(run, trackio.Table)


class Trackio:
    """The run."""

    def __init__(self, run: Any, table: Any) -> None:
        self.place = f"project {run.project}, run {run.name}; trackio show --project {run.project}"
        self._run, self._table = run, table

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Logs the metrics of a step."""
        self._run.log(dict(values), step=step)

    def completions(self, step: int, rows: Sequence[Row]) -> None:
        """Logs a table of this step."""
        table = self._table(columns=list(COLUMNS), data=[list(row) for row in rows])
        self._run.log({"completions": table}, step=step)

    def rewind(self, step: int) -> None:
        """Does nothing: trackio keeps the values of later steps beside the new ones."""

    def close(self) -> None:
        """Sends the rest and ends the run."""
        self._run.finish()
