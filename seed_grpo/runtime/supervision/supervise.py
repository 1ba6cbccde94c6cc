"""Supervision of one run: what its pools, its trainer and its weight publisher share.

Consumes the configuration; produces the shared watchers. `runtime.assembly` registers with them what is watched.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seed_grpo.config import Config
from seed_grpo.config.sections import SupervisionConfig
from seed_grpo.runtime.cluster.calls import Log
from seed_grpo.runtime.supervision.events import Events
from seed_grpo.runtime.supervision.hang_report import HangReport
from seed_grpo.runtime.supervision.heartbeats import RestartBudget
from seed_grpo.runtime.supervision.prometheus import Monitor


@dataclass(frozen=True)
class Supervision:
    """Watchers that all pools of a run share."""

    config: SupervisionConfig
    budget: RestartBudget
    events: Events
    hang_report: HangReport
    monitor: Monitor

    def write_down_hang(self, culprit: str, cause: Exception) -> None:
        """Writes a hang report and records it, before anything is done about the worker that hangs."""
        path = self.hang_report.dump(culprit, str(cause))
        self.events.record("hang", culprit, f"{cause}; stacks are in {path}")


def supervise(config: Config, directory: Path, log: Log) -> Supervision:
    """Builds this driver's supervision: restart budget, events, hang reports, metrics.

    Args:
        directory: where it leaves its records, by which its metrics are told from those of others.
    """
    monitor = Monitor(str(directory.resolve()))
    budget, events = RestartBudget(config.supervision), Events(directory, log, monitor)
    return Supervision(config.supervision, budget, events, HangReport(directory), monitor)
