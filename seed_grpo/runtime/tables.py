"""The Parquet tables of the run directory: one row per completion, and one row per prompt group in the ledger.

Consumes judged groups, and the estimates that the trained ones were trained with; produces rows and the schemas they
fit. It writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from seed_grpo.data.ledger import LOST
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
    "reward": "float32",  # without punishment
    "valid": "bool",
    "overlong": "float32",  # what length adds to the reward; this and the next two are null where nothing was trained
    "advantage": "float32",  # scaled, as trained on
    "scale": "float64",
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
    """What became of one prompt group."""

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
    """None where it was dropped"""

    @classmethod
    def trained(cls, step: int, summary: GroupSummary, scale: float) -> LedgerRow:
        """The row of a group that was trained on."""
        return cls._judged(step, summary, "trained", "", float(scale))

    @classmethod
    def dropped(cls, step: int, summary: GroupSummary, reason: str) -> LedgerRow:
        """The row of a group that was sampled and judged, but not trained on."""
        return cls._judged(step, summary, "dropped", reason, None)

    @classmethod
    def lost(cls, step: int, group_id: int, problem_id: str) -> LedgerRow:
        """The row of a group that was never judged."""
        return cls(step, group_id, problem_id, "dropped", LOST)

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
        )


@dataclass(frozen=True)
class Estimate:
    """What a group was trained with."""

    scale: float
    overlong_G: np.ndarray
    """[G] in [-1, 0]"""
    advantages_G: np.ndarray
    """[G], scaled"""


@cache
def schema_of(kind: Literal["rollouts", "ledger"]) -> pa.Schema:
    """The Arrow schema of a table."""
    import pyarrow as pa

    columns = ROLLOUT_COLUMNS if kind == "rollouts" else LEDGER_COLUMNS
    special = {"list<string>": pa.list_(pa.string()), "bool": pa.bool_()}
    return pa.schema([(name, special.get(kind_) or pa.type_for_alias(kind_)) for name, kind_ in columns.items()])


def rollout_rows(
    step: int, groups: Sequence[JudgedGroup], estimates: Mapping[int, Estimate]
) -> Iterator[dict[str, Any]]:
    """One row per completion, group by group.

    Args:
        step: the optimiser step.
        groups: [P].
        estimates: by group id, of those that were trained on; none in an evaluation.
    """
    for judged in groups:
        estimate = estimates.get(judged.group.task.group_id)
        for g, completion in enumerate(judged.group.completions_G):
            yield {
                **_group_columns(step, judged),
                **_completion_columns(judged, g, completion),
                "overlong": None if estimate is None else float(estimate.overlong_G[g]),
                "advantage": None if estimate is None else float(estimate.advantages_G[g]),
                "scale": None if estimate is None else float(estimate.scale),
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
