"""The two pools of a run: how their workers are made, watched and started."""

from __future__ import annotations

from typing import Any

from ray.util.placement_group import PlacementGroup

from seed_grpo.config import Config
from seed_grpo.errors import RolloutError, VerifierError
from seed_grpo.rollout.worker import RolloutWorker
from seed_grpo.runtime.cluster.connection import call_engine, spawn
from seed_grpo.runtime.cluster.placement import Plan
from seed_grpo.runtime.supervision.supervise import Supervision
from seed_grpo.runtime.workers.pool import Kind, WorkerPool
from seed_grpo.runtime.workers.probes import watch
from seed_grpo.verify.worker import VerifierWorker
from seed_grpo.weight_sync.transports import TRANSPORTS

# An engine takes new requests while others run; its scheduler, not Ray, decides how many run at once.
CALLS_AT_ONCE = 10_000


def rollout_pool(config: Config, plan: Plan, gang: PlacementGroup | None, supervision: Supervision) -> WorkerPool:
    """Starts the rollout workers.

    Args:
        gang: the trainer's placement group, where a colocated rollout worker has its place. None where there is no
            trainer: then the workers serve the model that they load, else they wait for its weights.
    """
    shared = gang if plan.colocated else None

    def make(name: str, actor_name: str) -> Any:
        arguments = (config, name, TRANSPORTS[config.transport].receiving)
        return spawn(RolloutWorker, plan.rollout, actor_name, *arguments, gang=shared, max_concurrency=CALLS_AT_ONCE)

    kind = Kind(
        "rollout",
        make,
        start=lambda actor: actor.start.remote(),
        pulse=lambda actor: call_engine(actor, "heartbeat"),
        needs_weights=gang is not None,
        start_timeout=config.rollout.start_timeout,
        error=RolloutError,
    )
    return WorkerPool(kind, plan.rollout.num_workers, supervision)


def verifier_pool(config: Config, plan: Plan, supervision: Supervision) -> WorkerPool:
    """Starts the verifier workers."""

    def make(_name: str, actor_name: str) -> Any:
        settings = (config.verifier, config.algo.semantic_entropy, config.verifiers)
        return spawn(VerifierWorker, plan.verifier, actor_name, *settings)

    kind = Kind(
        "verifier",
        make,
        start=watch,
        pulse=watch,
        needs_weights=False,
        start_timeout=config.rollout.start_timeout,
        error=VerifierError,
    )
    return WorkerPool(kind, plan.verifier.num_workers, supervision)
