"""Quality of uncertainty measures: how well they tell right answers from wrong ones, and calibration.

Consumes the recorded groups of one evaluation. Produces, for each set and each of `estimators.ESTIMATORS`, AUROC with a
bootstrap interval, the risk-coverage curve and its area, against two answers: the majority answer of the sampled
completions, and the greedy answer where there is one. It samples, judges and draws nothing.

Correctness y lies in [0, 1]: a majority tied between a right and a wrong answer is right with 1/2, and counts as half a
right and half a wrong problem. Problems whose group has fewer than two completions in the partition are left out and
counted, for every estimator alike, so that all are measured on the same problems.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seed_grpo.evaluate.metrics.estimators import ESTIMATORS
from seed_grpo.evaluate.metrics.intervals import TIE_DECIMALS, percentile_interval, resample_counts
from seed_grpo.evaluate.metrics.pass_at_k import Problem, by_source, majority_at_k, majority_share
from seed_grpo.evaluate.reports.formatting import Measured, escaped, json_ready, number, table
from seed_grpo.records.rollout_table import RecordedGroup

RESAMPLES = 2_000
"""resamples of the bootstrap; every estimator ranks each of them"""
NUM_BINS = 10
CURVE_POINTS = 200
"""points recorded of a risk-coverage curve, at most; its area is computed from all points"""


@dataclass(frozen=True)
class Curve:
    """A risk-coverage curve: the share of wrong answers among the most certain ones, e.g. 0.1 at a coverage of 0.5."""

    coverage: tuple[float, ...]
    """share of the problems answered, ascending to 1"""
    risk: tuple[float, ...]
    """share of wrong answers among those answered"""


@dataclass(frozen=True)
class Quality:
    """Quality of one estimator, against one answer."""

    auroc: Measured
    """area under the ROC curve. 1/2: the estimator says nothing; 1: each wrong answer is less certain than each right
    one"""
    aurc: float
    """area under the curve, in [0, 1]: the lower, the better"""
    curve: Curve


@dataclass(frozen=True)
class Bin:
    """Problems with a confidence in (low, high]; the first bin has 0 too."""

    low: float
    high: float
    problems: int
    confidence: float
    """mean majority share of the bin's problems; nan for an empty bin, as the accuracy"""
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """Calibration of the majority share as the probability that the majority answer is right."""

    ece: float
    """expected calibration error"""
    brier: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class SourceUncertainty:
    """Quality of all estimators on one set."""

    source: str
    problems: int
    """problems sampled that have at least two completions in the partition"""
    left_out: int
    """problems sampled that have fewer"""
    error_majority: float
    """share of wrong majority answers: the risk at full coverage, and the mean area of measures that say nothing"""
    error_greedy: float
    """share of wrong greedy answers; nan without greedy completions"""
    majority: dict[str, Quality]
    """quality against the majority answer, by estimator"""
    greedy: dict[str, Quality]
    """quality against the greedy answer, by estimator; empty without greedy completions"""
    calibration: Calibration


