"""AUROC, risk-coverage and calibration: by hand, against scikit-learn, and against enumeration of orders."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from seed_grpo.evaluate.metrics.estimators import ESTIMATORS
from seed_grpo.evaluate.metrics.intervals import resample_counts
from seed_grpo.evaluate.metrics.uncertainty import (
    CURVE_POINTS,
    auroc,
    auroc_intervals,
    calibration,
    markdown,
    risk_coverage,
    uncertainty,
)
from seed_grpo.records.rollout_table import RecordedGroup
from support.recorded_group import random_group, recorded_group


def test_auroc_worked_by_hand() -> None:
    # Wrong at 3 and 1, right at 1 and 2: pairs 3>1, 3>2, 1=1, 1<2: (1 + 1 + 1/2 + 0) / 4. The other orientation
    # (certain of the wrong) would give 0.375, ties as losses 0.5, as wins 0.75.
    assert auroc(np.array([3.0, 1.0, 1.0, 2.0]), np.array([0.0, 0.0, 1.0, 1.0])) == 0.625
    assert math.isnan(auroc(np.array([1.0, 2.0]), np.ones(2))) and math.isnan(auroc(np.array([1.0, 2.0]), np.zeros(2)))


@pytest.mark.parametrize("distinct", [2, 5, 10_000])
def test_auroc_agrees_with_scikit_learn(distinct: int) -> None:
    rng = np.random.default_rng(distinct)
    for _ in range(20):
        values, right = rng.integers(distinct, size=60) / 7, rng.random(60) < 0.6
        assert auroc(values, right.astype(float)) == pytest.approx(roc_auc_score(~right, values), abs=1e-12)


def test_a_tied_majority_is_half_right_and_half_wrong() -> None:
    rng = np.random.default_rng(3)
    values, right = rng.integers(8, size=50).astype(float), rng.choice([0, 1 / 3, 1 / 2, 1], size=50)
    labels, weights = np.repeat([1, 0], 50), np.concatenate([1 - right, right])
    expected = roc_auc_score(labels, np.tile(values, 2), sample_weight=weights)
    assert auroc(values, right) == pytest.approx(expected, abs=1e-12)


def test_auroc_intervals_are_those_of_scikit_learn_on_the_drawn_problems() -> None:
    rng = np.random.default_rng(4)
    right = rng.random(80) < 0.6
    values = np.stack([rng.normal(size=80) - right, rng.integers(3, size=80) - right], axis=1)
    ours = auroc_intervals(values, right.astype(float), seed=0, resamples=150)
    counts = np.concatenate(list(resample_counts(80, seed=0, resamples=150)), axis=1).astype(int)
    drawn = [np.repeat(np.arange(80), column) for column in counts.T]
    for measured, column in zip(ours, values.T, strict=True):
        theirs = np.quantile([roc_auc_score(~right[i], column[i]) for i in drawn], [0.025, 0.975])
        assert [measured.low, measured.high] == pytest.approx(theirs.tolist(), abs=1e-12)
        assert measured.value == pytest.approx(roc_auc_score(~right, column)) and measured.problems == 80


def test_risk_coverage_worked_by_hand() -> None:
    # By certainty: right, wrong, right, wrong: risks 0, 1/2, 1/3, 1/2, of which the area is the mean, 1/3.
    # From the least certain on it would be 1, 1/2, 2/3, 1/2.
    area, curve = risk_coverage(np.array([4.0, 1.0, 3.0, 2.0]), np.array([0.0, 1.0, 1.0, 0.0]))
    assert curve.coverage == (0.25, 0.5, 0.75, 1.0)
    assert curve.risk == pytest.approx((0, 1 / 2, 1 / 3, 1 / 2)) and area == pytest.approx(1 / 3)


def test_ties_give_the_expectation_over_their_orders() -> None:
    # Blocks of equal values {right}, {wrong, right, wrong}, {right}: the mean over all orders inside the blocks
    values, right = np.array([2.0, 2.0, 1.0, 3.0, 2.0]), np.array([0.0, 1.0, 1.0, 1.0, 0.0])
    risks = []
    for order in itertools.permutations(range(5)):
        if (np.diff(values[list(order)]) >= 0).all():
            risks.append(np.cumsum(1 - right[list(order)]) / np.arange(1, 6))
    area, curve = risk_coverage(values, right)
    assert curve.risk == pytest.approx(np.mean(risks, axis=0)) and area == pytest.approx(np.mean(risks))
    for order in itertools.permutations(range(5)):
        assert risk_coverage(values[list(order)], right[list(order)])[1] == curve


def test_the_area_of_a_constant_measure_is_the_share_of_wrong_answers() -> None:
    assert risk_coverage(np.zeros(8), np.array([1.0, 0, 0, 1, 1, 1, 1, 1]))[0] == pytest.approx(0.25)


def test_a_long_curve_is_thinned_and_its_area_is_not() -> None:
    rng = np.random.default_rng(0)
    values, right = rng.random(1500), (rng.random(1500) < 0.5).astype(float)
    area, curve = risk_coverage(values, right)
    risks = np.cumsum(1 - right[np.argsort(values)]) / np.arange(1, 1501)
    assert area == pytest.approx(risks.mean()) and len(curve.risk) == len(curve.coverage) == CURVE_POINTS
    assert curve.coverage[0] == 1 / 1500 and curve.coverage[-1] == 1.0
    assert curve.risk == pytest.approx([risks[round(1500 * coverage) - 1] for coverage in curve.coverage])


def test_calibration_worked_by_hand() -> None:
    # (0.6, 0.7]: 0.7 and 0.7, one right: gap |1/2 - 0.7|; (0.9, 1]: 1, wrong: gap 1; [0, 0.1]: 0, wrong: gap 0.
    # ECE (2 * 0.2 + 1 + 0) / 4 = 0.35; the mean over the three bins would be 0.4, problem by problem it would be 0.5.
    # Brier (0.3^2 + 0.7^2 + 1 + 0) / 4.
    result = calibration(np.array([0.7, 0.7, 1.0, 0.0]), np.array([1.0, 0.0, 0.0, 0.0]))
    assert result.ece == pytest.approx(0.35) and result.brier == pytest.approx((0.09 + 0.49 + 1) / 4)
    assert [each.problems for each in result.bins] == [1, 0, 0, 0, 0, 0, 2, 0, 0, 1]
    assert (result.bins[6].low, result.bins[6].high, result.bins[6].accuracy) == (0.6, 0.7, 0.5)
    assert math.isnan(result.bins[1].accuracy)


def test_shares_on_the_edges_of_bins_are_in_the_lower_one() -> None:
    # each bin has k/10 - 1/20 and k/10; of bins with their lower edge the first would have one and the last three
    shares = np.array([count / 20 for count in range(1, 21)])
    assert [each.problems for each in calibration(shares, np.ones(20)).bins] == [2] * 10


def test_brier_score_agrees_with_scikit_learn_and_is_an_expectation() -> None:
    rng = np.random.default_rng(5)
    confidence, right = rng.random(40), (rng.random(40) < 0.7).astype(float)
    assert calibration(confidence, right).brier == pytest.approx(brier_score_loss(right, confidence))
    # right in half of the cases at a confidence of 1/2: 1/4 either way; (1/2 - 1/2)^2 would be 0
    assert calibration(np.array([0.5]), np.array([0.5])).brier == 0.25


def evaluation(rng: np.random.Generator) -> list[RecordedGroup]:
    """Certain and right, uncertain and wrong, and random ones; a greedy answer to all but two, one more timed out."""
    groups = [recorded_group("RRRR", [0] * 4, "sure"), recorded_group("WWWR", [0, 1, 2, 3], "unsure")]
    groups += [random_group(rng, 8, f"random-{i:02d}") for i in range(30)]
    groups.append(recorded_group("RTTT", [0, -1, -1, -1], "alone"))
    greedy = [recorded_group("RW"[i % 2], [0], group.problem_id, greedy=True) for i, group in enumerate(groups[:-1])]
    greedy[3] = recorded_group("T", [-1], groups[3].problem_id, greedy=True)
    return groups + greedy[:-1]


def test_report() -> None:
    groups = evaluation(np.random.default_rng(0))
    (of_set,) = uncertainty(groups, resamples=50).sources
    # left out are "alone", and the random ones that have as few
    few = sum(np.sum(group.class_ids_G >= 0) < 2 for group in groups if group.temperature > 0)
    assert (of_set.problems, of_set.left_out) == (33 - few, few)
    assert list(of_set.majority) == list(of_set.greedy) == list(ESTIMATORS)
    assert {quality.auroc.problems for quality in of_set.majority.values()} == {of_set.problems}
    # without the one that timed out and the one that has no greedy answer
    assert {quality.auroc.problems for quality in of_set.greedy.values()} == {of_set.problems - 2}
    sampled = {group.problem_id: group for group in groups if group.temperature > 0}
    pairs = [
        (ESTIMATORS["token_entropy"](sampled[group.problem_id]), group.rewards_G[0])
        for group in groups
        if group.temperature == 0 and group.valid_G[0]
    ]
    values, right = (np.array(column) for column in zip(*pairs, strict=True))
    known = ~np.isnan(values)
    assert of_set.greedy["token_entropy"].auroc.value == pytest.approx(roc_auc_score(right[known] == 0, values[known]))
    assert of_set.error_greedy == pytest.approx(1 - right[known].mean())
    assert of_set.majority["num_classes"].curve.risk[-1] == pytest.approx(of_set.error_majority)
    assert sum(each.problems for each in of_set.calibration.bins) == of_set.problems


def test_the_order_of_the_groups_does_not_matter() -> None:
    report = uncertainty(evaluation(np.random.default_rng(0)), resamples=50).as_dict()
    groups = evaluation(np.random.default_rng(0))
    np.random.default_rng(1).shuffle(groups)  # type: ignore[arg-type]
    assert uncertainty(groups, resamples=50).as_dict() == report


def test_rounding_breaks_no_ties() -> None:
    # The same class sizes in every order are the same entropy, summed up in another order: some differ in the last bit.
    shapes = list(itertools.permutations([1, 2, 3, 7]))
    groups = [
        recorded_group(
            ("R" if i % 2 else "W") * 13, np.repeat(np.arange(4), shape), f"{i:02d}", mean_logprobs=[-0.1] * 13
        )
        for i, shape in enumerate(shapes)
    ]
    assert len({ESTIMATORS["semantic_entropy/shannon/counts"](group) for group in groups}) > 1
    (of_set,) = uncertainty(groups, resamples=50).sources
    assert {quality.auroc.value for quality in of_set.majority.values()} == {0.5}


def test_a_set_that_says_nothing() -> None:
    # two problems, both right: no wrong answer to tell apart; a set with greedy answers alone is not in the report
    both = [recorded_group("RR", [0, 0], "a"), recorded_group("RR", [0, 1], "b")]
    report = uncertainty([*both, recorded_group("R", [0], "a", "other", greedy=True)], resamples=50)
    (of_set,) = report.sources
    record = json.loads(json.dumps(report.as_dict(), allow_nan=False))["sources"][0]
    assert record["majority"]["num_classes"]["auroc"] == {"value": None, "low": None, "high": None, "problems": 2}
    assert record["greedy"] == {} and record["error_greedy"] is None and of_set.error_majority == 0
    left = uncertainty([recorded_group("RT", [0, -1], "a")], resamples=50).sources[0]
    assert (left.problems, left.left_out, left.majority) == (0, 1, {}) and math.isnan(left.calibration.ece)
    assert "| estimator | AUROC (majority) | AURC (majority) |" in markdown(report)


def test_markdown() -> None:
    report = uncertainty(evaluation(np.random.default_rng(0)), resamples=50)
    lines = markdown(report).splitlines()
    quality = report.sources[0].majority["num_classes"]
    row = next(line for line in lines if line.startswith("| `num_classes` |"))
    auroc_cell = f"{quality.auroc.value:.3f} [{quality.auroc.low:.3f}, {quality.auroc.high:.3f}]"
    assert f"| {auroc_cell} | {quality.aurc:.3f} |" in row
    assert len([line for line in lines if line.startswith("| `")]) == len(ESTIMATORS)
    assert "50 bootstrap resamples" in lines[-1]
