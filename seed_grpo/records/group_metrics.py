"""The metrics of a training step that its judged groups give.

Consumes a batch; produces the numbers that metrics.jsonl holds beside the trainer's own (loss, gradient norm, learning
rate). Deterministic quantities only; it reads no clock.

Metrics of the policy (reward, verdicts, entropy, lengths) are over all groups that the step sampled, trained or
dropped. Dynamic sampling keeps groups for their outcome, so a mean over the kept ones would describe its choice (a
reward near 1/2, say) and not the policy. Metrics of the update are over the trained groups, and say so. Each reward of
`verifier.rewards` has a metric of its own, `reward/<name>`: its mean, before its weight, over the completions for which
it is a number. Where `data.sources` names several data sets, each has the metrics of `DATASET_METRICS` too, as
`dataset/<name>/<metric>`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from seed_grpo.algo.dynamic_sampling import is_informative
from seed_grpo.loop.batch import Batch
from seed_grpo.loop.ledger import LOST, REPLACED, UNREWARDED
from seed_grpo.messages import GroupSummary, Verdict

METRICS = {
    "sampling_rounds": "rounds of further prompts that dynamic sampling took",
    "sampled_completions": "number of completions sampled for the step, those of dropped groups too",
    "informative_share": "share of groups whose valid completions differ in reward",
    "dropped_groups": "number of groups sampled but not trained; the ledger has the reasons",
    "lost_groups": "number of groups given up before they were judged, since workers failed on them",
    "replaced_groups": "number of those that dynamic sampling replaced, whose rewards did not differ",
    "reward": "mean reward of the valid completions, without punishment, whatever became of their groups",
    "reward_failed_groups": "number of groups on which a reward failed, also those given up for want of rewards",
    "overlong_punishment": "mean over the trained groups' valid completions of what length adds to the reward",
    "semantic_entropy": "nats, mean over the groups with at least two answers in the partition",
    "semantic_entropy_zero_share": "share of those groups in which all answers mean the same",
    "entropy_clipped_groups": "number of groups whose estimate exceeded log n",
    "classes": "mean number of meaning classes of a group",
    "scale_mean": "mean factor that semantic entropy puts on a trained group's advantages",
    "scale_min": "smallest factor",
    "scale_max": "largest factor",
    "no_gradient_share": "share of the trained groups whose advantages are all 0",
    "verdict_correct_share": "share of completions judged correct",
    "verdict_incorrect_share": "share of completions judged incorrect",
    "verdict_no_answer_share": "share of completions without a final answer",
    "verdict_timed_out_share": "share of completions whose judgement timed out",
    "verdict_verifier_error_share": "share of completions on which the verifier failed",
    "invalid_share": "share of completions left out of baseline, partition and loss",
    "unjudged_groups_share": "share of groups at least half of whose completions timed out or met a verifier fault",
    "completion_tokens": "tokens, sum over the completions",
    "completion_tokens_mean": "tokens, mean over the completions",
    "completion_tokens_max": "tokens of the longest completion",
    "truncated_share": "share of completions ended by the token limit",
    "mixed_version_groups": "number of groups sampled by more than one weight version",
    "payload_mib_mean": "MiB of a group in the object store, mean",
    "staleness_mean": "weight versions between a trained group's oldest token and the policy, mean of the groups",
    "staleness_max": "weight versions between a trained group's oldest token and the policy, largest of the groups",
}
"""units and meanings by name; a metric of one reward has the reward's name in it"""


DATASET_METRICS = ("reward", "semantic_entropy", "classes", "informative_share", "truncated_share", "groups")
"""names, with the meanings of `METRICS`; `groups` is the number of groups sampled"""


