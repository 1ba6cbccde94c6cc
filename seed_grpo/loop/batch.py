"""Groups as the loop holds them: ready for the trainer, open at a checkpoint, and put together into a step's batch.

It holds each group's summary and a reference; only the runtime reads the payload behind the reference.

Shape suffixes: P groups of a step, G completions of a group.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from seed_grpo.algo.estimate import GroupOutcome, estimate
from seed_grpo.config import Config
from seed_grpo.messages import GroupSummary, GroupTask, JudgedGroup
from seed_grpo.seeds import Use, derive_seed


@dataclass(frozen=True)
class ReadyGroup:
    """A judged group that waits for the trainer."""

    summary: GroupSummary
    payload: Any
    """reference to the `JudgedGroup` in the object store; opaque to all but the runtime"""

    @property
    def outcome(self) -> GroupOutcome:
        """The part of the summary that the group's scale and advantages depend on."""
        return GroupOutcome(
            semantic_entropy=self.summary.semantic_entropy,
            entropy_max=self.summary.entropy_max,
            rewards_G=self.summary.rewards_G,
            valid_G=self.summary.valid_G,
            num_tokens_G=self.summary.lengths_G,
        )


@dataclass(frozen=True)
class OpenGroups:
    """The groups that a checkpoint finds neither trained nor dropped."""

    tasks: list[GroupTask]
    """tasks of pending and running groups, which are sampled anew"""
    judged: list[JudgedGroup]
    """ready groups, with all that was sampled"""


class LostGroup(NamedTuple):
    """A group that was given up before a step could choose among groups."""

    group_id: int
    problem_id: str
    reason: str


@dataclass(frozen=True)
class Batch:
    """Groups, scales and advantages of one optimiser step."""

    step: int
    """number of the step, from 1"""
    version: int
    """weight version that the step starts from"""
    rounds: int
    """rounds of further prompts that dynamic sampling took"""
    groups: list[ReadyGroup]
    """[P] groups to train on"""
    dropped: list[tuple[ReadyGroup, str]]
    """groups that were sampled for the step but are not trained, each with its reason"""
    lost: list[LostGroup]
    """groups given up since the last step"""
    scale_P: np.ndarray
    """[P] scales in [0, 1]"""
    overlong_PG: list[np.ndarray]
    """[P] arrays [G] in [-1, 0], which a completion's length adds to its reward"""
    advantages_PG: list[np.ndarray]
    """[P] arrays [G], scaled advantages"""

    @classmethod
    def estimated(
        cls,
        groups: list[ReadyGroup],
        dropped: list[tuple[ReadyGroup, str]],
        lost: list[LostGroup],
        rounds: int,
        version: int,
        config: Config,
    ) -> Batch:
        """The batch of a step, with scales and advantages.

        Advantage times scale: A_i = (r_i - mean r) * scale(SE(q)); sections 3.1 and 3.2 of arXiv 2505.12346.
        """
        estimated = estimate(
            [group.outcome for group in groups],
            config.algo,
            config.rollout.max_completion_tokens,
            np.random.default_rng(derive_seed(config.run.seed, Use.CONTROL, version)),
        )
        return cls(
            step=version + 1,
            version=version,
            rounds=rounds,
            groups=groups,
            dropped=dropped,
            lost=lost,
            scale_P=estimated.scale_P,
            overlong_PG=estimated.overlong_PG,
            advantages_PG=estimated.advantages_PG,
        )

    @property
    def sampled(self) -> list[ReadyGroup]:
        """All groups of the step, trained or dropped, in order of issue."""
        return sorted([*self.groups, *(group for group, _ in self.dropped)], key=lambda g: g.summary.group_id)

    def without(self, places: Collection[int], reason: str) -> Batch:
        """The batch with the groups at these places dropped."""
        kept = [p for p in range(len(self.groups)) if p not in places]
        return replace(
            self,
            groups=[self.groups[p] for p in kept],
            dropped=[*self.dropped, *((self.groups[p], reason) for p in sorted(places))],
            scale_P=self.scale_P[kept],
            overlong_PG=[self.overlong_PG[p] for p in kept],
            advantages_PG=[self.advantages_PG[p] for p in kept],
        )
