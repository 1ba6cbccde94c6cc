"""The run directory: everything that a run leaves behind, except its checkpoints.

    config.yaml            the resolved configuration
    environment.json       versions, machine, commit
    metrics.jsonl          a line per step, deterministic quantities only: equal to the byte for equal seeds
    timings.jsonl          a line per step (and per evaluation), wall-clock seconds by stage
    throughput.jsonl       a line per step: tokens a second and device, and model FLOPs utilisation
    gauges.jsonl           a line per step: healthy workers, and groups by where they are, as the step is recorded
    events.jsonl           a line for each worker that failed, recovered, hung, was added or drained
    workers.json           the present states of all workers
    hangs/                 what all workers were doing when one was past its deadline
    evaluations.jsonl      a line per evaluation, deterministic
    rollouts/              step_000012.parquet, a row per completion, of dropped groups too
    evaluations/           step_000000.parquet, the same of the evaluations
    code/                  the user's own code (run.code), as the run began with it
    ledger/                step_000012.parquet, a row per prompt group that was trained or dropped
    tensorboard/           the same numbers as TensorBoard events, unless run.trackers leaves that out
    trackers/              what other trackers keep here, and the logs of their processes

Consumes plain values and judged groups; produces these files. A resumed run calls `truncate_after` with the
checkpoint's step first: what was written later is cut off, so that the files end as if nothing had happened. It
neither computes metrics nor writes checkpoints.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from seed_grpo.config import Config
from seed_grpo.config.loading import dump_config
from seed_grpo.errors import ConfigError
from seed_grpo.extensions import LEFT_OUT, digests, installed
from seed_grpo.messages import JudgedGroup
from seed_grpo.records.environment import describe_environment
from seed_grpo.records.files import JsonLines, clear_disk_errors, read_records, write_atomically, write_table
from seed_grpo.records.ledger_table import LedgerRow, ledger_schema
from seed_grpo.records.rollout_table import Estimate, rollout_rows, schema
from seed_grpo.records.trackers.completions import choose
from seed_grpo.records.trackers.process import Trackers

CODE = "code"
"""folder of the user's own code in a run directory"""

# What may change when a run goes on: how long and how often, where it runs, on how many rollout and verifier workers,
# and how long things are waited for. None of these enters the mathematics of a step. (On GPU the number of rollout
# workers enters its rounding, since an engine's batches are then others; a limit of time may change a verdict.) The
# number of trainer ranks or of compute threads would change the rounding everywhere, and is therefore not among them.
# A section that is named stands for all its settings.
MAY_CHANGE = (
    "run.directory",
    "run.code",  # where it lies; what it says is compared by content
    "run.steps",  # unless the schedule is linear: it ends at run.steps, so past steps had other learning rates
    "run.checkpoint_every",
    "run.keep_checkpoints",
    "run.trackers",
    "data.directory",
    "data.sources.directory",
    "evaluation.data.directory",
    "evaluation.data.sources.directory",
    "rollout.num_workers",
    "rollout.autoscale",
    "supervision.heartbeat_every",
    "supervision.heartbeat_timeout",
    "supervision.max_restarts",
    "supervision.restart_window",
    "rollout.cpus_per_worker",
    "rollout.request_timeout",
    "rollout.start_timeout",
    "verifier.num_workers",
    "verifier.cpus_per_worker",
    "verifier.judge_timeout",
    "verifier.group_timeout",
    *(
        f"{section}.rewards.{limit}"
        for section in ("verifier", "data.sources")
        for limit in ("timeout", "memory_mib", "token_variable", "retries", "concurrency")
    ),
    "trainer.cpus_per_worker",
    "trainer.start_timeout",
    "trainer.step_timeout",
    "weight_sync.timeout",
    "cluster.address",
    "cluster.node_groups",
    "cluster.autoscaled",
    "cluster.dashboard",
    "cluster.object_store_mib",
    "cluster.peak_flops",
)


