"""Watch over rewards that fail: each kind of failure is said once, with its traceback; all are counted in the metrics.

Consumes the batches of steps; produces messages for the console.
"""

from __future__ import annotations

from collections.abc import Iterator

from seed_grpo.loop.batch import Batch

SHOWN = 10
"""kinds of failure that are said; a message may hold what a model wrote, and so be another every time"""


class RewardFaults:
    """Failures that were said before, by their first line without its numbers."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def step(self, batch: Batch) -> Iterator[str]:
        """Messages on the failures of a step's groups, trained or dropped, that are of a new kind."""
        for summary in (group.summary for group in batch.sampled):
            first, _, details = summary.fault.partition("\n")
            kind = "".join(c for c in first if not c.isdigit())
            if not first or kind in self._said or len(self._said) == SHOWN:
                continue
            self._said.add(kind)
            message = (
                f"step {batch.step}: {first}, on group {summary.group_id} of problem {summary.problem_id}. Such groups "
                "are dropped as verifier_error, and counted in reward_failed_groups"
            )
            yield f"{message}:\n{details}" if details else message
