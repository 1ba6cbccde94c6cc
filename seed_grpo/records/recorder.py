"""The recorder: every step and evaluation of a run goes through it, to the run directory, the console, the dashboard
and the caller's own functions.

Consumes the loop's batches and the evaluator's groups; produces the run's files, and calls on a `Screen`, a `Dashboard`
and, once all is on record, on `Callbacks`. It reads the payloads of a step's groups from the object store, once, for
the rollout table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from seed_grpo.loop.batch import Batch, ReadyGroup
from seed_grpo.loop.ledger import NOT_FINITE
from seed_grpo.messages import JudgedGroup
from seed_grpo.records.callbacks import Callbacks
from seed_grpo.records.first_rewards import FirstRewards
from seed_grpo.records.group_metrics import group_metrics
from seed_grpo.records.ledger_table import LedgerRow
from seed_grpo.records.reward_faults import RewardFaults
from seed_grpo.records.rollout_table import Estimate
from seed_grpo.records.run_directory import RunDirectory
from seed_grpo.records.throughput import Throughput
from seed_grpo.records.unjudged import Unjudged


class Screen(Protocol):
    """The console of a run; see `commands.console.Console`."""

    def log(self, message: str) -> None:
        """Shows one line."""
        ...

    def begin_steps(self) -> None:
        """Starts the estimate of the time left anew."""
        ...

    def step(self, step: int, metrics: Mapping[str, float], seconds: Mapping[str, float]) -> None:
        """Shows the line of an optimiser step."""
        ...


class Dashboard(Protocol):
    """The run's metrics on a server; see `runtime.supervision.prometheus.Monitor`."""

    def step(self, batch: Batch, metrics: Mapping[str, float], seconds: Mapping[str, float]) -> None:
        """Publishes an optimiser step."""
        ...

    def evaluation(self, accuracy: float) -> None:
        """Publishes the accuracy on held-out problems."""
        ...


class Recorder:
    """Records steps and evaluations (`loop.interfaces.Recorder`), and sums them up for the table at the end."""

    def __init__(
        self,
        directory: RunDirectory,
        screen: Screen,
        fetch: Callable[[Any], JudgedGroup | None],
        gauges: Callable[[], Mapping[str, float]],
        dashboard: Dashboard,
        first_rewards: FirstRewards,
        throughput: Throughput,
        callbacks: Callbacks,
    ) -> None:
        """Records nothing yet.

        Args:
            fetch: reads a group's payload; None where it is lost.
            gauges: numbers of healthy workers and of groups by where they are.
        """
        self._first_rewards = first_rewards
        self._throughput = throughput
        self._callbacks = callbacks
        self._gauges = gauges
        self._dashboard = dashboard
        self._directory = directory
        self._screen = screen
        self._fetch = fetch
        self._faults = RewardFaults()
        self._unjudged = Unjudged()
        self.steps = 0
        """steps recorded by this process; the next three counts are of this process too"""
        self.samples = 0
        self.tokens = 0.0
        self.seconds = 0.0

    def truncate_after(self, step: int) -> None:
        """Removes the records of later steps, as the run continues from this one."""
        self._directory.truncate_after(step)
        self._screen.begin_steps()

    def step(self, batch: Batch, metrics: Mapping[str, float], seconds: Mapping[str, float]) -> None:
        """Records an optimiser step.

        Args:
            metrics: of the trainer and of the weight sync.
            seconds: by stage, with `total`.
        """
        metrics = {**group_metrics(batch), **metrics}
        self._directory.write_ledger(batch.step, _ledger_rows(batch))
        fetched = [self._fetch(group.payload) for group in batch.sampled]
        judged = [group for group in fetched if group is not None]
        if len(judged) < len(fetched):
            self._screen.log(
                f"step {batch.step}: {len(fetched) - len(judged)} groups were lost with a machine before they "
                "were recorded; the rollout table lacks them"
            )
        gauges = self._gauges()
        self._directory.write_gauges(batch.step, gauges)
        throughput = self._throughput.of_step(metrics, seconds, gauges["rollout_workers"])
        self._directory.write_step(batch.step, metrics, seconds, throughput, judged, _estimates(batch))
        lost = sum(reason == NOT_FINITE for _, reason in batch.dropped)
        if lost:
            self._screen.log(f"step {batch.step}: {lost} groups were not trained: {NOT_FINITE}")
        for fault in self._faults.step(batch.step, batch.sampled):
            self._screen.log(fault)
        warning = self._unjudged.step(batch)
        if warning is not None:
            self._screen.log(warning)
        self._dashboard.step(batch, metrics, seconds)
        self._screen.step(batch.step, metrics, seconds)
        alarm = self._first_rewards.step(judged)
        if alarm is not None:
            self._screen.log(alarm)
        self.seconds += seconds["total"]
        self.steps += 1
        self.samples += int(metrics["sampled_completions"])
        self.tokens += metrics["completion_tokens"]
        self._callbacks.step(batch.step, metrics)

    def unrewarded(self, step: int, round_name: str, groups: Sequence[ReadyGroup]) -> None:
        """Reports a round in which rewards failed, and no group can be trained on; see `interfaces.Recorder`."""
        for fault in self._faults.step(step, groups):
            self._screen.log(fault)
        self._screen.log(
            f"step {step}: rewards failed, or are None, and none of {len(groups)} groups can be trained on; others are "
            f"sampled in their place ({round_name})"
        )

    def evaluations(self) -> dict[int, dict[str, float]]:
        """The metrics of the evaluations so far, by step."""
        return self._directory.evaluations()

    def write_evaluation(
        self, step: int, metrics: Mapping[str, float], seconds: float, groups: Sequence[JudgedGroup]
    ) -> None:
        """Records an evaluation; see `RunDirectory.write_evaluation`."""
        self._directory.write_evaluation(step, metrics, seconds, groups)
        self._dashboard.evaluation(metrics["accuracy"])
        self._callbacks.evaluation(step, metrics)


def _ledger_rows(batch: Batch) -> list[LedgerRow]:
    scaled = zip(batch.groups, batch.scale_P, strict=True)
    rows = [LedgerRow.trained(batch.step, group.summary, scale) for group, scale in scaled]
    rows += [LedgerRow.dropped(batch.step, group.summary, reason) for group, reason in batch.dropped]
    return rows + [LedgerRow.lost(batch.step, *lost) for lost in batch.lost]


def _estimates(batch: Batch) -> dict[int, Estimate]:
    parts = zip(batch.groups, batch.scale_P, batch.overlong_PG, batch.advantages_PG, strict=True)
    return {group.summary.group_id: Estimate(float(scale), added_G, own_G) for group, scale, added_G, own_G in parts}
