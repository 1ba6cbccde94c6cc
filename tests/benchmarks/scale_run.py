"""One run of the parts `scale` and `elastic`, in a process of its own: the real controller over simulated workers.

Consumes the size of a run; says a reading of this process for each tenth of it, or of every step. Controller, pipeline,
stages, pools, supervision, queue, ledger and Ray are the program's own. Simulated are the workers, which make groups of
random numbers and judge none, and, in this process, the trainer, the weight sync, the recorder and the checkpoints:
these count only.
So many engines do not fit a small machine as processes: a few host processes have a share of them each. The controller
sees every one of them, with calls and heartbeats of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray._private.internal_api import node_stats
from ray.util.placement_group import PlacementGroup

from benchmarks.peers import log, resident_mib
from seed_grpo.config import Config
from seed_grpo.config.loading import dump_config
from seed_grpo.data.source import PromptSource
from seed_grpo.loop.batch import Batch, OpenGroups
from seed_grpo.loop.controller import Controller
from seed_grpo.loop.interfaces import Parts, Synced, Trainer
from seed_grpo.loop.queue import GroupQueue
from seed_grpo.messages import (
    Completion,
    FinishReason,
    Group,
    GroupSummary,
    GroupTask,
    JudgedGroup,
    Judgement,
    Problem,
    StepResult,
    Verdict,
)
from seed_grpo.records.files import write_atomically
from seed_grpo.rollout.worker import RolloutWorker
from seed_grpo.runtime.assembly import register
from seed_grpo.runtime.cluster.connection import connected, spawn
from seed_grpo.runtime.cluster.placement import Pool, make_plan
from seed_grpo.runtime.supervision.supervise import supervise
from seed_grpo.runtime.workers import pools
from seed_grpo.runtime.workers.pipeline import Pipeline
from seed_grpo.runtime.workers.pool import WorkerPool
from seed_grpo.runtime.workers.pools import CALLS_AT_ONCE

COMPLETIONS = 8
PROMPTS_PER_ENGINE = 4
"""prompts of a step; with a staleness of 1, twice as many are open"""
ENGINES_PER_VERIFIER = 8
ENGINE_HOSTS, VERIFIER_HOSTS = 2, 1
SECONDS = (0.025, 0.075)
"""seconds that a simulated engine takes for a group, from ... to"""
TENTHS = 10
STEPS_BEFORE, STEPS_AFTER = 1, 2
"""around the tenths, in which the engines get their first groups, and no more are handed out"""
STEPS_AROUND = STEPS_BEFORE + STEPS_AFTER
PROBLEMS = 1000
PROMPT_TOKENS = 16
OBJECT_STORE_MIB = 2048


class Host:
    """Simulated engines and verifier workers that share a process; every call names the worker that it is for."""

    def __init__(self, groups_at_once: int | None) -> None:
        """Makes places for the groups of each engine.

        Args:
            groups_at_once: number that an engine works on, while others wait there; None: any number.
        """
        self._version = -1
        self._groups_at_once = groups_at_once
        self._places: dict[str, asyncio.Semaphore] = {}

    def pulse(self, _worker: str) -> tuple[str, int]:
        return platform.node(), os.getpid()

    async def set_version(self, version: int) -> None:
        """A weight sync, for all engines here."""
        self._version = version

    async def start(self, _worker: str) -> None: ...

    async def call(self, _worker: str, _method: str) -> None: ...

    async def close(self, _worker: str) -> None: ...

    async def generate(self, worker: str, task: GroupTask) -> tuple[tuple[float], Group]:
        """After a while, completions of random numbers, of up to the tokens allowed."""
        version = self._version
        rng = np.random.default_rng(task.sampling.seed)
        seconds = rng.uniform(*SECONDS)
        if self._groups_at_once is None:
            await asyncio.sleep(seconds)
        else:
            async with self._places.setdefault(worker, asyncio.Semaphore(self._groups_at_once)):
                await asyncio.sleep(seconds)
        size = task.sampling.num_completions, task.sampling.max_tokens
        ids_GT = rng.integers(0, 1000, size, dtype=np.int32)
        logprobs_GT = -rng.random(size, dtype=np.float32)
        versions_GT = np.full(size, version, dtype=np.int32)
        lengths_G = rng.integers(size[1] // 2, size[1] + 1, size[0])
        completions = tuple(
            Completion(
                rf"\boxed{{{ids_GT[g, 0]}}}", ids_GT[g, :n], logprobs_GT[g, :n], versions_GT[g, :n], FinishReason.STOP
            )
            for g, n in enumerate(lengths_G)
        )
        return (seconds,), Group(task, completions, worker, seconds)

    async def judge(self, _worker: str, *groups: Group) -> tuple[list[GroupSummary] | JudgedGroup, ...]:
        """As `VerifierWorker.judge`; a completion is right if its first token is even."""
        judged = [_judged(group) for group in groups]
        return [each.summary for each in judged], *judged


def _judged(group: Group) -> JudgedGroup:
    right_G = np.array([completion.token_ids_T[0] % 2 == 0 for completion in group.completions_G])
    verdicts = [Verdict.CORRECT if right else Verdict.INCORRECT for right in right_G]
    return JudgedGroup(
        group=group,
        judgements_G=tuple(Judgement(verdict, "0", "0", "simulated") for verdict in verdicts),
        rewards_G=right_G.astype(np.float32),
        valid_G=np.ones(len(right_G), dtype=bool),
        class_ids_G=(right_G != right_G[0]).astype(np.int32),
        semantic_entropy=0.5,
        entropy_max=float(np.log(len(right_G))),
        entropy_clipped=False,
        seconds=0.0,
    )


class _Call:
    """A method of one worker of a host."""

    def __init__(self, method: Any, worker: str) -> None:
        self._method, self._worker = method, worker

    def options(self, **options: Any) -> _Call:
        return _Call(self._method.options(**options), self._worker)

    def remote(self, *arguments: Any) -> Any:
        return self._method.remote(self._worker, *arguments)


class _Handle:
    """Stands for the Ray actor of one worker: its calls go to its host, with its name in front."""

    def __init__(self, host: Any, worker: str) -> None:
        self._host, self._worker = host, worker

    def __getattr__(self, method: str) -> _Call:
        return _Call(getattr(self._host, method), self._worker)


class _Trainer:
    def fetch(self, _groups: Sequence[Any]) -> list[int]:
        return []

    def step(
        self, groups: Sequence[Any], advantages_PG: Sequence[np.ndarray], meanwhile: Callable[[], None]
    ) -> StepResult:
        assert len(groups) == len(advantages_PG)
        meanwhile()
        return StepResult()

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path) -> None: ...

    def export(self, folder: Path) -> None: ...

    def restart(self, cause: Exception) -> None:
        raise cause


class _Sync:
    def __init__(self, hosts: Sequence[Any], engines: WorkerPool) -> None:
        self._hosts, self._engines = hosts, engines

    @property
    def is_awaited(self) -> bool:
        return any(not engine.has_weights for engine in self._engines.started)

    def publish(self, version: int) -> Synced:
        ray.get([host.set_version.remote(version) for host in self._hosts])
        self._engines.have_weights(self._engines.started)
        return Synced(0.0, {})


class _Checkpoints:
    def save(self, step: int, state: dict[str, Any], groups: OpenGroups, trainer: Trainer) -> None: ...

    def load(self, _trainer: Trainer) -> None: ...


class _Meter:
    """A recorder that counts groups, and says what this process took for each tenth of the run."""

    def __init__(self, steps: int) -> None:
        self._steps_per_tenth = (steps - STEPS_AROUND) // TENTHS
        self._groups = 0
        self._began = self._clocks()

    def truncate_after(self, step: int) -> None: ...

    def step(self, batch: Batch, _metrics: Mapping[str, float], _seconds: Mapping[str, float]) -> None:
        self._groups += len(batch.groups)
        done, within = divmod(batch.step - STEPS_BEFORE, self._steps_per_tenth)
        if within or done > TENTHS:
            return
        if done:
            names = ("seconds", "core_seconds", "thread_seconds")
            spent = {name: now - then for name, now, then in zip(names, self._clocks(), self._began, strict=True)}
            log(groups=self._groups, resident=resident_mib(), store=_store_mib(), **spent)
        self._groups, self._began = 0, self._clocks()

    @staticmethod
    def _clocks() -> tuple[float, float, float]:
        """Seconds of the wall, of this process, and of this thread, in which all of the program's own code runs."""
        return time.perf_counter(), time.process_time(), time.thread_time()


