"""SwanLab: an experiment by its id, online, or in the run directory (`settings: {mode: offline}` or `local`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seed_grpo.records.trackers.tracker import COLUMNS, Row, Start


def start_swanlab(start: Start) -> SwanLab:
    """Starts an experiment or goes on with it; `start.settings` go to `swanlab.init`."""
    import swanlab

    own, folder = start.known_id, start.folder / "swanlog"
    folder.mkdir(parents=True, exist_ok=True)
    fixed = {"project": start.project, "workspace": start.entity, "experiment_name": start.name, "tags": start.tags}
    run = swanlab.init(
        **{**fixed, "logdir": str(folder), **start.settings}, config=start.config, id=own, resume="allow"
    )
    start.keep_id(run.id)
    return SwanLab(run, swanlab)


class SwanLab:
    """The experiment."""

    def __init__(self, run: Any, library: Any) -> None:
        self.place = run.url if run.mode == "online" else str(run.dir)  # without a server its `url` raises
        self._run, self._library = run, library

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Logs the metrics of a step."""
        self._run.log(dict(values), step=step)

    def completions(self, step: int, rows: Sequence[Row]) -> None:
        """Logs a table of this step."""
        table = self._library.echarts.Table()
        table.add(list(COLUMNS), [list(row) for row in rows])
        self._run.log({"completions": table}, step=step)

    def rewind(self, step: int) -> None:
        """Does nothing: SwanLab keeps the values of later steps that it has."""

    def close(self) -> None:
        """Sends the rest and ends the experiment."""
        self._run.finish()
