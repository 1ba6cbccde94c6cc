"""`seed-grpo train` and `seed_grpo.train`: a whole run, from the configuration to the exported policy; and the export
of a checkpoint.

Consumes a configuration; produces a run directory. `runtime.assembly` puts the parts together.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from seed_grpo.commands.console import Console, Report
from seed_grpo.commands.doctor import Prepared, check_machine, check_outlives_job, prepare
from seed_grpo.config import Config
from seed_grpo.config.loading import resolve_config
from seed_grpo.data.mixture import all_prompts, prompt_source
from seed_grpo.errors import CheckpointError
from seed_grpo.evaluate.held_out import check_recorded
from seed_grpo.evaluate.metrics.intervals import EvaluationResult
from seed_grpo.evaluate.reports.plots import write_plots
from seed_grpo.extensions import install
from seed_grpo.loop.clock import Clock
from seed_grpo.loop.controller import Controller
from seed_grpo.records.callbacks import Callback, Callbacks
from seed_grpo.records.files import claimed, read_records
from seed_grpo.records.first_rewards import FirstRewards
from seed_grpo.records.recorder import Recorder
from seed_grpo.records.run_directory import RunDirectory
from seed_grpo.records.throughput import Throughput
from seed_grpo.runtime.assembly import Running, parts_of, register, start
from seed_grpo.runtime.checkpoints import Checkpoints
from seed_grpo.runtime.cluster.connection import check_cluster, connected, place_gang
from seed_grpo.runtime.cluster.placement import Plan, make_plan
from seed_grpo.runtime.supervision.supervise import Supervision, supervise
from seed_grpo.runtime.workers.trainer_group import TrainerGroup


@dataclass(frozen=True)
class TrainedRun:
    """A run as a call of `train` leaves it."""

    directory: Path
    """run directory; `seed_grpo/records/README.md` describes its files"""
    step: int
    """optimiser steps done in all, by this call and those before it"""
    is_complete: bool
    """true if all of `run.steps` are done, and `directory/policy` is the trained model; otherwise a stop was requested,
    and the same call goes on"""
    metrics: Mapping[str, float | None]
    """metrics of the last step, as in metrics.jsonl: None where there was nothing to average; empty before step 1"""
    evaluations: Mapping[int, Mapping[str, float | None]]
    """metrics of every evaluation by step, as in evaluations.jsonl"""


def train(
    config: Config | str | Path,
    overrides: Sequence[str] = (),
    *,
    on_step: Callback | None = None,
    on_evaluation: Callback | None = None,
) -> TrainedRun:
    """Trains, from the last checkpoint if the run directory has one, and exports the policy at the end.

    It starts a Ray of its own, or joins the one at `cluster.address`, and ends that connection. Ctrl-C and SIGTERM stop
    it with a checkpoint where it runs in the main thread.

    Args:
        config: a configuration, or its YAML file.
        overrides: strings `section.key=value`.
        on_step: called with the number of an optimiser step, from 1, and its metrics by name as in metrics.jsonl (nan
            where that has null), once the step is on record; never twice in a call of `train`, and not for steps
            recorded by an earlier call. The loop waits for it.
        on_evaluation: the same of an evaluation and evaluations.jsonl; step 0 is the policy before training.

    Returns:
        the run, whether it is complete or was stopped.

    Raises:
        SeedGrpoError: with what to change.
        Exception: of a callback, as it was raised. The run stops as soon as no step is in progress, with a checkpoint,
            and calls neither callback again. So a callback can also end a run early.
    """
    config = resolve_config(config, overrides)
    clock = Clock()
    with ExitStack() as stack:
        stack.callback(install, [])  # what `prepare` makes importable is the run's, not the caller's
        prepared = prepare(config)
        plan = make_plan(config)
        console = stack.enter_context(Console(config.run.steps))
        stack.enter_context(claimed(config.run.directory))
        directory = RunDirectory(config.run.directory, config, console.log)
        stack.callback(directory.close)
        check_unchanged(config, prepared)
        for note in prepared.notes:
            console.log(f"note: {note}")
        supervision = _connect(config, plan, console, stack)
        running = start_workers(config, plan, prepared, supervision, console)
        pipeline, monitor = running.pipeline, supervision.monitor
        stack.callback(pipeline.close)
        callbacks = Callbacks(on_step, on_evaluation, console.log)
        rewards, throughput = FirstRewards(config), Throughput(config, running.trainer.device_name)
        if throughput.note:
            console.log(f"note: {throughput.note}")
        watchers = (monitor, rewards, throughput, callbacks)
        recorder = Recorder(directory, console, pipeline.fetch, pipeline.gauges, *watchers)
        parts = parts_of(config, running, prepared.train, prepared.held_out, recorder, console.log)
        controller = Controller(config, parts)
        callbacks.stop = controller.request_stop
        clock.add("start", clock.total)
        with _stopping_on_signals(controller, console):
            controller.run()
        _report(console, config, directory, recorder, controller, clock)
        callbacks.check()
        return _trained(config, directory, controller.step)


def _connect(config: Config, plan: Plan, console: Console, stack: ExitStack) -> Supervision:
    """Connects to Ray until the stack ends, and builds the run's supervision."""
    with console.waiting("Ray to start"):
        cluster = stack.enter_context(connected(config))
    check_cluster(config, plan, cluster)
    workers = ", ".join(f"{pool.num_workers} {pool.kind}" for pool in plan.pools)
    console.log(f"Ray dashboard: {cluster.dashboard or 'off'}")
    console.log(f"workers: {workers}; run directory: {config.run.directory}")
    supervision = supervise(config, config.run.directory, console.log)
    supervision.monitor.begin(config, plan)
    return supervision


