"""Rollout worker and trainer rank as beside devices of their own, for part `overlap`.

The engines are the real ones, on a model so small that its computing is little. In front of each of its steps the
engine waits for a while, and so does the trainer at the end of an optimiser step; as a process does that waits for its
GPU, both leave the cores to others meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from vllm.v1.core.sched.scheduler import Scheduler

from seed_grpo.messages import StepResult
from seed_grpo.rollout.vllm import engine
from seed_grpo.rollout.worker import RolloutWorker
from seed_grpo.runtime.workers import pools, trainer_group
from seed_grpo.train.worker import TrainerWorker

ENGINE_STEP_SECONDS, OPTIMIZER_STEP_SECONDS = 0.03, 1.2
"""seconds of waiting: about 40 engine steps make a group, so generation and training take about as long"""


class WaitingScheduler(Scheduler):
    """vLLM's, in the engine's process."""

    def schedule(self, *arguments, **options):
        time.sleep(ENGINE_STEP_SECONDS)
        return super().schedule(*arguments, **options)


class WaitingRolloutWorker(RolloutWorker):
    """Its engine has that scheduler."""

    async def start(self) -> None:
        made = engine.engine_args

        def with_waits(*arguments):
            args = made(*arguments)
            args.scheduler_cls = f"{__name__}.{WaitingScheduler.__name__}"
            return args

        engine.engine_args = with_waits
        await super().start()


class WaitingTrainerWorker(TrainerWorker):
    """Its step takes longer than its computing."""

    def step(self, group_ids: Sequence[int], advantages_PG: Sequence[np.ndarray]) -> StepResult:
        result = super().step(group_ids, advantages_PG)
        time.sleep(OPTIMIZER_STEP_SECONDS)
        return result


def install() -> None:
    """The pools of this process make these workers."""
    pools.RolloutWorker = WaitingRolloutWorker  # type: ignore[misc]
    trainer_group.TrainerWorker = WaitingTrainerWorker  # type: ignore[misc]