class RunDirectory:
    """Writes a run's records. Steps count from 1; step 0 is the state before training."""

    def __init__(self, path: str | Path, config: Config, log: Callable[[str], None] = print) -> None:
        """Creates the directory, or opens that of an earlier start of the same run; starts its trackers.

        Args:
            log: takes what the trackers have to say.

        Raises:
            ConfigError: the directory belongs to a run with other settings.
            CheckpointError: one of its records was damaged from outside.
            SeedGrpoError: the disk is full.
        """
        self.path = Path(path)
        with clear_disk_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        check_same_run(self.path, config)
        records = (self.path / name for name in ("metrics.jsonl", "evaluations.jsonl"))
        keep_code(self.path / CODE, any(file.is_file() and file.stat().st_size for file in records))
        write_atomically(self.path / "config.yaml", dump_config(config).encode())
        environment = json.dumps(describe_environment(), indent=2) + "\n"
        write_atomically(self.path / "environment.json", environment.encode())
        self._metrics = JsonLines(self.path / "metrics.jsonl")
        self._timings = JsonLines(self.path / "timings.jsonl")
        self._gauges = JsonLines(self.path / "gauges.jsonl")
        self._evaluations = JsonLines(self.path / "evaluations.jsonl")
        self._throughput = JsonLines(self.path / "throughput.jsonl")
        settings = settings_by_name(config.model_dump(mode="json"))
        self._trackers = Trackers(config.run.trackers, self.path, settings, log)

    def truncate_after(self, step: int) -> None:
        """Removes the records of later steps; a run that resumes the checkpoint of `step` calls it first."""
        for records in (self._metrics, self._timings, self._throughput, self._gauges, self._evaluations):
            records.truncate_after(step)
        for folder in ("rollouts", "evaluations", "ledger"):
            for file in (self.path / folder).glob("step_*.parquet"):
                if int(file.stem.removeprefix("step_")) > step:
                    file.unlink()
        self._trackers.rewind(step)

    def write_step(
        self,
        step: int,
        metrics: Mapping[str, float],
        seconds: Mapping[str, float],
        throughput: Mapping[str, float],
        groups: Sequence[JudgedGroup],
        estimates: Mapping[int, Estimate],
    ) -> None:
        """Records one optimiser step; its metrics line is written last, and so vouches for the rest.

        Args:
            step: from 1.
            metrics: deterministic quantities by name.
            seconds: wall-clock by stage. `total` is the whole step; names with a slash (`train/forward`) are parts of
                a stage; all others are stages that do not overlap. Recording the step before is part of the first that
                waits.
            throughput: `Throughput.of_step`, which wall-clock enters.
            groups: all that were sampled for it, trained or dropped.
            estimates: by group id, of those that were trained.
        """
        rows = list(rollout_rows(step, groups, estimates))
        write_table(self._table("rollouts", step), rows, schema())
        self._timings.append(step, seconds)
        self._throughput.append(step, throughput)
        self._metrics.append(step, metrics)
        self._send(step, train=metrics, seconds=seconds, throughput=throughput)
        self._trackers.completions(step, partial(choose, step, rows))

    def write_gauges(self, step: int, values: Mapping[str, float]) -> None:
        """Records the state of the pools when a step is recorded, which is during the next step."""
        self._gauges.append(step, values)
        self._send(step, gauges=values)

    def write_ledger(self, step: int, rows: Sequence[LedgerRow]) -> None:
        """Records the fate of a step's groups: every group issued is in exactly one row of the run."""
        write_table(self._table("ledger", step), [asdict(row) for row in rows], ledger_schema())

    def write_evaluation(
        self, step: int, metrics: Mapping[str, float], seconds: float, groups: Sequence[JudgedGroup]
    ) -> None:
        """Records an evaluation of the policy after `step`, replacing an earlier one of the same step.

        Args:
            step: from 0.
            metrics: `EvaluationResult.as_metrics()`.
            seconds: wall-clock; goes to the timings as the stage `evaluation`.
            groups: all that was sampled for it, greedy and sampled.
        """
        write_table(self._table("evaluations", step), list(rollout_rows(step, groups, {})), schema())
        self._timings.append(step, {"evaluation": seconds})
        self._evaluations.truncate_after(step - 1)
        self._evaluations.append(step, metrics)
        self._send(step, evaluation=metrics)

    def evaluations(self) -> dict[int, dict[str, float]]:
        """The metrics of the evaluations so far, by step; `EvaluationResult.from_metrics` reads them."""
        records = read_records(self._evaluations.path)
        return {record.pop("step"): record for record in records}

    def close(self) -> None:
        """Has the trackers send what they have, for a bounded time; the files need no closing."""
        self._trackers.close()

    def _table(self, folder: str, step: int) -> Path:
        return self.path / folder / f"step_{step:06d}.parquet"

    def _send(self, step: int, **sections: Mapping[str, float]) -> None:
        """Sends numbers to the trackers, as `section/name`."""
        named = {f"{section}/{name}": value for section, values in sections.items() for name, value in values.items()}
        self._trackers.scalars(step, {name: float(value) for name, value in named.items()})


