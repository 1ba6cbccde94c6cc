"""Test-time use of semantic entropy: draw a few answers, go on only while they disagree, return the majority.

Fixed self-consistency (Wang et al. 2023, arXiv 2203.11171) draws the same number of answers for every problem. This
rule draws `first` answers, then `more` at a time while their semantic entropy exceeds `threshold`, up to `most`. It
looks at answers alone, never at the reference. Consumes recorded groups; produces the rule's decisions, and its
accuracy and samples beside those of fixed self-consistency on the same groups. It samples nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from seed_grpo.config.sections import SemanticEntropyConfig
from seed_grpo.errors import ConfigError
from seed_grpo.evaluate.metrics.estimators import recorded_semantic_entropy
from seed_grpo.evaluate.metrics.pass_at_k import majority_at_k
from seed_grpo.records.rollout_table import RecordedGroup, subgroup

ORDERS = 20
"""random orders of a group's samples that a replay averages over, since which came first says nothing"""
MARGIN = 0.005
"""difference in accuracy below which two ways of sampling count as equally good"""


@dataclass(frozen=True)
class Rule:
    """Rule that tells when to draw more answers, e.g. `Rule(4, 2, 32, 0.5)`."""

    first: int
    """answers drawn of every problem"""
    more: int
    """answers drawn at a time while the answers disagree"""
    most: int
    """answers drawn of a problem in all"""
    threshold: float
    """nats of semantic entropy; at or below it, no more answers are drawn"""

    def __post_init__(self) -> None:
        if not (2 <= self.first <= self.most and self.more >= 1 and self.threshold >= 0):
            raise ConfigError(
                f"cannot draw first={self.first} answers, then more={self.more} up to most={self.most} while the "
                f"entropy exceeds threshold={self.threshold:g}; set 2 <= first <= most, more >= 1 and threshold >= 0"
            )

    @property
    def sizes(self) -> list[int]:
        """Numbers of answers after which the rule decides; at the last it always stops."""
        return [*range(self.first, self.most, self.more), self.most]

    def goes_on(self, size: int, entropy: float) -> bool:
        """Tells whether to draw more than the `size` answers that have this semantic entropy, in nats."""
        return size < self.most and entropy > self.threshold


@dataclass(frozen=True)
class Point:
    """Accuracy and cost of a way of sampling, e.g. `Point(0.5, 0.81, 9.3)`."""

    threshold: float
    """threshold in nats; nan for fixed self-consistency"""
    accuracy: float
    """share of problems whose majority answer is right; ties are broken evenly"""
    samples: float
    """mean number of answers drawn for a problem"""


@dataclass(frozen=True)
class Curve:
    """Accuracy against samples spent, on the same problems and samples."""

    problems: int
    fixed: tuple[Point, ...]
    """points of fixed self-consistency, by number of answers"""
    adaptive: tuple[Point, ...]
    """points of the rule, by threshold"""
    matched: tuple[Point | None, ...]
    """the rule against each point of `fixed`. The threshold is chosen on one half of the problems, as the cheapest
    whose accuracy is there within `MARGIN`; its point is measured on the other half, and the two choices of halves are
    averaged. None if no threshold reaches that accuracy on one of the halves"""


def curve(
    groups: Sequence[RecordedGroup], rule: Rule, thresholds: Sequence[float], config: SemanticEntropyConfig, seed: int
) -> Curve:
    """Replays the rule on recorded samples, at each of `thresholds` in place of its own.

    Args:
        groups: [P] sampled, of at least `rule.most` valid completions; others are left out.
        config: the estimator that the rule looks at.
        seed: of the random orders.

    Raises:
        ConfigError: no group has enough completions.
    """
    fit = [group for group in groups if int(np.sum(group.valid_G)) >= rule.most]
    if not fit:
        raise ConfigError(f"no problem has {rule.most} valid completions to replay; lower most, or sample more")
    sizes = np.array(rule.sizes)
    replays = [_replay(group, order_n, rule, config) for group in fit for order_n in _orders(group, seed)]
    entropy_RS, right_RS = (np.array(values) for values in zip(*replays, strict=True))
    half_R = np.repeat(np.random.default_rng(seed).permutation(len(fit)) % 2, ORDERS)
    parts = (half_R >= 0, half_R == 0, half_R == 1)
    whole, *halves = (_points(entropy_RS[of_R], right_RS[of_R], sizes, thresholds) for of_R in parts)
    matched = [_matched(place, *halves) for place in range(len(sizes))]
    return Curve(len(fit), *whole, tuple(matched))


def _points(
    entropy_RS: np.ndarray, right_RS: np.ndarray, sizes_S: np.ndarray, thresholds: Sequence[float]
) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    """Points of fixed self-consistency by size, and of the rule by threshold; accuracies are nan without replays."""
    if not len(right_RS):
        return tuple(Point(math.nan, math.nan, math.nan) for _ in sizes_S), ()
    rights_S = right_RS.mean(axis=0)
    fixed = [Point(math.nan, float(right), float(size)) for size, right in zip(sizes_S, rights_S, strict=True)]
    adaptive = []
    for threshold in thresholds:
        goes_on_RS = (entropy_RS > threshold) & (sizes_S < sizes_S[-1])
        stop_R = np.argmin(goes_on_RS, axis=1)  # the first size at which it does not
        right_R = right_RS[np.arange(len(stop_R)), stop_R]
        adaptive.append(Point(threshold, float(right_R.mean()), float(sizes_S[stop_R].mean())))
    return tuple(fixed), tuple(adaptive)


def _matched(place: int, *halves: tuple[tuple[Point, ...], tuple[Point, ...]]) -> Point | None:
    told = []
    for (fixed, adaptive), (_, there) in (halves, halves[::-1]):
        good = [i for i, point in enumerate(adaptive) if point.accuracy >= fixed[place].accuracy - MARGIN]
        if not good or not there:
            return None
        told.append(there[min(good, key=lambda i: adaptive[i].samples)])
    return Point(*(float(np.mean(values)) for values in zip(*map(astuple, told), strict=True)))


def _orders(group: RecordedGroup, seed: int) -> Iterator[np.ndarray]:
    """Random orders [n] of the group's valid completions."""
    rng = np.random.default_rng([seed, group.group_id])
    for _ in range(ORDERS):
        yield rng.permutation(np.flatnonzero(group.valid_G))


def _replay(
    group: RecordedGroup, order_n: np.ndarray, rule: Rule, config: SemanticEntropyConfig
) -> tuple[list[float], list[float]]:
    """Semantic entropy, and how right the majority is, after each of the rule's sizes."""
    drawn = [subgroup(group, order_n[:size]) for size in rule.sizes]
    return (
        [recorded_semantic_entropy(part, config).value for part in drawn],
        [majority_at_k(part, len(part.valid_G)) for part in drawn],
    )
