"""The metrics of a training step that come of its judged groups.

Consumes group summaries and scales; produces the numbers that metrics.jsonl holds beside the trainer's own (loss,
gradient norm, learning rate). Deterministic quantities only; it reads no clock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from seed_grpo.messages import GroupSummary, Verdict

METRICS = {
    "reward": "mean reward of the valid completions",
    "semantic_entropy": "nats, mean over the groups with at least two answers in the partition",
    "semantic_entropy_zero_share": "share of those groups in which all answers mean the same",
    "entropy_clipped_groups": "number of groups whose estimate exceeded log n",
    "classes": "mean number of meaning classes of a group",
    "scale_mean": "mean factor that semantic entropy puts on a group's advantages",
    "scale_min": "smallest factor",
    "scale_max": "largest factor",
    "no_gradient_share": "share of groups whose valid completions all earn the same reward",
    "verdict_correct_share": "share of completions judged correct",
    "verdict_incorrect_share": "share of completions judged incorrect",
    "verdict_no_answer_share": "share of completions without a final answer",
    "verdict_timed_out_share": "share of completions whose judgement timed out",
    "verdict_verifier_error_share": "share of completions on which the verifier failed",
    "invalid_share": "share of completions left out of baseline, partition and loss",
    "completion_tokens": "tokens, sum over the completions",
    "completion_tokens_mean": "tokens, mean over the completions",
    "completion_tokens_max": "tokens of the longest completion",
    "truncated_share": "share of completions ended by the token limit",
    "mixed_version_groups": "number of groups sampled by more than one weight version",
    "staleness_max": "weight versions between a group's oldest token and the policy it trains, largest of the groups",
}
"""name -> unit and meaning"""


def group_metrics(
    summaries_P: Sequence[GroupSummary], scale_P: Sequence[float] | np.ndarray, version: int
) -> dict[str, float]:
    """The metrics of `METRICS`; nan where nothing is there to average.

    Args:
        summaries_P: the groups that the step trains on, at least one.
        scale_P: their scales.
        version: weight version of the policy before the step.

    Raises:
        ValueError: there is no group, or not one scale for each.
    """
    if not summaries_P or len(summaries_P) != len(scale_P):
        raise ValueError(f"{len(summaries_P)} groups and {len(scale_P)} scales; a step has groups, and as many scales")
    scale_P = np.asarray(scale_P, dtype=np.float64)
    lengths = np.concatenate([summary.lengths_G for summary in summaries_P])
    return {
        **_reward_metrics(summaries_P),
        **_entropy_metrics(summaries_P),
        "scale_mean": float(scale_P.mean()),
        "scale_min": float(scale_P.min()),
        "scale_max": float(scale_P.max()),
        **_verdict_metrics(summaries_P),
        "completion_tokens": float(lengths.sum()),
        "completion_tokens_mean": float(lengths.mean()),
        "completion_tokens_max": float(lengths.max()),
        "truncated_share": float(np.concatenate([summary.truncated_G for summary in summaries_P]).mean()),
        "mixed_version_groups": float(sum(summary.version_min != summary.version_max for summary in summaries_P)),
        "staleness_max": float(max((version - s.version_min for s in summaries_P if s.version_min >= 0), default=0)),
    }


def _reward_metrics(summaries_P: Sequence[GroupSummary]) -> dict[str, float]:
    rewards_P = [summary.rewards_G[summary.valid_G].astype(np.float64) for summary in summaries_P]
    return {
        "reward": _mean(np.concatenate(rewards_P)),
        "no_gradient_share": _mean([len(set(rewards_G.tolist())) < 2 for rewards_G in rewards_P]),
    }


def _entropy_metrics(summaries_P: Sequence[GroupSummary]) -> dict[str, float]:
    entropies = [summary.semantic_entropy for summary in summaries_P if summary.entropy_max > 0]
    return {
        "semantic_entropy": _mean(entropies),
        "semantic_entropy_zero_share": _mean([entropy == 0 for entropy in entropies]),
        "entropy_clipped_groups": float(sum(summary.entropy_clipped for summary in summaries_P)),
        "classes": _mean([summary.num_classes for summary in summaries_P]),
    }


def _verdict_metrics(summaries_P: Sequence[GroupSummary]) -> dict[str, float]:
    verdicts = [verdict for summary in summaries_P for verdict in summary.verdicts_G]
    valid = np.concatenate([summary.valid_G for summary in summaries_P])
    shares = {f"verdict_{verdict}_share": verdicts.count(verdict) / len(verdicts) for verdict in Verdict}
    return {**shares, "invalid_share": float(1 - valid.mean())}


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(np.asarray(values, dtype=np.float64))) if len(values) else math.nan
