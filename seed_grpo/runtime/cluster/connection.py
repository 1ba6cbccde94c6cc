"""The Ray cluster of a run, and the one place where plain classes become Ray actors."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants
from ray.exceptions import AuthenticationError
from ray.util.placement_group import PlacementGroup, placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from seed_grpo import extensions
from seed_grpo.config import Config
from seed_grpo.errors import PlacementError
from seed_grpo.runtime.cluster.placement import KINDS, Plan, Pool, check_plan, cluster_address, machine_cpus
from seed_grpo.runtime.workers.probes import GROUP, Watched


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to."""

    dashboard: str | None
    """address of the Ray dashboard, for people"""
    machines: tuple[Mapping[str, float], ...]
    """Ray resources of each machine"""
    name: str
    """name of the cluster for messages"""


@contextlib.contextmanager
def connected(config: Config) -> Iterator[Cluster]:
    """Connects to a Ray cluster, and disconnects at the end: the one at `cluster.address`, the one of the Ray job that
    this process runs in, or one that is started here and ended with the block.

    Raises:
        PlacementError: no cluster answers at the address, or it refuses this process; or this process has a connection
            already, which is left as it is.
    """
    if ray.is_initialized():
        raise PlacementError(
            f"this process is connected to the Ray cluster at {ray.get_runtime_context().gcs_address} already, and a "
            "run has a connection of its own, for its code and its settings: call ray.shutdown() before, and name a "
            "cluster that goes on without this process in cluster.address"
        )
    address = cluster_address(config)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # Else Ray prints the errors of calls that were given up with their worker, each with its traceback.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    with _listening_on_loopback() if address is None else contextlib.nullcontext():
        context = _init(config, address)
        try:
            url = context.dashboard_url
            yield Cluster(
                dashboard=f"http://{url}" if url else None,
                machines=tuple(node["Resources"] for node in ray.nodes() if node["Alive"]),
                name="the Ray cluster" if address else "this machine",
            )
        finally:
            ray.shutdown()


def _init(config: Config, address: str | None) -> Any:
    """Ray's context of the cluster at the address, or of one that is started here. Raises as `connected`."""
    if address is None:
        _hide_token()
    try:
        return ray.init(**({"address": address} if address else _own_cluster(config)), **_own_code(), **_quiet())
    except ConnectionError as error:
        raise PlacementError(
            f"no Ray cluster answers at {address}: {error}; start one, or leave cluster.address out to start one here"
        ) from error
    except AuthenticationError as error:
        reason = " ".join(str(error).split())[:300]
        raise PlacementError(
            f"the Ray cluster at {address} wants a token ({reason}); give it in RAY_AUTH_TOKEN, or its file in "
            "RAY_AUTH_TOKEN_PATH"
        ) from error


@contextlib.contextmanager
def _listening_on_loopback() -> Iterator[None]:
    """Makes Ray listen on the loopback address alone, until the block ends. Its servers listen on every network of a
    machine that can be part of a cluster, so Ray is told that this one cannot. The variable is meant for operating
    systems without Ray clusters, and is read when Ray is imported."""
    name = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR
    before = os.environ.get(name), ray_constants.ENABLE_RAY_CLUSTER
    os.environ[name], ray_constants.ENABLE_RAY_CLUSTER = "0", False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before[1]
        if before[0] is None:
            del os.environ[name]
        else:
            os.environ[name] = before[0]


def _hide_token() -> None:
    """Closes the folder of Ray's token to others, as Ray writes the token into a file that everybody may read."""
    folder = Path.home() / ".ray"
    with contextlib.suppress(OSError):  # without a home to write to, the token is in the environment
        folder.mkdir(exist_ok=True)
        folder.chmod(0o700)


