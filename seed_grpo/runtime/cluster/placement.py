"""The placement plan: which workers a run has, what each needs, and whether the machines have it.

Consumes the configuration and the resources of a cluster; produces a `Plan` or a `PlacementError` with all its
numbers. It starts nothing and imports no Ray, so `seed-grpo doctor` can show it anywhere.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seed_grpo.config import Config
from seed_grpo.errors import PlacementError

KINDS = ("rollout", "verifier", "trainer")
"""kinds of workers; with `cluster.node_groups`, also the Ray resources of the machines that they go to"""
GROUP_AMOUNT = 0.001
"""amount that a worker takes of its node group's Ray resource"""


@dataclass(frozen=True)
class Pool:
    """Workers of one kind, e.g. `Pool("rollout", 4, cpus=1.0, gpus=2.0)`."""

    kind: str
    """rollout, verifier or trainer"""
    num_workers: int
    cpus: float
    """CPU cores of one worker"""
    gpus: float
    """GPUs of one worker, all on one machine"""
    environment: dict[str, str]
    """environment variables of the worker's process, set before anything is imported"""
    node_group: str | None = None
    """Ray resource of the machines that it goes to; None: any"""

    @property
    def demand(self) -> dict[str, float]:
        """Ray resources of one worker. Of its node group it takes a token amount: cores and GPUs are what counts."""
        need = {"CPU": self.cpus, "GPU": self.gpus}
        if self.node_group is not None:
            need[self.node_group] = GROUP_AMOUNT
        return {resource: amount for resource, amount in need.items() if amount}

    def names(self) -> list[str]:
        """Names of the workers, as in messages and in the Ray dashboard."""
        return [f"{self.kind}-{i}" for i in range(self.num_workers)]


@dataclass(frozen=True)
class Plan:
    """All pools of a run."""

    rollout: Pool
    verifier: Pool
    trainer: Pool
    colocated: bool
    """true if the rollout worker shares the trainer's GPU"""

    @property
    def pools(self) -> tuple[Pool, Pool, Pool]:
        """Pools in the order of the data flow."""
        return (self.rollout, self.verifier, self.trainer)

    @property
    def cpus(self) -> float:
        """CPU cores of all workers."""
        return sum(pool.num_workers * pool.cpus for pool in self.pools)

    @property
    def gpus(self) -> float:
        """GPUs of all workers."""
        return sum(pool.num_workers * pool.gpus for pool in self.pools)


def make_plan(config: Config, trains: bool = True) -> Plan:
    """The plan that the configuration asks for. One trainer rank has one GPU; with the `ipc` transport the rollout
    worker and the trainer share one.

    Args:
        trains: whether there is a trainer; else the rollout workers serve the model as it is.
    """
    on_gpu = config.cluster.device == "cuda"
    colocated = trains and on_gpu and config.transport == "ipc"
    share = 0.5 if colocated else 1.0
    groups: dict[str, str | None] = {kind: kind if config.cluster.node_groups else None for kind in KINDS}
    if colocated:
        groups["rollout"] = groups["trainer"]
    rollout, verifier, trainer = config.rollout, config.verifier, config.trainer
    return Plan(
        rollout=Pool(
            "rollout",
            rollout.num_workers,
            rollout.cpus_per_worker,
            share * rollout.tensor_parallel_size if on_gpu else 0.0,
            _environment(config, rollout.threads),
            groups["rollout"],
        ),
        verifier=Pool(
            "verifier",
            verifier.num_workers,
            verifier.cpus_per_worker,
            0.0,
            {"OMP_NUM_THREADS": "1"},
            groups["verifier"],
        ),
        trainer=Pool(
            "trainer",
            trainer.num_workers if trains else 0,
            trainer.cpus_per_worker,
            share if on_gpu else 0.0,
            _environment(config, trainer.threads),
            groups["trainer"],
        ),
        colocated=colocated,
    )


