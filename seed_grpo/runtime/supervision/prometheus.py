"""A run's metrics for Prometheus, through Ray: what Grafana shows and alerts watch while the run is at work.

Consumes what the driver knows (steps, groups on their way, workers' states, events); produces Ray metrics, which the
Ray agent of the driver's machine offers for scraping as `ray_seed_grpo_<name>`, counters with `_total` behind. It keeps
no history: that is Prometheus', and the run directory's. Every metric has the label `run`, the path of the run
directory; names, units and further labels stand in `METRICS`.
"""

from __future__ import annotations

import time
import urllib.parse
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from seed_grpo.config import Config
from seed_grpo.loop.batch import Batch
from seed_grpo.messages import Verdict
from seed_grpo.runtime.cluster.placement import Plan

PREFIX = "seed_grpo_"
POLL_SECONDS = 2.0
"""seconds between two polls of the gauges"""
PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
VERIFY_BOUNDARIES = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0]
"""bounds of the histogram's buckets in seconds"""


class Metric(NamedTuple):
    """One line of the table."""

    kind: Literal["gauge", "counter", "histogram"]
    help: str
    """unit and meaning"""
    labels: tuple[str, ...] = ()


METRICS = {
    # learning
    "step": Metric("gauge", "optimiser steps that the run has made"),
    "planned_steps": Metric("gauge", "optimiser steps that the run is to make (run.steps)"),
    "last_step_timestamp_seconds": Metric("gauge", "Unix time of the latest step's end; before, of the start"),
    "steps": Metric("counter", "optimiser steps that this process has made"),
    "reward": Metric("gauge", "mean reward of the step's valid completions"),
    "accuracy": Metric("gauge", "share of held-out problems that the latest evaluation found right, greedy"),
    "loss": Metric("gauge", "mean over the updates of the step"),
    "grad_norm": Metric("gauge", "norm of the gradient before clipping, mean over the updates of the step"),
    "skipped_updates": Metric("gauge", "updates of the step that were skipped: their loss or gradient was not finite"),
    "verdict_share": Metric("gauge", "share of the step's completions with a verdict", ("verdict",)),
    "unjudged_groups_share": Metric("gauge", "share of the step's groups of which at least half have no verdict"),
    # uncertainty
    "semantic_entropy_nats": Metric("gauge", "semantic entropy, mean over the step's groups"),
    "semantic_entropy_zero_share": Metric("gauge", "share of the step's groups in which all answers mean the same"),
    "scale": Metric("gauge", "factor on the advantages of the step's groups", ("statistic",)),
    "no_gradient_share": Metric("gauge", "share of the step's trained groups whose advantages are all 0"),
    "classes": Metric("gauge", "meaning classes of a group, mean over the step's groups"),
    # pipeline
    "groups": Metric("gauge", "groups by where they are", ("where",)),
    "queue_bytes": Metric("gauge", "bytes of the groups that are ready for the trainer, in the object store"),
    "closed_groups": Metric("counter", "groups whose way is over: trained, dropped or lost", ("end",)),
    "staleness_versions": Metric("gauge", "weight versions that the step's groups were behind", ("statistic",)),
    "completions": Metric("counter", "completions sampled"),
    "completion_tokens": Metric("counter", "tokens of sampled completions"),
    "trained_tokens": Metric("counter", "completion tokens that went through the optimiser, in all its updates"),
    "stage_seconds": Metric("counter", "wall-clock seconds by stage; of `a/b`, part of stage a", ("stage",)),
    "verify_seconds": Metric("histogram", "seconds that judging and partitioning took a group"),
    # weight sync
    "canary_difference_nats": Metric("gauge", "largest difference of a log-probability between trainer and engines"),
    "canary_tolerance_nats": Metric("gauge", "difference at which an engine counts as faulty (weight_sync.tolerance)"),
    "logprob_gap_nats": Metric("gauge", "mean |difference| of sampled tokens' log-probabilities, engine to trainer"),
    # workers
    "workers": Metric("gauge", "workers by pool and state", ("pool", "state")),
    "busy_workers": Metric("gauge", "workers that have groups", ("pool",)),
    "devices": Metric("gauge", "GPUs of the workers that a pool has; without a GPU, CPU cores", ("pool",)),
    "recent_restarts": Metric("gauge", "workers replaced within supervision.restart_window"),
    "max_restarts": Metric("gauge", "of these, so many are allowed (supervision.max_restarts)"),
    "worker_events": Metric("counter", "what happened to workers: failed, recovered, added, ...", ("event",)),
}
"""name -> kind, unit and meaning, further labels"""

# metrics of `metrics.jsonl` -> those of the table
OF_STEP = {
    "reward": ("reward",),
    "loss": ("loss",),
    "grad_norm": ("grad_norm",),
    "skipped_updates": ("skipped_updates",),
    **{f"verdict_{verdict}_share": ("verdict_share", str(verdict)) for verdict in Verdict},
    "unjudged_groups_share": ("unjudged_groups_share",),
    "semantic_entropy": ("semantic_entropy_nats",),
    "semantic_entropy_zero_share": ("semantic_entropy_zero_share",),
    "scale_mean": ("scale", "mean"),
    "scale_min": ("scale", "min"),
    "scale_max": ("scale", "max"),
    "no_gradient_share": ("no_gradient_share",),
    "classes": ("classes",),
    "staleness_mean": ("staleness_versions", "mean"),
    "staleness_max": ("staleness_versions", "max"),
    "canary_logprob_difference": ("canary_difference_nats",),
    "logprob_gap_mean": ("logprob_gap_nats",),
}

