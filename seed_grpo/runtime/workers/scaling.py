"""The size of the pools while a run is at work, set by people or by a policy within bounds.

`seed-grpo scale` writes a request into the run directory (`request`); the run's driver looks for it (`Scaler`). What
cannot be placed yet waits in Ray, where its autoscaler sees the demand.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from seed_grpo.config import Config
from seed_grpo.config.loading import load_config
from seed_grpo.errors import ConfigError, DeadlineError
from seed_grpo.records.files import write_atomically

if TYPE_CHECKING:
    from seed_grpo.runtime.workers.pool import WorkerPool

LOOK_SECONDS = 1.0
"""seconds between two looks for a request"""
ANSWER_SECONDS = 15.0
"""seconds within which a run takes up a request"""
BUSY_SHARE, IDLE_SHARE = 0.2, 0.5
"""shares of the time: the trainer waiting for groups while every worker is busy; workers being idle"""


def request(directory: Path, sizes: Mapping[str, int]) -> dict[str, str]:
    """Asks a running program for other sizes of its pools, and waits until it has taken them up.

    Args:
        directory: of the run.
        sizes: workers by pool, rollout or verifier; at least one.

    Returns:
        states of all workers then; those that were added are still starting.

    Raises:
        ConfigError: this is no run, or its pool cannot have that size.
        DeadlineError: the run does not answer.
    """
    if not (directory / "config.yaml").is_file():
        raise ConfigError(f"{directory} is not the directory of a run: it has no config.yaml; name a run.directory")
    config = load_config(directory / "config.yaml", [])
    for kind, size in sizes.items():
        if size < 1:
            raise ConfigError(f"--{kind} {size}: a run needs at least one {kind} worker")
    if config.transport == "ipc" and sizes.get("rollout", 1) > 1:
        raise ConfigError("weight_sync.transport=ipc shares one GPU with one rollout worker; start the run with nccl")
    write_atomically(directory / "scale.json", json.dumps(dict(sizes)).encode())
    deadline = time.monotonic() + ANSWER_SECONDS
    while (directory / "scale.json").exists():
        if time.monotonic() > deadline:
            (directory / "scale.json").unlink(missing_ok=True)
            raise DeadlineError(
                f"the run in {directory} did not answer within {ANSWER_SECONDS:g} s: it has ended, is still starting, "
                "or is in a weight sync; ask again"
            )
        time.sleep(0.1)
    return json.loads((directory / "workers.json").read_text())


class Scaler:
    """The driver's side of scaling. The policy of `rollout.autoscale` looks at how the time since its last decision was
    spent. If the trainer waited for groups while no worker was idle, it adds a rollout worker; if workers were idle
    most of the time and the trainer did not wait, it drains one."""

    def __init__(self, config: Config, rollout: WorkerPool, verifier: WorkerPool) -> None:
        self._request = config.run.directory / "scale.json"
        self._request.unlink(missing_ok=True)  # of an earlier start of the run
        self._autoscale = config.rollout.autoscale
        self._pools = {"rollout": rollout, "verifier": verifier}
        self._looked = self._decided = self._seen = time.monotonic()
        self._awaited = self._idle = 0.0

    def poll(self, is_awaited: bool) -> None:
        """Applies requests and the autoscaler's decisions; to be called many times a second.

        Args:
            is_awaited: whether the trainer waits for groups.
        """
        now = time.monotonic()
        self._note(min(now - self._seen, LOOK_SECONDS), is_awaited)  # longer ones were no waiting for groups
        self._seen = now
        if now - self._looked > LOOK_SECONDS:
            self._looked = now
            self._take_up_request()
        if self._autoscale is not None and now - self._decided > self._autoscale.every:
            self._apply_policy(now - self._decided)
            self._decided, self._awaited, self._idle = now, 0.0, 0.0

    def _note(self, seconds: float, is_awaited: bool) -> None:
        workers = self._pools["rollout"].serving
        idle = sum(not worker.load for worker in workers)
        self._idle += seconds * idle / max(len(workers), 1)
        self._awaited += seconds if is_awaited and not idle else 0.0

    def _take_up_request(self) -> None:
        try:
            sizes = json.loads(self._request.read_text())
        except FileNotFoundError:
            return
        for kind, size in sizes.items():
            self._pools[kind].resize(size)
            self._pools[kind].tell()
        self._request.unlink(missing_ok=True)  # whoever asked may have given up

    def _apply_policy(self, seconds: float) -> None:
        pool, bounds = self._pools["rollout"], self._autoscale
        assert bounds is not None
        wanted = pool.size
        if self._awaited > BUSY_SHARE * seconds:
            wanted += 1
        elif self._idle > IDLE_SHARE * seconds and self._awaited == 0:
            wanted -= 1
        wanted = min(max(wanted, bounds.min_workers), bounds.max_workers)
        if wanted < pool.size or (wanted > pool.size and not pool.starting):  # one after the other has shown effect
            pool.resize(wanted)
