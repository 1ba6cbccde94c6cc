"""The Parquet tables of the run directory: one row per completion, and one row per prompt group in the ledger.

Consumes judged groups with their advantages and scales; produces rows and the schemas they fit. It writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from seed_grpo.messages import Completion, GroupSummary, JudgedGroup

if TYPE_CHECKING:
    import pyarrow as pa

ROLLOUT_COLUMNS = {
    "step": "int64",
    "group_id": "int64",
    "problem_id": "string",
    "completion": "int32",  # index in the group
    "prompt": "string",  # the problem statement, before the template
    "references": "list<string>",
    "text": "string",
    "verdict": "string",
    "answer": "string",  # null where none was extracted
    "parsed": "string",
    "rule": "string",  # that decided
    "judge_seconds": "float32",
    "class_id": "int32",  # -1 outside the partition
    "reward": "float32",
    "valid": "bool",
    "advantage": "float32",  # scaled, as trained on; null in evaluations
    "scale": "float64",  # null in evaluations
    "semantic_entropy": "float64",  # nats, of the group
    "finish_reason": "string",
    "num_tokens": "int32",
    "mean_logprob": "float64",  # nats per token; null without tokens
    "version_min": "int32",  # -1 without tokens
    "version_max": "int32",
    "rollout_worker": "string",
}

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
}


@dataclass(frozen=True)
class LedgerRow:
    """What became of one prompt group; the last four fields are None for a group that was dropped unjudged."""

    step: int
    group_id: int
    problem_id: str
    state: Literal["trained", "dropped"]
    reason: str = ""
    """why it was dropped"""
    mean_reward: float | None = None
    semantic_entropy: float | None = None
    num_classes: int | None = None
    scale: float | None = None

    @classmethod
    def trained(cls, step: int, summary: GroupSummary, scale: float) -> LedgerRow:
        """The row of a group that was trained on."""
        rewards = summary.rewards_G[summary.valid_G]
        return cls(
            step,
            summary.group_id,
            summary.problem_id,
            "trained",
            mean_reward=float(rewards.mean(dtype=np.float64)) if len(rewards) else None,
            semantic_entropy=float(summary.semantic_entropy),
            num_classes=summary.num_classes,
            scale=float(scale),
        )


@cache
def schema_of(kind: Literal["rollouts", "ledger"]) -> pa.Schema:
    """The Arrow schema of a table."""
    import pyarrow as pa

    columns = ROLLOUT_COLUMNS if kind == "rollouts" else LEDGER_COLUMNS
    special = {"list<string>": pa.list_(pa.string()), "bool": pa.bool_()}
    return pa.schema([(name, special.get(kind_) or pa.type_for_alias(kind_)) for name, kind_ in columns.items()])


def rollout_rows(
    step: int,
    groups: Sequence[JudgedGroup],
    advantages: Sequence[np.ndarray] | None = None,
    scales: Sequence[float] | None = None,
) -> Iterator[dict[str, Any]]:
    """One row per completion, group by group.

    Args:
        step: the optimiser step.
        groups: [P].
        advantages: [P] arrays [G], scaled; None in an evaluation.
        scales: [P]; None in an evaluation.
    """
    for p, judged in enumerate(groups):
        for g, completion in enumerate(judged.group.completions_G):
            yield {
                **_group_columns(step, judged),
                **_completion_columns(judged, g, completion),
                "advantage": None if advantages is None else float(advantages[p][g]),
                "scale": None if scales is None else float(scales[p]),
            }


def _group_columns(step: int, judged: JudgedGroup) -> dict[str, Any]:
    problem = judged.group.task.problem
    return {
        "step": step,
        "group_id": judged.group.task.group_id,
        "problem_id": problem.id,
        "prompt": problem.text,
        "references": problem.answers,
        "semantic_entropy": float(judged.semantic_entropy),
        "rollout_worker": judged.group.worker,
    }


def _completion_columns(judged: JudgedGroup, g: int, completion: Completion) -> dict[str, Any]:
    judgement = judged.judgements_G[g]
    num_tokens = len(completion.token_ids_T)
    return {
        "completion": g,
        "text": completion.text,
        "verdict": str(judgement.verdict),
        "answer": judgement.answer,
        "parsed": judgement.parsed,
        "rule": judgement.rule,
        "judge_seconds": judgement.seconds,
        "class_id": int(judged.class_ids_G[g]),
        "reward": float(judged.rewards_G[g]),
        "valid": bool(judged.valid_G[g]),
        "finish_reason": str(completion.finish_reason),
        "num_tokens": num_tokens,
        "mean_logprob": float(completion.logprobs_T.mean(dtype=np.float64)) if num_tokens else None,
        "version_min": int(completion.versions_T.min()) if num_tokens else -1,
        "version_max": int(completion.versions_T.max()) if num_tokens else -1,
    }
