"""Selection of the groups that a step takes and of those that it trains on, with the reasons why it drops the others.

Consumes summaries of groups; produces a choice. It changes nothing and waits for nothing: that is the controller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from seed_grpo.algo.dynamic_sampling import chosen_places, is_informative
from seed_grpo.config import Config
from seed_grpo.errors import TrainerError
from seed_grpo.loop.batch import ReadyGroup
from seed_grpo.loop.ledger import REPLACED, STALE, TOO_FEW_VALID
from seed_grpo.messages import GroupSummary


class Selection(NamedTuple):
    """The groups that were sampled for a step, divided."""

    groups: list[ReadyGroup]
    """[P] groups to train on"""
    dropped: list[tuple[ReadyGroup, str]]
    """the other groups, with their reasons"""


def divide(
    ready: Sequence[ReadyGroup], sampled: Sequence[ReadyGroup], count: int
) -> tuple[list[ReadyGroup], list[ReadyGroup]]:
    """The `count` ready groups that a step takes, and those that it leaves. Groups sampled in earlier rounds keep
    their places, as the rounds counted on their outcomes; the oldest other groups fill the rest.

    Args:
        ready: all ready groups, the most urgent first.
    """
    ids = {group.summary.group_id for group in sampled}
    others = [group for group in ready if group.summary.group_id not in ids]
    places = count - len(sampled)
    return [*sampled, *others[:places]], others[places:]


def can_wait(left: Sequence[ReadyGroup], unfinished: Sequence[int], version: int, config: Config) -> bool:
    """Tells whether later steps can train all groups that a step leaves, and all unfinished ones, before they are too
    old. Each step takes the oldest groups first.

    Args:
        unfinished: oldest weight versions of the groups that are not ready.
        version: of the weights that the step updates.
    """
    versions = [group.summary.version_min for group in left if group.summary.version_min >= 0]
    oldest, per_step = version + 1 - config.run.max_staleness, config.rollout.prompts_per_step
    in_time = all(v >= oldest + i // per_step for i, v in enumerate(sorted([*unfinished, *versions])))
    return in_time or not unfinished  # where all are ready, nothing is left to wait for


def failed_reward(sampled: Sequence[ReadyGroup], version: int, config: Config) -> str:
    """Failure of a reward, where there is one and none of the groups can be trained on; otherwise empty. A reward that
    is None for judged completions, and leaves fewer than two, is one."""
    summaries = [group.summary for group in sampled]
    if any(_reason_to_drop(summary, version, config) is None for summary in summaries):
        return ""
    for summary in summaries:
        if summary.fault:
            return summary.fault.partition("\n")[0]
    for summary in summaries:
        judged = sum(verdict.is_valid for verdict in summary.verdicts_G)
        if judged >= 2 > summary.valid_G.sum():
            return f"rewards are None for {judged - summary.valid_G.sum()} of {judged} judged completions of a group"
    return ""


def select(sampled: Sequence[ReadyGroup], version: int, config: Config) -> Selection:
    """Chooses the groups to train on, at most `rollout.prompts_per_step`.

    Args:
        version: of the weights that the step updates.

    Raises:
        TrainerError: there is none to train on.
    """
    usable, dropped = [], []
    for group in sampled:
        reason = _reason_to_drop(group.summary, version, config)
        if reason is None:
            usable.append(group)
        else:
            dropped.append((group, reason))
    if not usable:
        raise TrainerError(
            f"step {version + 1}: all {len(dropped)} groups were dropped ({dropped[0][1]}); if verdicts time "
            "out, raise verifier.judge_timeout; if completions do, raise rollout.request_timeout"
        )
    informative = [_is_informative(group.summary) for group in usable]
    places = chosen_places(informative, config.rollout.prompts_per_step)
    dropped += [(group, REPLACED) for place, group in enumerate(usable) if place not in places]
    return Selection([usable[place] for place in places], dropped)


def count_informative(sampled: Sequence[ReadyGroup], version: int, config: Config) -> int:
    """Number of groups that could be trained on and would give a gradient."""
    summaries = [group.summary for group in sampled]
    return sum(_reason_to_drop(each, version, config) is None and _is_informative(each) for each in summaries)


def _is_informative(summary: GroupSummary) -> bool:
    return is_informative(summary.rewards_G, summary.valid_G)


def _reason_to_drop(summary: GroupSummary, version: int, config: Config) -> str | None:
    if summary.valid_G.sum() < 2:
        return TOO_FEW_VALID
    if 0 <= summary.version_min < version - config.run.max_staleness:  # -1 where no token was sampled
        return STALE  # invariant 2
    return None