def _own_cluster(config: Config) -> dict[str, Any]:
    memory = config.cluster.object_store_mib
    return {
        "address": "local",  # else Ray takes a cluster that somebody else started on this machine
        "num_cpus": machine_cpus(),
        "resources": dict.fromkeys(KINDS, 1.0),
        "include_dashboard": config.cluster.dashboard,
        "dashboard_host": "127.0.0.1",
        "object_store_memory": memory * 2**20 if memory else None,
    }


def _own_code() -> dict[str, Any]:
    """The user's own code, for Ray to bring to every machine."""
    copies = [str(path) for path in extensions.installed()]
    return {"runtime_env": {"py_modules": copies}} if copies else {}


def _quiet() -> dict[str, Any]:
    # The workers' own words are in Ray's log files and in its dashboard; the console is for the run's progress.
    return {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}


def check_cluster(config: Config, plan: Plan, cluster: Cluster) -> None:
    """Refuses a plan that the cluster cannot hold, unless machines come on demand; see `check_plan`."""
    if config.cluster.autoscaled:
        return
    check_plan(plan, cluster.machines, cluster.name)


def place_gang(plan: Plan, timeout: float) -> PlacementGroup:
    """Reserves one bundle for each trainer rank, all at once and close together. A rollout worker that shares the
    trainer's GPU is placed in the same bundle.

    Raises:
        PlacementError: the bundles cannot be had in time, since others hold the machines.
    """
    members = [plan.trainer, plan.rollout] if plan.colocated else [plan.trainer]
    bundle: Counter[str] = Counter()
    for pool in members:
        bundle.update(pool.demand)
    gang = placement_group([dict(bundle)] * plan.trainer.num_workers, strategy="PACK", name="trainer")
    wait_for_gang(gang, plan, timeout)
    return gang


def wait_for_gang(
    gang: PlacementGroup, plan: Plan, timeout: float, meanwhile: Callable[[], None] = lambda: None
) -> None:
    """Waits until all bundles are placed; if a machine is lost, Ray looks for another.

    Args:
        meanwhile: called every second.

    Raises:
        PlacementError: they have it not in time.
    """
    deadline = time.monotonic() + timeout
    while not gang.wait(timeout_seconds=1):
        meanwhile()
        if time.monotonic() < deadline:
            continue
        raise PlacementError(
            f"{plan.trainer.num_workers} trainer ranks of {gang.bundle_specs[0]} could not be placed within "
            f"{timeout:g} s (trainer.start_timeout): other jobs hold the machines, or machines are still starting; "
            "wait for them, or add machines"
        )


def call_engine(worker: Any, method: str, *arguments: Any) -> Any:
    """Calls a method of a rollout worker's engine; the Ray dashboard shows the call by the method's name.

    Returns:
        reference to the result.
    """
    return worker.call.options(name=method).remote(method, *arguments)


def spawn(
    cls: type,
    pool: Pool,
    name: str,
    *arguments: Any,
    gang: PlacementGroup | None = None,
    bundle: int = 0,
    max_concurrency: int | None = None,
) -> Any:
    """Starts a plain class, `Watched`, as a Ray actor of a pool.

    Args:
        name: of the worker, as the Ray dashboard shows it.
        arguments: of the class.
        gang, bundle: the placement group and the bundle in it, for workers that are placed together.
        max_concurrency: calls at once, for classes with async methods.
    """
    demand = pool.demand
    options: dict[str, Any] = {
        "name": name,
        "num_cpus": demand.pop("CPU", 0),
        "num_gpus": demand.pop("GPU", 0),
        "resources": demand,
        "runtime_env": {"env_vars": pool.environment},
        "max_restarts": 0,
        "concurrency_groups": {GROUP: 1},
    }
    if gang is not None:
        options["scheduling_strategy"] = PlacementGroupSchedulingStrategy(gang, placement_group_bundle_index=bundle)
    if max_concurrency is not None:
        options["max_concurrency"] = max_concurrency
    return ray.remote(**options)(type(cls.__name__, (cls, Watched), {})).remote(*arguments)
