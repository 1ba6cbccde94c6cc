"""`seed-grpo experiment`: the runs of an experiment, here or as Ray jobs, and the report on them.

Consumes the file of an experiment; starts one `seed-grpo` for each run, a few at a time, and waits. Each run has a
directory of its own and continues from its last checkpoint, and so does an experiment that was stopped.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from seed_grpo.config.experiment import ExperimentConfig, load_experiment
from seed_grpo.config.loading import dump_config
from seed_grpo.errors import ConfigError, SeedGrpoError
from seed_grpo.evaluate.reports.formatting import printable
from seed_grpo.evaluate.studies.experiment import Runs, write_report
from seed_grpo.extensions import installing
from seed_grpo.records.files import claimed, read_records, write_atomically
from seed_grpo.records.run_directory import CODE, keep_code
from seed_grpo.runtime.cluster.jobs import RayJobs

POLL_SECONDS = 1.0
RECORDS = ("metrics.jsonl", "results.json")
"""files of a run that has something on record"""
SAID_CHARACTERS = 600
"""characters shown of the end of a failed run's log"""


@dataclass(frozen=True)
class Planned:
    """One run."""

    configuration: str
    seed: int
    directory: Path
    arguments: tuple[str, ...]
    """command-line arguments of `seed-grpo`"""
    is_through: Callable[[], bool]

    @property
    def name(self) -> str:
        return f"{self.configuration}, seed {self.seed}"


class Started(Protocol):
    """A run at work."""

    def poll(self) -> int | None:
        """Its exit status; None while it is at work."""
        ...

    def said(self) -> str:
        """The end of its output."""
        ...

    def stop(self) -> None:
        """Stops the run with a checkpoint, and waits for its end."""
        ...


def run_file(file: Path, parallel: int, address: str | None) -> Path:
    """Makes the runs of the experiment in a YAML file, while no other program works in its directory.

    Args, Returns, Raises: as `run_experiment`; ConfigError for a fault of the file too.
    """
    experiment = load_experiment(file)
    with claimed(experiment.directory):  # before another program's runs get other settings
        return run_experiment(experiment, parallel, address)


def run_experiment(experiment: ExperimentConfig, parallel: int, address: str | None) -> Path:
    """Makes the runs that are not complete, and the report.

    Args:
        parallel: runs at a time.
        address: of the Ray cluster's dashboard, to which each run goes as a job; None runs them here.

    Returns:
        the file `report.md`.

    Raises:
        SeedGrpoError: runs failed; the report is of the others.
    """
    if parallel < 1:
        raise ConfigError(f"--parallel {parallel}: give the number of runs at a time, at least 1")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the runs are stopped too, as by Ctrl-C
    _keep_code(experiment)
    planned = plan_runs(experiment)
    waiting = [run for run in planned if not run.is_through()]
    _log(f"{experiment.title}: {len(planned)} runs, {len(planned) - len(waiting)} of them complete already")
    if waiting and address is None:
        _warm_start(experiment)
    start = _local if address is None else _jobs(address)
    failed = work_off(waiting, parallel, start)
    directories: dict[str, dict[int, Path]] = {}
    for run in planned:
        if run.is_through():
            directories.setdefault(run.configuration, {})[run.seed] = run.directory
    written = write_report(
        experiment.directory, experiment.title, Runs(directories, experiment.baseline, experiment.metrics)
    )
    _log(written.read_text())
    if failed:
        raise SeedGrpoError(
            f"{len(failed)} of {len(planned)} runs failed: {'; '.join(failed)}. Their logs are beside their "
            f"directories in {experiment.directory}; the same command runs them again. {written} reports the others"
        )
    return written


def _keep_code(experiment: ExperimentConfig) -> None:
    """Copies the user's own code of all runs beside them, where a job finds it; each of them gets the same."""
    configs = [experiment.config(name, experiment.seeds[0]) for name in experiment.all_configurations()]
    with installing(list(dict.fromkeys(path for config in configs for path in config.run.code))):
        records = (file for name in RECORDS for file in experiment.directory.glob(f"*/seed-*/{name}"))
        keep_code(experiment.directory / CODE, any(file.stat().st_size for file in records))