def group_metrics(batch: Batch) -> dict[str, float]:
    """The metrics of `METRICS` and of each reward; nan where nothing is there to average, as when no group was trained.

    Args:
        batch: as it went through the optimiser; at least one group was sampled for it.
    """
    sampled = [group.summary for group in batch.sampled]
    assert sampled, f"step {batch.step} sampled no group"
    lengths = np.concatenate([summary.lengths_G for summary in sampled])
    return {
        **_sampling_metrics(batch, sampled),
        "reward": _mean(np.concatenate([summary.rewards_G[summary.valid_G] for summary in sampled])),
        **_reward_metrics(sampled),
        "reward_failed_groups": float(sum(bool(s.fault) for s in sampled) + _count_lost(batch, UNREWARDED)),
        **_entropy_metrics(sampled),
        **_verdict_metrics(sampled),
        "completion_tokens": float(lengths.sum()),
        "completion_tokens_mean": float(lengths.mean()),
        "completion_tokens_max": float(lengths.max()),
        "truncated_share": float(np.concatenate([summary.truncated_G for summary in sampled]).mean()),
        "mixed_version_groups": float(sum(summary.version_min != summary.version_max for summary in sampled)),
        "payload_mib_mean": _mean([summary.payload_bytes / 2**20 for summary in sampled]),
        **_update_metrics(batch),
        **_dataset_metrics(sampled),
    }


def _dataset_metrics(summaries_P: Sequence[GroupSummary]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in sorted({summary.dataset for summary in summaries_P} - {""}):
        own = [summary for summary in summaries_P if summary.dataset == name]
        metrics = {
            "reward": _mean(np.concatenate([summary.rewards_G[summary.valid_G] for summary in own])),
            **_entropy_metrics(own),
            "informative_share": _mean([is_informative(summary.rewards_G, summary.valid_G) for summary in own]),
            "truncated_share": float(np.concatenate([summary.truncated_G for summary in own]).mean()),
            "groups": float(len(own)),
        }
        found |= {f"dataset/{name}/{metric}": metrics[metric] for metric in DATASET_METRICS}
    return found


def _sampling_metrics(batch: Batch, sampled: Sequence[GroupSummary]) -> dict[str, float]:
    return {
        "sampling_rounds": float(batch.rounds),
        "sampled_completions": float(sum(len(summary.verdicts_G) for summary in sampled)),
        "informative_share": _mean([is_informative(summary.rewards_G, summary.valid_G) for summary in sampled]),
        "dropped_groups": float(len(batch.dropped)),
        "lost_groups": float(_count_lost(batch, LOST)),
        "replaced_groups": float(sum(reason == REPLACED for _, reason in batch.dropped)),
    }


def _update_metrics(batch: Batch) -> dict[str, float]:
    """Metrics of the trained groups."""
    summaries = [group.summary for group in batch.groups]
    overlong = [added_G[s.valid_G] for added_G, s in zip(batch.overlong_PG, summaries, strict=True)]
    ages = [batch.version - summary.version_min for summary in summaries if summary.version_min >= 0]
    return {
        "overlong_punishment": _mean(np.concatenate([*overlong, []])),
        "scale_mean": _mean(batch.scale_P),
        "scale_min": float(batch.scale_P.min()) if len(batch.scale_P) else math.nan,
        "scale_max": float(batch.scale_P.max()) if len(batch.scale_P) else math.nan,
        "no_gradient_share": _mean([not advantages_G.any() for advantages_G in batch.advantages_PG]),
        "staleness_mean": _mean(ages),
        "staleness_max": float(max(ages, default=0)),
    }


def _reward_metrics(summaries_P: Sequence[GroupSummary]) -> dict[str, float]:
    """Means of each reward, in the order of the configuration; a reward that failed on a group is not in them."""
    names = dict.fromkeys(name for summary in summaries_P for name in summary.reward_parts_G)
    parts = {name: [s.reward_parts_G[name] for s in summaries_P if name in s.reward_parts_G] for name in names}
    return {f"reward/{name}": _mean(_finite(np.concatenate(part_PG))) for name, part_PG in parts.items()}


def _count_lost(batch: Batch, reason: str) -> int:
    return sum(lost.reason == reason for lost in batch.lost)


def _finite(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]


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
    unjudged = [2 * summary.num_unjudged >= len(summary.valid_G) for summary in summaries_P]
    return {**shares, "invalid_share": float(1 - valid.mean()), "unjudged_groups_share": _mean(unjudged)}


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(np.asarray(values, dtype=np.float64))) if len(values) else math.nan