Sample = tuple[str, float, tuple[str, ...]]
"""name, value, further labels' values"""


class Monitor:
    """Metrics of one run of the program."""

    def __init__(self, run: str) -> None:
        """Makes the metrics known to Ray; publishes nothing yet.

        Args:
            run: what the label `run` tells, in any characters.
        """
        self._run = label_of(run)
        self._metrics = {name: _made(name, metric) for name, metric in METRICS.items()}
        self._polled = -POLL_SECONDS
        self._devices: dict[str, float] = {}
        """GPUs of one worker by pool; without a GPU, CPU cores"""
        self._gauges: dict[tuple[str, tuple[str, ...]], float] = {}
        self.sources: list[Callable[[], Iterable[Sample]]] = []
        """functions that return the gauges of the present"""

    def begin(self, config: Config, plan: Plan) -> None:
        """Publishes what is known before the first step."""
        self._set("planned_steps", config.run.steps)
        self._set("last_step_timestamp_seconds", time.time())
        self._set("canary_tolerance_nats", config.canary_tolerance)
        self._devices = {pool.kind: pool.gpus or pool.cpus for pool in plan.pools}
        self._set("max_restarts", config.supervision.max_restarts)

    def poll(self) -> None:
        """Publishes the gauges of the present every `POLL_SECONDS`; to be called many times a second. Ray forgets a
        gauge that is not set again within seconds, and the alerts on it fail."""
        if time.monotonic() - self._polled < POLL_SECONDS:
            return
        self._polled = time.monotonic()
        for source in self.sources:
            for name, value, labels in source():
                self._set(name, value, *labels)
        for (name, labels), value in self._gauges.items():
            self._tell(name, value, labels)

    def step(self, batch: Batch, metrics: Mapping[str, float], seconds: Mapping[str, float]) -> None:
        """Publishes an optimiser step.

        Args:
            metrics: of the groups, the trainer and the weight sync.
            seconds: by stage, with `total`.
        """
        self._set("step", batch.step)
        self._set("last_step_timestamp_seconds", time.time())
        for name, (metric, *labels) in OF_STEP.items():
            if name in metrics:
                self._set(metric, metrics[name], *labels)
        self._add("steps", 1)
        self._add("completions", metrics["sampled_completions"])
        self._add("completion_tokens", metrics["completion_tokens"])
        self._add("trained_tokens", metrics["tokens"])
        for end, count in (("trained", batch.groups), ("dropped", batch.dropped), ("lost", batch.lost)):
            self._add("closed_groups", len(count), end)
        for stage, spent in seconds.items():
            self._add("stage_seconds", spent, stage)
        for group in batch.sampled:
            self._metrics["verify_seconds"].observe(group.summary.verify_seconds, self._labels("verify_seconds"))

    def evaluation(self, accuracy: float) -> None:
        """Publishes the accuracy on held-out problems."""
        self._set("accuracy", accuracy)

    def event(self, event: str) -> None:
        """Counts an event of a worker; see `supervision.events.Events`."""
        self._add("worker_events", 1, event)

    def states(self, pool: str, states: Iterable[str], possible: Iterable[str]) -> None:
        """Publishes how many workers of a pool are in each possible state."""
        count = Tally(states)
        for state in possible:
            self._set("workers", count[state], pool, state)
        if pool in self._devices:
            self._set("devices", count.total() * self._devices[pool], pool)

    def _set(self, name: str, value: float, *labels: str) -> None:
        self._gauges[name, labels] = value
        self._tell(name, value, labels)

    def _tell(self, name: str, value: float, labels: tuple[str, ...]) -> None:
        self._metrics[name].set(value, self._labels(name, *labels))

    def _add(self, name: str, value: float, *labels: str) -> None:
        if value > 0:  # Ray takes no other
            self._metrics[name].inc(value, self._labels(name, *labels))

    def _labels(self, name: str, *labels: str) -> dict[str, str]:
        return {"run": self._run, **dict(zip(METRICS[name].labels, labels, strict=True))}


def label_of(text: str) -> str:
    """A text as the value of a label. Ray's labels hold ASCII alone, and control characters have no place in one: these
    and other letters are written as in an address (`ü` is `%C3%BC`)."""
    return urllib.parse.quote(text, safe=PRINTABLE, errors="surrogateescape")


def _made(name: str, metric: Metric) -> Any:
    from ray.util import metrics as ray_metrics  # loads Ray, which whoever only reads the table need not

    options: dict[str, Any] = {"description": metric.help, "tag_keys": ("run", *metric.labels)}
    match metric.kind:
        case "gauge":
            return ray_metrics.Gauge(PREFIX + name, **options)
        case "counter":
            return ray_metrics.Counter(PREFIX + name, **options)
        case "histogram":
            return ray_metrics.Histogram(PREFIX + name, boundaries=VERIFY_BOUNDARIES, **options)