def _trained(config: Config, directory: RunDirectory, step: int) -> TrainedRun:
    records = read_records(directory.path / "metrics.jsonl")
    metrics = {name: value for name, value in records[-1].items() if name != "step"} if records else {}
    return TrainedRun(directory.path, step, step == config.run.steps, metrics, directory.evaluations())


def start_workers(
    config: Config, plan: Plan, prepared: Prepared, supervision: Supervision, console: Console
) -> Running:
    """Places the trainer ranks and starts all workers; see `assembly.start`."""
    with console.waiting("a place for the trainer ranks"):
        gang = place_gang(plan, config.trainer.start_timeout)
    return start(config, plan, gang, all_prompts(prepared.train), supervision, console.log)


def check_unchanged(config: Config, prepared: Prepared) -> None:
    """Checks that a resumed run has the problems that it began with, before anything is started.

    Raises:
        CheckpointError, ConfigError: a data file has changed.
    """
    state = Checkpoints.of_run(config.run).state()
    if state is not None:
        prompt_source(prepared.train, config.run.seed).restore(state["prompts"])
    if prepared.held_out is not None:
        check_recorded(config.run.directory / "evaluations", prepared.held_out)


def export(config: Config, folder: Path) -> None:
    """Writes the policy of the run's last checkpoint as a Hugging Face model.

    Raises:
        CheckpointError: there is no checkpoint.
        ConfigError: the folder would go with this Ray job.
    """
    check_outlives_job("folder", folder)
    check_machine(config)
    with Console(config.run.steps) as console, connected(config) as cluster, TemporaryDirectory() as records:
        plan = make_plan(config)
        check_cluster(config, plan, cluster)
        gang = place_gang(plan, config.trainer.start_timeout)
        supervision = supervise(config, Path(records), console.log)
        trainer = TrainerGroup(config, plan, gang, supervision, console.log)
        register(supervision, trainer=trainer)
        trainer.wait_started()
        saved = Checkpoints.of_run(config.run).load(trainer)
        if saved is None:
            raise CheckpointError(f"{config.run.directory} has no checkpoint yet; train first")
        trainer.export(folder.resolve())
        console.log(f"the policy of step {saved[0]['step']} is in {folder}")


def _report(
    console: Console,
    config: Config,
    directory: RunDirectory,
    recorder: Recorder,
    controller: Controller,
    clock: Clock,
) -> None:
    """Draws the figures, and prints the table at the end."""
    with clock.stage("plots"):
        write_plots(directory.path)
    results = {step: EvaluationResult.from_metrics(metrics) for step, metrics in directory.evaluations().items()}
    console.report(
        Report(
            before=results.get(0),
            after=results.get(config.run.steps),
            steps=recorder.steps,
            samples=recorder.samples,
            tokens=recorder.tokens,
            step_seconds=recorder.seconds,
            seconds={**clock.seconds, **controller.clock.seconds, "total": clock.total},
            directory=config.run.directory,
        )
    )
    if controller.step < config.run.steps:
        console.log(f"stopped at step {controller.step} of {config.run.steps}; the same command goes on from there")


@contextmanager
def _stopping_on_signals(controller: Controller, console: Console) -> Iterator[None]:
    """Turns the first Ctrl-C or SIGTERM into a stop with a checkpoint, as soon as the trainer is between two steps;
    groups that are being sampled are not waited for. The second ends the run at once. Only the main thread gets
    signals; in another one nothing is set."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = (signal.SIGINT, signal.SIGTERM)
    before = {name: signal.getsignal(name) for name in names}

    def stop(number: int, _frame: object) -> None:
        for name in names:
            signal.signal(name, before[name])
        received = signal.Signals(number).name
        console.log(f"{received}: stopping with a checkpoint; once more stops at once")
        controller.request_stop()

    for name in names:
        signal.signal(name, stop)
    try:
        yield
    finally:
        for name in names:
            signal.signal(name, before[name])
