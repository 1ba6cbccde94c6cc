"""Heartbeats of workers, the states that follow from them, and the budget of restarts.

Consumes Ray actors; produces how long each has been silent. The pools decide what is done about it.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum

import ray

from seed_grpo.config.sections import SupervisionConfig
from seed_grpo.errors import SeedGrpoError
from seed_grpo.runtime.cluster.calls import is_done


class WorkerState(StrEnum):
    """State of a worker, which decides what it is given."""

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
                f"{self.recent} workers failed within supervision.restart_window={self._config.restart_window:g} s, "
                f"more than supervision.max_restarts={self._config.max_restarts}; the last: {cause}"
            ) from cause


class Heartbeat:
    """Heartbeat of one worker. It never blocks; calling `silence` now and then keeps it going."""

    def __init__(self, ask: Callable[[], ray.ObjectRef], config: SupervisionConfig) -> None:
        """Calls nothing yet.

        Args:
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
        """Tells whether an answer has been owed for a third of the time that makes a worker dead."""
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
