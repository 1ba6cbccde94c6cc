"""Times what of judging is not hidden behind generation, in a real run.

While groups are being generated, others are judged. What judging adds to a step is the time from the moment the last
group is generated to the moment the last one is judged, partitioned, and known to the controller.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from seed_grpo.runtime import session
from seed_grpo.runtime.pipeline import Generating, Pipeline
from seed_grpo.runtime.queue import ReadyGroup


class _TimedPipeline(Pipeline):
    tails: list[float]
    _generated_at = 0.0

    def collect(self) -> Iterator[ReadyGroup]:
        yield from super().collect()
        self.tails.append(time.monotonic() - self._generated_at)

    def _judge(self, generated: Generating) -> None:
        self._generated_at = time.monotonic()
        super()._judge(generated)


@contextmanager
def timing_pipeline() -> Iterator[list[float]]:
    """Inside, a run's pipeline is timed: the list gets the seconds of each step."""
    tails: list[float] = []
    before = session.Pipeline
    session.Pipeline = type("TimedPipeline", (_TimedPipeline,), {"tails": tails})  # type: ignore[misc, assignment]
    try:
        yield tails
    finally:
        session.Pipeline = before  # type: ignore[misc]
