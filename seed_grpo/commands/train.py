"""A whole run: builds every part from the configuration, on Ray, and drives the controller to the end.

The one place where parts are put together; what each does is told where it lives.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from seed_grpo.commands.console import Console, Report
from seed_grpo.commands.doctor import Prepared, check_machine, check_outlives_job, prepare
from seed_grpo.config import Config
from seed_grpo.data.source import PromptSource
from seed_grpo.errors import CheckpointError
from seed_grpo.evaluate.held_out import Evaluator, check_recorded
from seed_grpo.evaluate.metrics.accuracy import EvaluationResult
from seed_grpo.evaluate.reports.plots import write_plots
from seed_grpo.loop.clock import Clock
from seed_grpo.loop.controller import Controller
from seed_grpo.loop.interfaces import Parts
from seed_grpo.loop.queue import GroupQueue
from seed_grpo.records.files import claimed
from seed_grpo.records.recorder import Recorder
from seed_grpo.records.run_directory import RunDirectory
from seed_grpo.runtime.checkpoints import Checkpoints
from seed_grpo.runtime.cluster.connection import check_cluster, connected, place_gang
from seed_grpo.runtime.cluster.placement import Plan, make_plan
from seed_grpo.runtime.first_rewards import FirstRewards
from seed_grpo.runtime.supervision.heartbeats import Supervision, supervise
from seed_grpo.runtime.weight_publisher import WeightPublisher
from seed_grpo.runtime.workers.pipeline import Pipeline
from seed_grpo.runtime.workers.trainer_group import TrainerPool
from seed_grpo.weight_sync.canary import probe_token_ids

PROBE_TOKENS = 64


def train(config: Config) -> bool:
    """Trains, from the last checkpoint if the run directory has one, and exports the policy at the end.

    Returns:
        whether the run is complete; False where a stop was requested before.

    Raises:
        SeedGrpoError: with what to change.
    """
    path = config.run.directory
    clock = Clock()
    prepared = prepare(config)
    plan = make_plan(config)
    with ExitStack() as stack:
        console = stack.enter_context(Console(config.run.steps))
        stack.enter_context(claimed(path))
        directory = RunDirectory(path, config)
        stack.callback(directory.close)
        check_unchanged(config, prepared)
        for note in prepared.notes:
            console.say(f"note: {note}")
        with console.waiting("Ray to start"):
            cluster = stack.enter_context(connected(config))
        check_cluster(config, plan, cluster)
        workers = ", ".join(f"{pool.num_workers} {pool.kind}" for pool in plan.pools)
        console.say(f"Ray dashboard: {cluster.dashboard or 'off'}")
        console.say(f"workers: {workers}; run directory: {path}")
        supervision = supervise(config, path, console.say)
        supervision.monitor.begin(config, plan)
        pipeline, trainer = start_workers(config, plan, supervision, console)
        stack.callback(pipeline.close)
        watch = FirstRewards(config)
        recorder = Recorder(directory, console, pipeline.fetch, pipeline.gauges, supervision.monitor, watch)
        parts = _assemble(config, prepared, pipeline, trainer, supervision, recorder, directory, console)
        controller = Controller(config, parts)
        clock.add("start", clock.total)
        with _stopping_on_signals(controller, console):
            controller.run()
        complete = controller.step == config.run.steps
        with clock.stage("plots"):
            write_plots(path)
        seconds = {**clock.seconds, **controller.clock.seconds, "total": clock.total}
        _report(console, config, directory, recorder, seconds)
        if not complete:
            console.say(f"stopped at step {controller.step} of {config.run.steps}; the same command goes on from there")
    return complete


def check_unchanged(config: Config, prepared: Prepared) -> None:
    """Whether a run that goes on has the problems that it began with; said before anything is started.

    Raises:
        CheckpointError, ConfigError: a data file has changed.
    """
    state = Checkpoints(config.run.directory / "checkpoints", config.run.keep_checkpoints).state()
    if state is not None:
        PromptSource(prepared.train.prompts, config.run.seed, config.data.shuffle).restore(state["prompts"])
    if config.evaluation is not None and prepared.held_out is not None:
        held_out = prepared.held_out.prompts[: config.evaluation.num_problems]
        check_recorded(config.run.directory / "evaluations", held_out)


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
        supervision = supervise(config, Path(records), console.say)
        trainer = TrainerPool(config, plan, gang, supervision, console.say)
        trainer.wait_started()
        checkpoints = Checkpoints(config.run.directory / "checkpoints", config.run.keep_checkpoints)
        saved = checkpoints.load(trainer)
        if saved is None:
            raise CheckpointError(f"{config.run.directory} has no checkpoint yet; train first")
        trainer.export(folder.resolve())
        console.say(f"the policy of step {saved[0]['step']} is in {folder}")


def start_workers(
    config: Config, plan: Plan, supervision: Supervision, console: Console
) -> tuple[Pipeline, TrainerPool]:
    """Both pools and the trainer, all up. A SeedGrpoError names the worker that is not."""
    with console.waiting("a place for the trainer ranks"):
        gang = place_gang(plan, config.trainer.start_timeout)
    pipeline = Pipeline(config, plan, gang, supervision, console.say)
    trainer = TrainerPool(config, plan, gang, supervision, console.say)
    trainer.wait_started()
    pipeline.wait_started()
    return pipeline, trainer


def _assemble(
    config: Config,
    prepared: Prepared,
    pipeline: Pipeline,
    trainer: TrainerPool,
    supervision: Supervision,
    recorder: Recorder,
    directory: RunDirectory,
    console: Console,
) -> Parts:
    evaluator = None
    if config.evaluation is not None and prepared.held_out is not None:
        prompts = prepared.held_out.prompts[: config.evaluation.num_problems]
        evaluator = Evaluator(
            config.evaluation, config.rollout, config.run.seed, prompts, pipeline, recorder, console.say
        )
    queue = GroupQueue(config.cluster.queue_capacity)
    supervision.monitor.sources.append(queue.gauges)
    return Parts(
        prompts=PromptSource(prepared.train.prompts, config.run.seed, config.data.shuffle),
        pipeline=pipeline,
        queue=queue,
        trainer=trainer,
        sync=WeightPublisher(config, trainer, pipeline, probe_of(config, prepared), supervision, console.say),
        evaluator=evaluator,
        recorder=recorder,
        checkpoints=Checkpoints(config.run.directory / "checkpoints", config.run.keep_checkpoints),
    )


def probe_of(config: Config, prepared: Prepared) -> np.ndarray:
    """Token ids [T] of the canary's fixed text."""
    # with the one token that scoring samples, the probe must fit the engine
    longest = min(PROBE_TOKENS, config.data.max_prompt_tokens + config.rollout.max_completion_tokens - 1)
    return probe_token_ids((prompt_ids for _, prompt_ids in prepared.train.prompts), longest)


def _report(
    console: Console, config: Config, directory: RunDirectory, recorder: Recorder, seconds: dict[str, float]
) -> None:
    results = {step: EvaluationResult.from_metrics(metrics) for step, metrics in directory.evaluations().items()}
    console.report(
        Report(
            before=results.get(0),
            after=results.get(config.run.steps),
            steps=recorder.steps,
            samples=recorder.samples,
            tokens=recorder.tokens,
            step_seconds=recorder.seconds,
            seconds=seconds,
            directory=config.run.directory,
        )
    )


@contextmanager
def _stopping_on_signals(controller: Controller, console: Console) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM ends the run with a checkpoint, as soon as the trainer is between two steps: groups
    that are being sampled are not waited for. The second ends it at once."""
    names = (signal.SIGINT, signal.SIGTERM)
    before = {name: signal.getsignal(name) for name in names}

    def stop(number: int, _frame: object) -> None:
        for name in names:
            signal.signal(name, before[name])
        received = signal.Signals(number).name
        console.say(f"{received}: stopping with a checkpoint; once more stops at once")
        controller.request_stop()

    for name in names:
        signal.signal(name, stop)
    try:
        yield
    finally:
        for name in names:
            signal.signal(name, before[name])
