"""Keeps what the controller tells: into the run directory, onto the console.

It reads the payloads of a step's groups from the object store, once, for the rollout table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from seed_grpo.controller import Batch
from seed_grpo.messages import JudgedGroup
from seed_grpo.runtime.console import Console
from seed_grpo.runtime.run_directory import RunDirectory
from seed_grpo.runtime.step_metrics import group_metrics
from seed_grpo.runtime.tables import LedgerRow


class Recorder:
    """See `controller.Recorder`; also sums up for the table at the end."""

    def __init__(self, directory: RunDirectory, console: Console, fetch: Callable[[Any], JudgedGroup]) -> None:
        """Args:
        fetch: reads a payload.
        """
        self._directory = directory
        self._console = console
        self._fetch = fetch
        self.steps = 0
        """of this process, as are the next three"""
        self.samples = 0
        self.tokens = 0.0
        self.seconds = 0.0

    def truncate_after(self, step: int) -> None:
        """The run goes on from this step."""
        self._directory.truncate_after(step)
        self._console.begin_steps()

    def step(self, batch: Batch, metrics: Mapping[str, float], seconds: Mapping[str, float]) -> None:
        """Records an optimiser step.

        Args:
            metrics: of the trainer and of the weight sync.
            seconds: by stage, with `total`.
        """
        summaries = [group.summary for group in batch.groups]
        metrics = {
            **group_metrics(summaries, batch.scale_P, batch.version),
            "dropped_groups": float(len(batch.dropped)),
            **metrics,
        }
        rows = [LedgerRow.trained(batch.step, s, scale) for s, scale in zip(summaries, batch.scale_P, strict=True)]
        rows += [
            LedgerRow(batch.step, group.summary.group_id, group.summary.problem_id, "dropped", reason)
            for group, reason in batch.dropped
        ]
        self._directory.write_ledger(batch.step, rows)
        judged = [self._fetch(group.payload) for group in batch.groups]
        self._directory.write_step(batch.step, metrics, seconds, judged, batch.advantages_PG, batch.scale_P.tolist())
        self._console.step(batch.step, metrics, seconds)
        self.seconds += seconds["total"]
        self.steps += 1
        self.samples += sum(len(summary.verdicts_G) for summary in summaries)
        self.tokens += metrics["completion_tokens"]