class _Steps:
    """A recorder that says of every step when it ended, and how many engines there were."""

    def __init__(self, engines: WorkerPool) -> None:
        self._engines = engines

    def truncate_after(self, step: int) -> None: ...

    def step(self, batch: Batch, _metrics: Mapping[str, float], _seconds: Mapping[str, float]) -> None:
        log(step=batch.step, groups=len(batch.groups), engines=len(self._engines.serving), at=time.perf_counter())


def _store_mib() -> float:
    """Objects in Ray's store."""
    (node,) = ray.nodes()
    stats = node_stats(node["NodeManagerAddress"], node["NodeManagerPort"], include_memory_info=False)
    return stats.store_stats.object_store_bytes_used / 2**20


def _config(engines: int, prompts: int, tokens: int, steps: int, directory: str) -> Config:
    return Config.model_validate(
        {
            "run": {"directory": directory, "steps": steps, "max_staleness": 1, "checkpoint_every": steps},
            "model": {"path": "unused"},
            "data": {"source": "unused"},
            "rollout": {
                "num_workers": engines,
                "prompts_per_step": prompts,
                "completions_per_prompt": COMPLETIONS,
                "max_completion_tokens": tokens,
            },
            "verifier": {"num_workers": max(1, engines // ENGINES_PER_VERIFIER)},
            "cluster": {
                "device": "cpu",
                "dashboard": False,
                "object_store_mib": OBJECT_STORE_MIB,
                "queue_capacity": 2 * prompts,
            },
        }
    )


def _main(config: Config, groups_at_once: int | None) -> None:
    """Runs both pools in hosts of their own.

    Args:
        groups_at_once: number of an engine, for the part `elastic`; None for the part `scale`.
    """
    with connected(config):
        names = [f"host-{i}" for i in range(ENGINE_HOSTS + VERIFIER_HOSTS)]
        place = Pool("host", len(names), cpus=0.0, gpus=0.0, environment={})
        hosts = [spawn(Host, place, name, groups_at_once, max_concurrency=CALLS_AT_ONCE) for name in names]
        engines, verifiers = cycle(hosts[:ENGINE_HOSTS]), cycle(hosts[ENGINE_HOSTS:])

        def on_a_host(cls: type, _pool: Pool, name: str, *_arguments: Any, **_options: Any) -> _Handle:
            return _Handle(next(engines if cls is RolloutWorker else verifiers), name)

        pools.spawn = on_a_host  # type: ignore[assignment]
        ray.kill = lambda _handle: None  # of an engine that is drained; its host has others

        def tell(line: str) -> None:
            print(line, file=sys.stderr, flush=True)

        supervision = supervise(config, config.run.directory, tell)
        write_atomically(config.run.directory / "config.yaml", dump_config(config).encode())  # for `seed-grpo scale`
        pipeline = Pipeline(config, make_plan(config), PlacementGroup.empty(), supervision, tell)
        register(supervision, pipeline)
        pipeline.wait_started()
        prompt_ids = tuple(range(PROMPT_TOKENS))
        prompts = [(Problem(f"p{i}", "simulated", ("0",)), prompt_ids) for i in range(PROBLEMS)]
        parts = Parts(
            prompts=PromptSource(prompts, config.run.seed),
            pipeline=pipeline,
            queue=GroupQueue(config.cluster.queue_capacity),
            trainer=_Trainer(),
            sync=_Sync(hosts, pipeline.rollout),
            evaluator=None,
            recorder=_Meter(config.run.steps) if groups_at_once is None else _Steps(pipeline.rollout),
            checkpoints=_Checkpoints(),
        )
        controller = Controller(config, parts)
        controller.run()
        ledger = controller.ledger
        assert ledger.trained == config.run.steps * config.rollout.prompts_per_step, (ledger.trained, ledger.dropped)
        assert not ledger.dropped, ledger.dropped
        log(trained=ledger.trained)
        pipeline.close()


if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    sizes = (arguments[name] for name in ("engines", "prompts", "tokens", "steps", "directory"))
    _main(_config(*sizes), arguments["groups_at_once"])