def plan_runs(experiment: ExperimentConfig) -> list[Planned]:
    """Plans all runs, seed by seed, so that the first results can be compared, and writes the settings of each.

    Raises:
        ConfigError: a run is there already, and was made with other settings.
    """
    return [_planned(experiment, name, seed) for seed in experiment.seeds for name in experiment.all_configurations()]


def _planned(experiment: ExperimentConfig, name: str, seed: int) -> Planned:
    config, directory = experiment.config(name, seed), experiment.run_directory(name, seed).resolve()
    code = tuple((experiment.directory / CODE / path.resolve().name).resolve() for path in config.run.code)
    config = config.model_copy(update={"run": config.run.model_copy(update={"code": code})})
    file = directory.parent / f"{directory.name}.yaml"
    arguments = ["train", str(file)]
    is_through: Callable[[], bool] = partial(_is_trained, directory, config.run.steps)
    if experiment.evaluate is not None:
        sets, samples = ",".join(experiment.evaluate.sets), str(experiment.evaluate.samples)
        arguments = ["evaluate", config.model.path, "--settings", str(file), "--sets", sets, "-k", samples]
        arguments += ["--out", str(directory)]
        if experiment.evaluate.problems is not None:
            arguments.append(f"data.limit={experiment.evaluate.problems}")
        is_through = (directory / "results.json").is_file
    content = f"# seed-grpo {shlex.join(arguments)}\n{dump_config(config)}"
    if directory.exists() and file.exists() and file.read_text() != content:
        raise ConfigError(
            f"{directory} was made with other settings than the experiment has now (those in {file}); delete it, or "
            "give the experiment another directory"
        )
    write_atomically(file, content.encode())
    return Planned(name, seed, directory, tuple(arguments), is_through)


def _is_trained(directory: Path, steps: int) -> bool:
    records = read_records(directory / "metrics.jsonl")
    return bool(records) and records[-1]["step"] >= steps and (directory / "policy" / "config.json").is_file()


def _warm_start(experiment: ExperimentConfig) -> None:
    """Makes the model that all runs begin with, if the program makes it."""
    from seed_grpo.arithmetic.warm_start import warm_start

    config = experiment.config(next(iter(experiment.all_configurations())), experiment.seeds[0])
    if config.warm_start is not None:
        warm_start(config, _log)


def work_off(waiting: Sequence[Planned], parallel: int, start: Callable[[Planned], Started]) -> list[str]:
    """Makes the runs and returns the names of those that failed, whose causes it logs. No run is left at work if it
    ends early."""
    queue, working, failed = deque(waiting), dict[str, tuple[Planned, Started, float]](), []
    try:
        while queue or working:
            while queue and len(working) < parallel:
                run = queue.popleft()
                working[run.name] = (run, start(run), time.monotonic())
                _log(f"started {run.name} ({len(waiting) - len(queue)} of {len(waiting)})")
            time.sleep(POLL_SECONDS)
            ended = {name: status for name, (_, begun, _) in working.items() if (status := begun.poll()) is not None}
            for name, status in ended.items():
                run, begun, began = working.pop(name)
                took = f"{time.monotonic() - began:.0f} s"
                if status == 0 and run.is_through():
                    _log(f"complete: {name}, {took}")
                else:
                    failed.append(name)
                    _log(f"FAILED: {name}, status {status}, {took}: {begun.said()[-SAID_CHARACTERS:]}")
    finally:
        for _, begun, _ in working.values():
            begun.stop()
    return failed


def _local(run: Planned) -> Started:
    return LocalRun(run)


class LocalRun:
    """A run on this machine."""

    def __init__(self, run: Planned) -> None:
        self._output = run.directory.parent / f"{run.directory.name}.log"
        # a run has a Ray of its own, also where this process is inside one
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        with self._output.open("ab") as output:
            command = [sys.executable, "-m", "seed_grpo.cli", *run.arguments]
            self._process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)

    def poll(self) -> int | None:
        return self._process.poll()

    def said(self) -> str:
        return self._output.read_text(errors="replace")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


def _jobs(address: str) -> Callable[[Planned], Started]:
    jobs = RayJobs(address)
    return lambda run: jobs.submit(["seed-grpo", *run.arguments], run.name)


def _log(line: str) -> None:
    print(printable(line), flush=True)
