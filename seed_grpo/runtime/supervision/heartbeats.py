"""How workers are watched: heartbeats, the budget of restarts, and the record of what happened.

Consumes Ray actors; produces how long each has been silent. What is done about it is the pools' business.
"""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import ray

from seed_grpo.config import Config
from seed_grpo.config.sections import SupervisionConfig
from seed_grpo.errors import SeedGrpoError
from seed_grpo.records.files import clear_disk_errors, write_atomically
from seed_grpo.runtime.cluster.calls import Say, is_done
from seed_grpo.runtime.supervision.hang_report import Forensics
from seed_grpo.runtime.supervision.prometheus import Monitor


class WorkerState(StrEnum):
    """What a worker is fit for."""

    STARTING = "starting"
    HEALTHY = "healthy"
    SUSPECT = "suspect"  # silent for some time, or a call failed: no new work until it answers
    STALE = "stale"  # lacks the present weights, which it gets at the next sync
    DEAD = "dead"  # not replaced
    RESTARTING = "restarting"  # a replacement is starting


class RestartBudget:
    """A bounded number of restarts within a window of time."""

    def __init__(self, config: SupervisionConfig) -> None:
        self._config = config
        self._times: deque[float] = deque()

    @property
    def recent(self) -> int:
        """Restarts within the window."""
        now = time.monotonic()
        while self._times and now - self._times[0] > self._config.restart_window:
            self._times.popleft()
        return len(self._times)

    def charge(self, cause: Exception) -> None:
        """Counts a restart.

        Raises:
            the cause, as an error of its own class: the budget is used up.
        """
        self._times.append(time.monotonic())
        if self.recent > self._config.max_restarts:
            kind = type(cause) if isinstance(cause, SeedGrpoError) else SeedGrpoError
            raise kind(
                f"{self.recent} workers failed within {self._config.restart_window:g} s, more than "
                f"supervision.max_restarts={self._config.max_restarts}; the last: {cause}"
            ) from cause


class Heartbeat:
    """One worker's. Nothing waits: whoever calls `silence` now and then keeps it going."""

    def __init__(self, ask: Callable[[], ray.ObjectRef], config: SupervisionConfig) -> None:
        """Args:
        ask: starts the call that the worker answers.
        """
        self._ask = ask
        self._config = config
        self._pending: ray.ObjectRef | None = None
        self._asked = -math.inf
        self._next = -math.inf
        self.alive = -math.inf
        """monotonic seconds of the latest call that was answered"""

    @property
    def is_late(self) -> bool:
        """Whether an answer has been owed for a third of the time that makes a worker dead."""
        return self._pending is not None and time.monotonic() - self._asked > self._config.heartbeat_timeout / 3

    def hurry(self) -> None:
        """Asks anew as soon as no answer is owed."""
        self._next = -math.inf

    def silence(self) -> float:
        """Seconds that the worker has owed an answer; 0 where it owes none.

        Raises:
            ray.exceptions.RayError: the worker is dead, or says that it cannot work.
        """
        if self._pending is not None:
            if not is_done(self._pending):
                return time.monotonic() - self._asked
            pending, self._pending = self._pending, None
            ray.get(pending)
            self.alive = self._asked
        if time.monotonic() >= self._next:
            self._pending, self._asked = self._ask(), time.monotonic()
            self._next = self._asked + self._config.heartbeat_every
        return 0.0


class Events:
    """What happened to workers, for people and for the tests: `events.jsonl`, a line each, and `workers.json`, the
    present states. Both tell of wall-clock facts, so a resumed run adds to them. The monitor is told of both."""

    def __init__(self, directory: Path, say: Say, monitor: Monitor) -> None:
        self._file = directory / "events.jsonl"
        self._workers_file = directory / "workers.json"
        self._say = say
        self._monitor = monitor
        self._workers: dict[str, str] = {}

    def record(self, event: str, worker: str, text: str, **facts: Any) -> None:
        """Writes a line, and says it.

        Args:
            event: failed, recovered, added, drained, resynced or hang.
            text: for people.
            facts: further fields.
        """
        line = json.dumps({"time": time.time(), "event": event, "worker": worker, "text": text, **facts})
        with clear_disk_errors(self._file), open(self._file, "a", encoding="utf-8") as file:
            file.write(line + "\n")
        self._monitor.event(event)
        self._say(text)

    def states(self, kind: str, states: Mapping[str, WorkerState]) -> None:
        """Writes the states of all workers where those of one kind have changed.

        Args:
            states: by the workers' names.
        """
        others = {name: state for name, state in self._workers.items() if not name.startswith(f"{kind}-")}
        workers = others | {name: str(state) for name, state in states.items()}
        if workers != self._workers:
            self._workers = workers
            self._monitor.states(kind, states.values(), WorkerState)
            write_atomically(self._workers_file, (json.dumps(workers, indent=1) + "\n").encode())


@dataclass(frozen=True)
class Supervision:
    """What all pools of a run share."""

    config: SupervisionConfig
    budget: RestartBudget
    events: Events
    forensics: Forensics
    monitor: Monitor

    def write_down_hang(self, culprit: str, cause: Exception) -> None:
        """What all workers are doing, before anything is done about the one that hangs."""
        path = self.forensics.dump(culprit, str(cause))
        self.events.record("hang", culprit, f"{cause}; stacks are in {path}")


def supervise(config: Config, directory: Path, say: Say) -> Supervision:
    """That of a new process.

    Args:
        directory: where it leaves its records, by which its metrics are told from those of others.
    """
    monitor = Monitor(str(directory.resolve()))
    budget, events = RestartBudget(config.supervision), Events(directory, say, monitor)
    monitor.sources.append(lambda: [("recent_restarts", float(budget.recent), ())])
    return Supervision(config.supervision, budget, events, Forensics(directory), monitor)
