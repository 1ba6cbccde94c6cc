"""Weights & Biases: a run by its id, online or offline (`settings: {mode: offline}`)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from seed_grpo.records.trackers.tracker import COLUMNS, Row, Start


def start_wandb(start: Start) -> Wandb:
    """Starts a run or goes on with it; `start.settings` go to `wandb.init`. Its files are in the run directory."""
    import wandb

    start.folder.mkdir(parents=True, exist_ok=True)
    own = start.known_id or uuid.uuid4().hex[:8]
    start.keep_id(own)
    fixed = {"project": start.project, "entity": start.entity, "name": start.name, "tags": start.tags}
    run = wandb.init(
        **{**fixed, "dir": str(start.folder), **start.settings}, id=own, resume="allow", config=start.config
    )
    return Wandb(run, wandb.Table)


class Wandb:
    """The run. Its own steps only ascend, and it drops what comes late: the optimiser step is a metric of ours, which
    charts have as their axis."""

    def __init__(self, run: Any, table: Any) -> None:
        self.place = run.url or run.dir
        self._run, self._table = run, table
        run.define_metric("step", hidden=True)
        run.define_metric("*", step_metric="step")

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Logs a row of the run's history."""
        self._run.log({**values, "step": step})

    def completions(self, step: int, rows: Sequence[Row]) -> None:
        """Logs a table of this step alone."""
        table = self._table(columns=list(COLUMNS), data=[list(row) for row in rows])
        self._run.log({"completions": table, "step": step})

    def rewind(self, step: int) -> None:
        """Does nothing: W&B keeps the rows of later steps, and the new ones follow them."""

    def close(self) -> None:
        """Uploads the rest and marks the run as finished."""
        self._run.finish()
