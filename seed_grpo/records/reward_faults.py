"""Watch over rewards that fail: it reports each kind of failure once, with its traceback; the metrics count all.

Consumes the groups of steps; produces messages for the console.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seed_grpo.loop.batch import ReadyGroup

SHOWN = 10
"""kinds of failure that are reported; a message may quote a completion, and so differ every time"""


class RewardFaults:
    """Kinds of failure reported so far, by their first line without its numbers."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def step(self, step: int, groups: Sequence[ReadyGroup]) -> Iterator[str]:
        """Messages on new kinds of failure among groups of a step, trained or dropped."""
        for summary in (group.summary for group in groups):
            first, _, details = summary.fault.partition("\n")
            kind = "".join(c for c in first if not c.isdigit())
            if not first or kind in self._said or len(self._said) == SHOWN:
                continue
            self._said.add(kind)
            message = (
                f"step {step}: {first}, on group {summary.group_id} of problem {summary.problem_id}. Such groups "
                "are dropped as verifier_error, and counted in reward_failed_groups"
            )
            yield f"{message}:\n{details}" if details else message
