"""Assembly of a run: starts its workers, puts the loop's parts together, and registers all of them for watching.

Consumes the configuration, the plan and the prompts; produces `Running` and the controller's `Parts`. Hang reports and
Prometheus learn what to watch here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ray.util.placement_group import PlacementGroup

from seed_grpo.config import Config
from seed_grpo.data.mixture import LoadedSet, prompt_source
from seed_grpo.data.source import Prompt
from seed_grpo.evaluate.held_out import Evaluator
from seed_grpo.loop.interfaces import Parts
from seed_grpo.loop.queue import GroupQueue
from seed_grpo.records.recorder import Recorder
from seed_grpo.runtime.checkpoints import Checkpoints
from seed_grpo.runtime.cluster.calls import Log
from seed_grpo.runtime.cluster.placement import Plan
from seed_grpo.runtime.supervision.prometheus import Sample
from seed_grpo.runtime.supervision.supervise import Supervision
from seed_grpo.runtime.weight_publisher import WeightPublisher
from seed_grpo.runtime.workers.pipeline import Pipeline
from seed_grpo.runtime.workers.trainer_group import TrainerGroup
from seed_grpo.weight_sync.canary import probe_token_ids

PROBE_TOKENS = 64
"""tokens of the canary's fixed text, at most"""


@dataclass(frozen=True)
class Running:
    """The parts of a run that are at work: both pools, the trainer ranks, the queue between them, and the weight
    publisher."""

    pipeline: Pipeline
    trainer: TrainerGroup
    queue: GroupQueue
    sync: WeightPublisher


def start(
    config: Config, plan: Plan, gang: PlacementGroup, prompts: Sequence[Prompt], supervision: Supervision, log: Log
) -> Running:
    """Starts both pools and the trainer ranks, and waits until all are up.

    Args:
        gang: of the trainer ranks.
        prompts: the canary's fixed text is made of them.

    Raises:
        SeedGrpoError: names the worker that did not come up.
    """
    pipeline = Pipeline(config, plan, gang, supervision, log)
    trainer = TrainerGroup(config, plan, gang, supervision, log)
    queue = GroupQueue(config.cluster.queue_capacity)
    sync = WeightPublisher(config, trainer, pipeline, _probe(config, prompts), supervision, log)
    register(supervision, pipeline, trainer, queue, sync)
    trainer.wait_started()
    pipeline.wait_started()
    return Running(pipeline, trainer, queue, sync)


def parts_of(
    config: Config,
    running: Running,
    train: Sequence[LoadedSet],
    held_out: Sequence[Prompt] | None,
    recorder: Recorder,
    log: Log,
) -> Parts:
    """The controller's parts.

    Args:
        train: data sets to train on.
        held_out: prompts to evaluate on, as far as `evaluation.num_problems` goes.
    """
    evaluator = None
    if config.evaluation is not None and held_out is not None:
        asked = held_out[: config.evaluation.num_problems]
        evaluator = Evaluator(
            config.evaluation, config.rollout, config.run.seed, asked, running.pipeline, recorder, log
        )
    return Parts(
        prompts=prompt_source(train, config.run.seed),
        pipeline=running.pipeline,
        queue=running.queue,
        trainer=running.trainer,
        sync=running.sync,
        evaluator=evaluator,
        recorder=recorder,
        checkpoints=Checkpoints(config.run.directory / "checkpoints", config.run.keep_checkpoints),
    )


def register(
    supervision: Supervision,
    pipeline: Pipeline | None = None,
    trainer: TrainerGroup | None = None,
    queue: GroupQueue | None = None,
    sync: WeightPublisher | None = None,
) -> None:
    """Registers the parts of a run with hang reports and Prometheus; called once for each supervision."""
    report, sources = supervision.hang_report, supervision.monitor.sources
    sources.append(lambda: [("recent_restarts", float(supervision.budget.recent), ())])
    if pipeline is not None:
        report.workers += [pipeline.rollout.actors, pipeline.verifier.actors]
        report.facts.append(pipeline.depths)
        sources.append(pipeline.samples)
    if trainer is not None:
        report.workers.append(trainer.actors)
        report.facts.append(trainer.facts)
    if queue is not None:
        sources.append(lambda: _queue_samples(queue))
    if sync is not None:
        report.facts.append(sync.facts)


def _queue_samples(queue: GroupQueue) -> list[Sample]:
    return [("groups", float(len(queue)), ("ready for the trainer",)), ("queue_bytes", float(queue.payload_bytes), ())]


def _probe(config: Config, prompts: Sequence[Prompt]) -> np.ndarray:
    """Token ids [T] of the canary's fixed text."""
    # with the one token that scoring samples, the probe must fit the engine
    longest = min(PROBE_TOKENS, config.data.max_prompt_tokens + config.rollout.max_completion_tokens - 1)
    return probe_token_ids((prompt_ids for _, prompt_ids in prompts), longest)
