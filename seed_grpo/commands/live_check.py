"""`seed-grpo doctor --live`: places the workers as a run would, measures every link between them, and leaves.

Consumes the configuration and a Ray cluster; produces lines of a page, as `commands.doctor.diagnose` does: where each
worker is, how fast the driver, the trainer ranks and the engines reach each other, and what is wrong where. It samples
and trains nothing, and writes nothing into the run directory.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from seed_grpo.commands.console import Console, Page
from seed_grpo.commands.doctor import prepare
from seed_grpo.commands.train import start_workers
from seed_grpo.config import Config
from seed_grpo.errors import PlacementError, SeedGrpoError, TrainerLostError, WeightSyncError
from seed_grpo.runtime.cluster.calls import gather, put
from seed_grpo.runtime.cluster.connection import check_cluster, connected
from seed_grpo.runtime.cluster.placement import make_plan
from seed_grpo.runtime.supervision.supervise import supervise
from seed_grpo.runtime.weight_publisher import WeightPublisher
from seed_grpo.runtime.workers.pool import WorkerPool
from seed_grpo.runtime.workers.probes import watch
from seed_grpo.runtime.workers.trainer_group import TrainerGroup

OBJECT_BYTES = 16 * 2**20
"""bytes sent to measure a link"""
ROUNDS = 3
"""repetitions of each measurement"""
NCCL_HINT = (
    "; run again with NCCL_DEBUG=INFO, let NCCL_SOCKET_IFNAME name the network that both machines are on, and look for "
    "a firewall between them"
)


def check_live(config: Config, page: Page) -> None:
    """Starts the workers, fills the page, and ends the workers. The run directory is not touched."""
    prepared, plan = prepare(config), make_plan(config)
    with ExitStack() as stack:
        console = stack.enter_context(Console(config.run.steps))
        records = Path(stack.enter_context(TemporaryDirectory()))
        try:
            with console.waiting("Ray to start"):
                cluster = stack.enter_context(connected(config))
            check_cluster(config, plan, cluster)
            supervision = supervise(config, records, console.log)
            running = start_workers(config, plan, prepared, supervision, console)
            pipeline, trainer = running.pipeline, running.trainer
            stack.callback(pipeline.close)
            actors = supervision.hang_report.actors()
            ranks = {name: actors[name] for name in plan.trainer.names()}
            engines = {worker.name: worker.actor for worker in pipeline.rollout.started}
            timeout = config.weight_sync.timeout
            for name, actor in actors.items():
                page.check(name, check_worker, name, actor, timeout)
            page.check("storage", check_storage, config.run.directory, ranks, timeout)
            if len(ranks) > 1:
                page.check("ranks", check_ranks, trainer)
            for name, actor in engines.items():
                page.check(f"to {name}", check_engine, name, actor, trainer, config.transport)
            page.check("canary", check_canary, config, running.sync, pipeline.rollout)
        except SeedGrpoError as error:
            page.fault("workers", error)


def check_worker(name: str, actor: Any, timeout: float) -> str:
    """Locates a worker and measures how fast the driver reaches it: by calls, and by objects that are new to its
    machine.

    Raises:
        SeedGrpoError: it does not answer within the timeout, in seconds.
    """

    def ask(method: str, *arguments: Any) -> Any:
        call = {name: watch(actor, method, *arguments)}
        return gather(call, "an answer to a small question", timeout, PlacementError)[0]

    machine, _ = ask("pulse")
    devices = ask("devices")
    call = statistics.median(seconds(lambda: ask("echo", b"")) for _ in range(ROUNDS))
    references = [put(np.zeros(OBJECT_BYTES, np.uint8)) for _ in range(ROUNDS)]
    sent = rate(lambda _: seconds(lambda: ask("echo", references.pop())))
    return f"on {machine}{f', GPU {devices}' if devices else ''}: a call {call * 1e3:.1f} ms, an object of {sent}"


def check_storage(directory: Path, ranks: Mapping[str, Any], timeout: float) -> str:
    """Checks that the trainer ranks and the driver share the folder that the run directory is to be in.

    Raises:
        PlacementError: a rank cannot write there, or does not see what this machine made there; names it.
    """
    path = directory.resolve()
    there = next(folder for folder in (path, *path.parents) if folder.is_dir())
    try:
        with TemporaryDirectory(dir=there, prefix=".seed-grpo-") as shared:
            for name, actor in ranks.items():
                call = {name: watch(actor, "leave_mark", Path(shared))}
                gather(call, "writing to shared storage", timeout, PlacementError)
    except (OSError, SeedGrpoError) as error:
        raise PlacementError(f"{error}; run.directory must be on storage that all machines share") from error
    return f"{len(ranks)} trainer ranks write into a folder that this machine made in {there}"


def check_ranks(trainer: TrainerGroup) -> str:
    """Measures how fast the trainer ranks add up their gradients."""
    return f"all together, they add up {rate(trainer.all_reduce)}"


def check_engine(name: str, actor: Any, trainer: TrainerGroup, transport: str) -> str:
    """Measures how fast the weights go to one engine alone, so that a fault has a name.

    Raises:
        WeightSyncError: they do not arrive; says what to look at. Where that took the trainer with it, the trainer is
            there again for the next engine.
    """
    try:
        opened = seconds(lambda: trainer.connect({name: actor}))
        sent = rate(lambda _: seconds(lambda: trainer.send(0)), trainer.weight_bytes())
    except SeedGrpoError as error:
        if isinstance(error, TrainerLostError):
            trainer.restart(error)
        raise WeightSyncError(f"{error}{NCCL_HINT if transport == 'nccl' else ''}") from error
    return f"{transport} opened in {opened:.1f} s, {sent}"


def check_canary(config: Config, sync: WeightPublisher, rollout: WorkerPool) -> str:
    """Makes one sync to all engines with its proof, as at the start of a run.

    Raises:
        SeedGrpoError: it failed, or an engine had to be replaced; names it.
    """
    before = {worker.name: worker for worker in rollout.started}
    synced = sync.publish(0)
    replaced = [name for name, worker in before.items() if rollout.workers.get(name) is not worker]
    if replaced:
        raise WeightSyncError(f"{', '.join(replaced)} failed and had to be replaced; see the causes above")
    phases = ", ".join(f"{phase} {spent:.2f} s" for phase, spent in synced.seconds.items())
    return (
        f"{len(before)} engines at once: {phases}; log-probabilities differ by at most {synced.difference:.1e} nats, "
        f"{config.canary_tolerance:g} are allowed"
    )


def rate(measure: Callable[[int], float], size: int = OBJECT_BYTES) -> str:
    """Size, least seconds of several rounds and bandwidth, in words.

    Args:
        measure: seconds for so many bytes.
    """
    best = min(measure(size) for _ in range(ROUNDS))
    return f"{size / 2**20:.1f} MiB in {best * 1e3:.1f} ms ({size / best / 1e9:.2g} GB/s)"


def seconds(action: Callable[[], Any]) -> float:
    """Wall-clock of an action."""
    began = time.monotonic()
    action()
    return time.monotonic() - began
