"""Wall-clock by stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Seconds spent in each stage; stages that are entered again add up."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a stage."""
        started = time.perf_counter()
        yield
        self.add(name, time.perf_counter() - started)

    def add(self, name: str, seconds: float) -> None:
        """Adds to a stage."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def include(self, other: Clock) -> None:
        """Adds all stages of another clock."""
        for name, seconds in other.seconds.items():
            self.add(name, seconds)

    @property
    def total(self) -> float:
        """Seconds since it was made."""
        return time.perf_counter() - self._started
