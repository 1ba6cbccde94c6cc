"""The table of trackers, by the names of their packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from seed_grpo.records.trackers.mlflow import start_mlflow
from seed_grpo.records.trackers.swanlab import start_swanlab
from seed_grpo.records.trackers.tensorboard import start_tensorboard
from seed_grpo.records.trackers.tracker import Start, Tracker
from seed_grpo.records.trackers.trackio import start_trackio
from seed_grpo.records.trackers.wandb import start_wandb

TRACKERS: Mapping[str, Callable[[Start], Tracker]] = {
    "tensorboard": start_tensorboard,
    "wandb": start_wandb,
    "mlflow": start_mlflow,
    "trackio": start_trackio,
    "swanlab": start_swanlab,
}
"""package name -> function that starts a run there, or goes on with it"""
