"""A small group summary for tests: one right and one wrong answer, each a meaning class of its own."""

from typing import Any

import numpy as np

from seed_grpo.messages import GroupSummary, Verdict


def two_answers(group_id: int, **changes: Any) -> GroupSummary:
    """The summary with some fields changed."""
    fields: dict[str, Any] = {
        "group_id": group_id,
        "problem_id": f"p{group_id}",
        "verdicts_G": (Verdict.CORRECT, Verdict.INCORRECT),
        "rewards_G": np.array([1.0, 0.0], dtype=np.float32),
        "valid_G": np.array([True, True]),
        "class_ids_G": np.array([0, 1], dtype=np.int32),
        "semantic_entropy": float(np.log(2)),
        "entropy_max": float(np.log(2)),
        "entropy_clipped": False,
        "lengths_G": np.array([3, 4], dtype=np.int32),
        "truncated_G": np.array([False, False]),
        "version_min": 0,
        "version_max": 0,
        "rollout_seconds": 0.1,
        "verify_seconds": 0.1,
        "payload_bytes": 2**20,
    }
    return GroupSummary(**fields | changes)
