"""The ledger's Parquet tables: the fate of each prompt group, one row each.

Consumes summaries of groups; produces rows and the schema they fit. It writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from seed_grpo.messages import GroupSummary

if TYPE_CHECKING:
    import pyarrow as pa

LEDGER_COLUMNS = {
    "step": "int64",
    "group_id": "int64",
    "problem_id": "string",
    "state": "string",
    "reason": "string",
    "mean_reward": "float64",  # over the valid completions; null without any
    "semantic_entropy": "float64",
    "num_classes": "int32",
    "scale": "float64",
    "num_unjudged": "int32",  # completions that timed out or met a fault of the verifier
}


@dataclass(frozen=True)
class LedgerRow:
    """End of one prompt group."""

    step: int
    group_id: int
    problem_id: str
    state: Literal["trained", "dropped"]
    reason: str = ""
    """reason for which it was dropped; empty if trained"""
    mean_reward: float | None = None
    semantic_entropy: float | None = None
    num_classes: int | None = None
    scale: float | None = None
    """scale of the advantages; None if dropped"""
    num_unjudged: int | None = None
    """completions that timed out or met a fault of the verifier"""

    @classmethod
    def trained(cls, step: int, summary: GroupSummary, scale: float) -> LedgerRow:
        """The row of a group that was trained on."""
        return cls._judged(step, summary, "trained", "", float(scale))

    @classmethod
    def dropped(cls, step: int, summary: GroupSummary, reason: str) -> LedgerRow:
        """The row of a group that was sampled and judged, but not trained on."""
        return cls._judged(step, summary, "dropped", reason, None)

    @classmethod
    def lost(cls, step: int, group_id: int, problem_id: str, reason: str) -> LedgerRow:
        """The row of a group that was given up before a step could choose it."""
        return cls(step, group_id, problem_id, "dropped", reason)

    @classmethod
    def _judged(
        cls, step: int, summary: GroupSummary, state: Literal["trained", "dropped"], reason: str, scale: float | None
    ) -> LedgerRow:
        rewards = summary.rewards_G[summary.valid_G]
        return cls(
            step,
            summary.group_id,
            summary.problem_id,
            state,
            reason,
            mean_reward=float(rewards.mean(dtype=np.float64)) if len(rewards) else None,
            semantic_entropy=float(summary.semantic_entropy),
            num_classes=summary.num_classes,
            scale=scale,
            num_unjudged=summary.num_unjudged,
        )


@cache
def ledger_schema() -> pa.Schema:
    """The Arrow schema of the ledger."""
    import pyarrow as pa

    return pa.schema([(name, pa.type_for_alias(kind)) for name, kind in LEDGER_COLUMNS.items()])
