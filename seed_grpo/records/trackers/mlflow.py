"""MLflow: a run of an experiment, at the tracking server or store of MLFLOW_TRACKING_URI."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from seed_grpo.records.trackers.tracker import COLUMNS, Row, Start

PARAMETERS_AT_ONCE = 100
"""parameters that MLflow's server takes in one request"""
PARAMETER_CHARS = 500
"""characters of a parameter's value, which every version and store of MLflow takes"""


def start_mlflow(start: Start) -> Mlflow:
    """Starts a run or goes on with it; `start.settings` go to `mlflow.MlflowClient`, such as `tracking_uri`."""
    import mlflow

    client = mlflow.MlflowClient(**start.settings)
    experiment = client.get_experiment_by_name(start.project)
    own = start.known_id
    if own is None:
        place = client.create_experiment(start.project) if experiment is None else experiment.experiment_id
        own = client.create_run(place, run_name=start.name, tags=dict.fromkeys(start.tags, "true")).info.run_id
        start.keep_id(own)
    else:
        client.set_terminated(own, "RUNNING")
    _log_parameters(client, own, start.config)
    return Mlflow(client, own)


def _log_parameters(client: Any, own: str, config: Mapping[str, Any]) -> None:
    """Logs the settings that are not known there yet; MLflow lets none be changed."""
    from mlflow.entities import Param

    known = client.get_run(own).data.params
    new = {re.sub(r"[^\w./ -]", "_", name): str(value)[:PARAMETER_CHARS] for name, value in config.items()}
    parameters = [Param(name, value) for name, value in new.items() if name not in known]
    for first in range(0, len(parameters), PARAMETERS_AT_ONCE):
        client.log_batch(own, params=parameters[first : first + PARAMETERS_AT_ONCE])


class Mlflow:
    """The run, by calls that name it: nothing of MLflow's state in this process is used."""

    def __init__(self, client: Any, own: str) -> None:
        from mlflow.entities import Metric

        info = client.get_run(own).info
        self.place = f"experiment {info.experiment_id}, run {own}, {info.artifact_uri}"
        self._client, self._own, self._metric = client, own, Metric

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Logs the metrics of a step."""
        now = int(1000 * time.time())
        metrics = [self._metric(name, value, now, step) for name, value in values.items()]
        self._client.log_batch(self._own, metrics=metrics)

    def completions(self, step: int, rows: Sequence[Row]) -> None:
        """Logs a table of this step alone: adding to one would read and write all of it again."""
        columns = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
        self._client.log_table(self._own, columns, f"completions/step_{step:06d}.json")

    def rewind(self, step: int) -> None:
        """Does nothing: MLflow keeps the values of later steps beside the new ones, each with its time."""

    def close(self) -> None:
        """Marks the run as finished."""
        self._client.set_terminated(self._own, "FINISHED")
