"""The adaptive rule and its replay, and the entropy of few samples against that of many; numbers worked by hand."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from seed_grpo.config.sections import SemanticEntropyConfig
from seed_grpo.errors import ConfigError
from seed_grpo.evaluate.metrics.early_stopping import Point, Rule, curve
from seed_grpo.evaluate.metrics.estimators import ESTIMATORS
from seed_grpo.evaluate.metrics.intervals import midranks, rank_correlation
from seed_grpo.evaluate.metrics.sample_size import entropy_by_size
from seed_grpo.records.rollout_table import subgroup
from support.recorded_group import recorded_group

COUNTS = SemanticEntropyConfig(functional="shannon", mass="counts")
SHANNON = "semantic_entropy/shannon/counts"


def test_the_rule_draws_first_then_more_up_to_most() -> None:
    rule = Rule(4, 3, 9, 0.5)
    assert rule.sizes == [4, 7, 9]
    assert rule.goes_on(4, 0.51) and not rule.goes_on(4, 0.5) and not rule.goes_on(9, 2.0)
    with pytest.raises(ConfigError, match="first=1 answers, then more=2 up to most=8"):
        Rule(1, 2, 8, 0.1)


def test_the_replay_stops_where_answers_agree() -> None:
    """One prompt of eight equal right answers; one of four right ones and four wrong ones in classes of their own.

    At threshold 0 the first stops at 2, and so does the second where the first two agree, with probability
    4/8 x 3/7 = 3/14; at log 8 all stop at 2. Fixed: maj@2 of the second is 1 for two right ones (3/14), 1/2 for one
    right one (2 x 4/8 x 4/7 = 8/14), 0 for two wrong ones: 1/2. maj@8 is 1: four against one, one, one, one.
    """
    sure = recorded_group("R" * 8, [0] * 8, "sure")
    split = recorded_group("RRRRWWWW", [0, 0, 0, 0, 1, 2, 3, 4], "split")
    found = curve([sure] * 100 + [split] * 100, Rule(2, 6, 8, 0.0), [0.0, math.log(8)], COUNTS, seed=0)
    assert found.problems == 200
    assert [point.samples for point in found.fixed] == [2, 8]
    assert [point.accuracy for point in found.fixed] == [pytest.approx((1 + 1 / 2) / 2, abs=0.05), 1.0]
    strict, lax = found.adaptive
    assert strict.samples == pytest.approx((2 + 3 / 14 * 2 + 11 / 14 * 8) / 2, abs=0.3)
    assert strict.accuracy == 1.0  # two that agree are right here
    assert (lax.samples, lax.accuracy) == (2.0, found.fixed[0].accuracy)
    # both halves need threshold 0 to be as right as 8 answers, and any does for 2: of 0 and log 8 the latter is cheaper
    for matched, point in zip(found.matched, (lax, strict), strict=True):
        assert matched is not None
        assert (matched.threshold, matched.samples) == (point.threshold, pytest.approx(point.samples, abs=0.3))


def test_a_threshold_is_tried_on_other_problems_than_it_was_chosen_on() -> None:
    """Two problems, one in each half. On the first two equal right answers need no more; on the second no threshold
    reaches what eight give, since the first two answers always agree and are wrong."""
    sure = recorded_group("RRRR", [0] * 4, "sure")
    entropies = [curve([sure, sure], Rule(2, 2, 4, 0.0), [0.0], COUNTS, seed=0).matched[1]]
    assert entropies == [Point(0.0, 1.0, 2.0)]
    assert curve([sure], Rule(2, 2, 4, 0.0), [0.0], COUNTS, seed=0).matched == (None, None)


def test_a_replay_needs_the_completions_that_it_might_draw() -> None:
    with pytest.raises(ConfigError, match="no problem has 8 valid completions"):
        curve([recorded_group("RRRRRRRT", [0] * 7 + [-1])], Rule(2, 2, 8, 0.0), [0.0], COUNTS, seed=0)


def test_a_subgroup_is_as_if_no_others_had_been_sampled() -> None:
    group = recorded_group("RWWNT", [0, 1, 2, 1, -1], mean_logprobs=[-1, -2, -3, -4, -5])
    part = subgroup(group, np.array([4, 2, 0]))
    assert part.class_ids_G.tolist() == [-1, 1, 0]  # without the gap that class 1 leaves
    assert part.mean_logprobs_G.tolist() == [-5, -3, -1] and part.verdicts_G[2] == "correct"
    assert part.num_classes == 2 and part.token_ids_G is None


def test_the_entropy_of_few_samples_is_too_low_by_hand() -> None:
    """A prompt of two equally large classes of eight. Two of them agree with probability 7/15 and have no entropy, and
    of the others are 6 and 8: H(6/14) = 0.68291; else the two have log 2, and the others, 7 and 7, have too. So the
    truth is 7/15 x 0.68291 + 8/15 log 2 = 0.68837, and the bias -7/15 x 0.68291 = -0.31869. One of a single class has
    no entropy at all. With the two among the others, the truth would be log 2.

    Pairs (0, 0), (0, 0.683), (log 2, log 2) with shares 15/30, 7/30, 8/30: midranks as shares 0.367 and 0.867; 0.25,
    0.617 and 0.867. Covariance 0.0489, variances 0.0489 and 0.0703: 0.834."""
    halves = recorded_group("R" * 8 + "W" * 8, [0] * 8 + [1] * 8)
    same = recorded_group("R" * 16, [0] * 16)
    chosen = {SHANNON: ESTIMATORS[SHANNON]}
    (two,) = entropy_by_size([halves] * 300 + [same] * 300, [2], chosen, seed=1)
    assert two.truth == pytest.approx(0.68837 / 2, abs=2e-4)
    assert two.bias == pytest.approx(-0.31869 / 2, abs=0.01)
    assert two.rmse == pytest.approx(math.sqrt(7 / 15 / 2) * 0.68291, abs=0.01)
    assert two.rank_correlation == pytest.approx(0.834, abs=0.01)


def test_rank_correlation_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 5, 40).astype(float), rng.integers(0, 5, 40).astype(float)
    assert midranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]
    assert rank_correlation(x, y) == pytest.approx(spearmanr(x, y).statistic)
    # ranks 1.5, 1.5, 3 against 1, 2, 3: covariance 1.5 / sqrt(1.5 * 2) = 0.866; without shared ranks it would be 1
    assert rank_correlation(np.array([1.0, 1.0, 5.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(math.sqrt(0.75))
    x[3] = np.nan
    known = ~np.isnan(x)
    assert rank_correlation(x, y) == pytest.approx(spearmanr(x[known], y[known]).statistic)
    assert math.isnan(rank_correlation(np.ones(4), np.arange(4.0)))
    assert math.isnan(rank_correlation(np.zeros(0), np.zeros(0)))
    assert math.isnan(rank_correlation(np.array([1.0, 1.0 + 1e-15]), np.arange(2.0)))