def check_same_run(path: Path, config: Config, may_change: Collection[str] = MAY_CHANGE) -> None:
    """Checks that a run directory, if it has been used, belongs to a run with these settings.

    Raises:
        ConfigError: names every setting that differs, with both values; those of `may_change` may.
    """
    file = path / "config.yaml"
    if not file.exists():
        return
    old = settings_by_name(yaml.safe_load(file.read_text(encoding="utf-8")))
    new = settings_by_name(config.model_dump(mode="json"))
    may_change = set(may_change) - ({"run.steps"} if config.trainer.schedule == "linear" else set())
    fixed = {name for name in {*old, *new} if not _is_among(name, may_change)}
    absent = "absent"
    differing = [
        f"{key} was {old.get(key, absent)!r} and is {new.get(key, absent)!r}"
        for key in sorted(fixed)
        if old.get(key, absent) != new.get(key, absent) and not _is_moved_server(key, old, new)
    ]
    if differing:
        raise ConfigError(
            f"{path} belongs to a run with other settings: {'; '.join(differing)}. Set them back to go on with that "
            "run, or choose another run.directory"
        )


def _is_moved_server(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Tells the address of a reward server, which a new job may have started elsewhere, from other settings."""
    uses = [str(tree.get(key)) for tree in (old, new)]
    return re.search(r"\brewards\.\d+\.use$", key) is not None and all("://" in use for use in uses)


def _is_among(name: str, settings: Collection[str]) -> bool:
    """Tells whether a setting is one of these, or in a section that is."""
    plain = re.sub(r"\.\d+", "", name)  # without places in lists
    return any(f"{plain}.".startswith(f"{each}.") for each in settings)


def keep_code(folder: Path, is_begun: bool) -> None:
    """Writes the user's own code, as it is installed, into a run directory or that of an experiment.

    Args:
        is_begun: whether something is on record there; then the code is to be the same as it was.

    Raises:
        ConfigError: names the files that differ.
    """
    before, present = digests(sorted(folder.glob("*"))), digests(installed())
    if not is_begun:
        with clear_disk_errors(folder):
            shutil.rmtree(folder, ignore_errors=True)
            if present:
                shutil.copytree(installed()[0].parent, folder, ignore=LEFT_OUT)
        return
    changed = sorted(name for name in {*before, *present} if before.get(name) != present.get(name))
    if changed:
        raise ConfigError(
            f"run.code is not the code that {folder.parent} began with: {', '.join(changed)} differ from those in "
            f"{folder}; put them back to go on there, or choose another directory"
        )


def kept_code(run: Path) -> list[Path]:
    """The user's own code that a run directory keeps, as entries of `run.code`; none where the run has none."""
    return sorted(path.resolve() for path in (run / CODE).glob("*") if path.name != "__pycache__")


def settings_by_name(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Values of a tree of settings by dotted name, such as `algo.scale.alpha`; sections in a list by their place, as in
    `verifier.rewards.0.use`."""
    if isinstance(tree, list) and tree and all(isinstance(each, dict) for each in tree):
        tree = dict(enumerate(tree))
    if not isinstance(tree, dict):
        return {prefix.removesuffix("."): tree}
    parts = (settings_by_name(child, f"{prefix}{name}.") for name, child in tree.items())
    return {key: value for part in parts for key, value in part.items()}