def check_plan(plan: Plan, machines: Sequence[Mapping[str, float]], where: str) -> None:
    """Refuses a plan that cannot be placed.

    Args:
        machines: Ray resources of each machine of the cluster, free or not.
        where: for the message, such as "this machine".

    Raises:
        PlacementError: one line with the demand of every pool and the setting to change.
    """
    cpus, gpus = _total(machines, "CPU"), _total(machines, "GPU")
    faults = []
    for unit, needed, there in (("CPU cores", plan.cpus, cpus), ("GPUs", plan.gpus, gpus)):
        if needed > there + 1e-9:
            attribute = "cpus" if unit == "CPU cores" else "gpus"
            parts = " + ".join(
                f"{pool.kind} {pool.num_workers} x {getattr(pool, attribute):g}"
                for pool in plan.pools
                if pool.num_workers and getattr(pool, attribute)
            )
            faults.append(f"{unit}: {parts} = {needed:g} are needed, but {where} has {there:g}")
    faults = faults or [fault for pool in plan.pools if (fault := _pool_fault(pool, machines, where))]
    if faults:
        change = "lower rollout.num_workers, verifier.num_workers, trainer.num_workers or their cpus_per_worker"
        raise PlacementError(f"{'; '.join(faults)}; {change}, or add machines")


def _pool_fault(pool: Pool, machines: Sequence[Mapping[str, float]], where: str) -> str | None:
    """Reason why a pool's machines cannot hold it; None if they can, as far as this pool alone goes."""
    group = pool.node_group
    if not pool.num_workers:
        return None
    members = [machine for machine in machines if group is None or machine.get(group, 0) > 0]
    if group is not None and not members:
        return (
            f"cluster.node_groups=true, but no machine of {where} has the Ray resource {group}: start Ray there with "
            f"""--resources='{{"{group}": 1}}'"""
        )
    places = sum(_places(machine, pool) for machine in members)
    if places >= pool.num_workers:
        return None
    kind = "" if group is None else f" with the Ray resource {group}"
    return (
        f"{pool.num_workers} {pool.kind} workers of {pool.cpus:g} CPU and {pool.gpus:g} GPU each are needed, but the "
        f"{len(members)} machines{kind} of {where} can hold {places}, as a worker cannot span machines"
    )


def _places(machine: Mapping[str, float], pool: Pool) -> int:
    """Workers of a pool that an empty machine can hold."""
    needs = ((pool.cpus, machine.get("CPU", 0.0)), (pool.gpus, machine.get("GPU", 0.0)))
    return min((math.floor((there + 1e-9) / each) for each, there in needs if each), default=pool.num_workers)


def _total(machines: Sequence[Mapping[str, float]], resource: str) -> float:
    return sum(machine.get(resource, 0.0) for machine in machines)


def cluster_address(config: Config) -> str | None:
    """Address of the running Ray cluster that the run goes to: that of the configuration, or of the Ray job that this
    process is; None where Ray is to be started here.

    Raises:
        PlacementError: it is the address of a dashboard, which takes jobs and no drivers.
    """
    address = config.cluster.address or os.environ.get("RAY_ADDRESS")
    if address is not None and address.startswith(("http://", "https://")):
        raise PlacementError(
            f"{address} (RAY_ADDRESS or cluster.address) is a dashboard: submit the run there with jobs/submit.sh, or "
            "unset it to run here"
        )
    return address


def machine_cpus() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0))


def machine_gpus() -> int:
    """GPUs of this machine, as the NVIDIA driver lists them."""
    return len(list(Path("/proc/driver/nvidia/gpus").glob("*")))


def _environment(config: Config, threads: int) -> dict[str, str]:
    environment = {
        "TOKENIZERS_PARALLELISM": "false",
        # what is here is enough: no process of a run asks the internet how we are
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    if config.cluster.device == "cpu":
        # Spinning threads of one worker would slow down the others: every worker has its own number and waits asleep.
        environment |= {
            "OMP_NUM_THREADS": str(threads),
            "OMP_WAIT_POLICY": "PASSIVE",
            "KMP_BLOCKTIME": "0",
            "DS_ACCELERATOR": "cpu",
        }
    if config.run.deterministic and config.cluster.device == "cuda":
        environment["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    return environment