@dataclass(frozen=True)
class UncertaintyReport:
    """All sets, in alphabetical order."""

    sources: tuple[SourceUncertainty, ...]
    resamples: int
    seed: int

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON: nan is null."""
        return json_ready(self)


@dataclass(frozen=True)
class _Sampled:
    values_E: tuple[float, ...]
    """values [E] in the order of `ESTIMATORS`"""
    right: float
    """expected correctness of the majority answer"""
    share: float


def uncertainty(groups: Iterable[RecordedGroup], seed: int = 0, resamples: int = RESAMPLES) -> UncertaintyReport:
    """The quality of every estimator on one evaluation.

    Args:
        groups: greedy and sampled ones in any order; read once, and not kept.
        seed: of the bootstrap.

    Raises:
        DataError: as `pass_at_k.by_source`.
    """

    def sampled(group: RecordedGroup) -> _Sampled:
        num_valid = int(np.sum(group.valid_G))
        values_E = tuple(round(estimator(group), TIE_DECIMALS) for estimator in ESTIMATORS.values())
        return _Sampled(values_E, majority_at_k(group, num_valid) if num_valid else math.nan, majority_share(group))

    sources = (_of_source(*item, seed, resamples) for item in by_source(groups, sampled).items())
    return UncertaintyReport(tuple(each for each in sources if each.problems or each.left_out), resamples, seed)


def _of_source(source: str, problems: Sequence[Problem[_Sampled]], seed: int, resamples: int) -> SourceUncertainty:
    pairs = [(each.sampled, each.greedy) for each in problems if each.sampled is not None]
    known = [(sampled, greedy) for sampled, greedy in pairs if not any(map(math.isnan, sampled.values_E))]
    values_PE = np.array([sampled.values_E for sampled, _ in known]).reshape(len(known), len(ESTIMATORS))
    right_P = np.array([sampled.right for sampled, _ in known])
    greedy_P = np.array([math.nan if greedy is None else greedy for _, greedy in known])
    shares_P = np.array([sampled.share for sampled, _ in known])
    judged_P = ~np.isnan(greedy_P)
    return SourceUncertainty(
        source,
        len(known),
        len(pairs) - len(known),
        _mean(1 - right_P),
        _mean(1 - greedy_P[judged_P]),
        _qualities(values_PE, right_P, seed, resamples) if len(known) else {},
        _qualities(values_PE[judged_P], greedy_P[judged_P], seed, resamples) if judged_P.any() else {},
        calibration(shares_P, right_P),
    )


def _qualities(values_PE: np.ndarray, right_P: np.ndarray, seed: int, resamples: int) -> dict[str, Quality]:
    intervals_E = auroc_intervals(values_PE, right_P, seed, resamples)
    areas_and_curves_E = [risk_coverage(values_P, right_P) for values_P in values_PE.T]
    return {
        name: Quality(auroc, area, curve)
        for name, auroc, (area, curve) in zip(ESTIMATORS, intervals_E, areas_and_curves_E, strict=True)
    }


def auroc_intervals(values_PE: np.ndarray, right_P: np.ndarray, seed: int, resamples: int) -> list[Measured]:
    """AUROC of E measures with bootstrap intervals over problems; all measures share the resamples.

    Args:
        values_PE: [P, E] the higher, the more uncertain; P at least 1.
        right_P: [P] correctness in [0, 1].
    """
    pairs_E = [_Pairs(values_P, right_P) for values_P in values_PE.T]
    chunks = itertools.chain([np.ones((len(right_P), 1))], resample_counts(len(right_P), seed, resamples))
    aurocs_RE = np.concatenate([np.stack([pairs.aurocs(chunk) for pairs in pairs_E], axis=1) for chunk in chunks])
    return [Measured(*percentile_interval(float(all_R[0]), all_R[1:]), len(right_P)) for all_R in aurocs_RE.T]


def auroc(values_P: np.ndarray, right_P: np.ndarray) -> float:
    """Probability that a wrong answer is less certain than a right one, a tie counting 1/2 (Mann-Whitney, midranks).

    Args:
        values_P: [P] the higher, the more uncertain.
        right_P: [P] correctness y in [0, 1]; a problem weighs y among the right and 1 - y among the wrong.

    Returns:
        nan where all are right or all are wrong.
    """
    return float(_Pairs(values_P, right_P).aurocs(np.ones((len(right_P), 1)))[0])


class _Pairs:
    """The pairs of a wrong and a right problem, ordered by one measure."""

    def __init__(self, values_P: np.ndarray, right_P: np.ndarray) -> None:
        self._wrong, right = np.flatnonzero(right_P < 1), np.flatnonzero(right_P > 0)
        self._right = right[np.argsort(values_P[right])]
        self._wrong_weights, self._right_weights = 1 - right_P[self._wrong, None], right_P[self._right, None]
        ascending = values_P[self._right]
        self._below = np.searchsorted(ascending, values_P[self._wrong], "left")
        self._upto = np.searchsorted(ascending, values_P[self._wrong], "right")

    def aurocs(self, counts_PR: np.ndarray) -> np.ndarray:
        """AUROC [R] of each resample, with each problem counted as often as it was drawn."""
        wrong_WR = counts_PR[self._wrong] * self._wrong_weights
        cumulated = np.zeros((len(self._right) + 1, counts_PR.shape[1]))
        np.cumsum(counts_PR[self._right] * self._right_weights, axis=0, out=cumulated[1:])
        won_R, won_or_tied_R = (
            np.einsum("wr,wr->r", wrong_WR, cumulated[index_W]) for index_W in (self._below, self._upto)
        )
        with np.errstate(invalid="ignore"):
            return (won_R + won_or_tied_R) / 2 / (wrong_WR.sum(axis=0) * cumulated[-1])


def risk_coverage(values_P: np.ndarray, right_P: np.ndarray) -> tuple[float, Curve]:
    """Area under the risk-coverage curve, and the curve (El-Yaniv and Wiener 2010; Geifman and El-Yaniv 2017).

    Answering the j most certain of P problems has the coverage j/P and as its risk the share of wrong answers among
    them; the area is the mean risk over j = 1..P. Among problems of the same value any order is as likely: each counts
    with the mean error of all of that value, which is the expectation over the orders, so the order of the input does
    not matter.

    Args:
        values_P: [P] the higher, the more uncertain; P at least 1.
        right_P: [P] correctness in [0, 1].
    """
    _, block_P, sizes_K = np.unique(values_P, return_inverse=True, return_counts=True)
    errors_K = np.bincount(block_P, 1 - right_P) / sizes_K
    answered_P = np.arange(1, len(values_P) + 1)
    risk_P = np.cumsum(np.repeat(errors_K, sizes_K)) / answered_P
    shown = np.unique(np.linspace(0, len(values_P) - 1, CURVE_POINTS).round().astype(int))
    return float(risk_P.mean()), Curve(
        tuple((answered_P[shown] / len(values_P)).tolist()), tuple(risk_P[shown].tolist())
    )


def calibration(confidence_P: np.ndarray, right_P: np.ndarray) -> Calibration:
    """Expected calibration error and reliability table (Guo et al. 2017, arXiv 1706.04599, Eq. 2 and 3), Brier score.

    ECE is the mean over problems of |accuracy - confidence| of their bin, for `NUM_BINS` bins of equal width. The Brier
    score is the mean of (confidence - outcome)^2, in expectation where y is fractional: y (1-c)^2 + (1-y) c^2.

    Args:
        confidence_P: [P] in [0, 1].
        right_P: [P] correctness in [0, 1].
    """
    index_P = np.maximum(np.ceil(confidence_P * NUM_BINS).astype(int) - 1, 0)
    bins = []
    for index in range(NUM_BINS):
        inside_P = index_P == index
        means = _mean(confidence_P[inside_P]), _mean(right_P[inside_P])
        bins.append(Bin(index / NUM_BINS, (index + 1) / NUM_BINS, int(inside_P.sum()), *means))
    gaps = sum(each.problems * abs(each.accuracy - each.confidence) for each in bins if each.problems)
    brier_P = right_P * (1 - confidence_P) ** 2 + (1 - right_P) * confidence_P**2
    return Calibration(gaps / len(right_P) if len(right_P) else math.nan, _mean(brier_P), tuple(bins))


def _mean(values_P: np.ndarray) -> float:
    return float(values_P.mean()) if len(values_P) else math.nan


def markdown(report: UncertaintyReport) -> str:
    """Page with a table of the estimators and the reliability table of each set."""
    lines = []
    for each in report.sources:
        columns = ["estimator"]
        for answer in ["majority", "greedy"] if each.greedy else ["majority"]:
            columns += [f"AUROC ({answer})", f"AURC ({answer})"]
        rows = [
            [f"`{name}`", *_cells(each.majority[name]), *(_cells(each.greedy[name]) if each.greedy else [])]
            for name in each.majority
        ]
        bins = [
            [f"{b.low:.1f} to {b.high:.1f}", str(b.problems), number(b.confidence), number(b.accuracy)]
            for b in each.calibration.bins
        ]
        lines += [
            f"### {escaped(each.source) or 'unnamed set'}",
            "",
            f"{each.problems} problems; {each.left_out} more have fewer than two completions in the partition. "
            f"Share of wrong answers: majority {number(each.error_majority)}, greedy {number(each.error_greedy)}.",
            "",
            *table(columns, rows),
            f"Majority share as confidence: expected calibration error {number(each.calibration.ece)}, "
            f"Brier score {number(each.calibration.brier)}.",
            "",
            *table(["majority share", "problems", "mean share", "accuracy"], bins),
        ]
    lines += [
        f"AUROC with 95% intervals, percentiles of {report.resamples:,} bootstrap resamples over problems "
        f"(seed {report.seed}); 0.5 says nothing, 1 is perfect. AURC: the lower, the better; a measure "
        "that says nothing gets the share of wrong answers.",
        "",
    ]
    return "\n".join(lines)


def _cells(quality: Quality) -> list[str]:
    auroc, area = quality.auroc, number(quality.aurc)
    return [f"{number(auroc.value)} [{number(auroc.low)}, {number(auroc.high)}]", area]
