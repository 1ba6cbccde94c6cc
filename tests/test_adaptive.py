"""The adaptive rule and its replay, and the entropy of few samples against that of many; numbers worked by hand."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from recorded_group import recorded_group
from seed_grpo.config import SemanticEntropyConfig
from seed_grpo.errors import ConfigError
from seed_grpo.evaluate.adaptive import Rule, curve
from seed_grpo.evaluate.estimators import ESTIMATORS
from seed_grpo.evaluate.monte_carlo import entropy_by_size
from seed_grpo.evaluate.ranks import midranks, rank_correlation
from seed_grpo.evaluate.rollouts import subgroup

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
    assert found.cheapest(1.0) == strict and found.cheapest(0.1) == lax and found.cheapest(1.1) is None


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
    """A prompt of two equally large classes of eight: log 2 for all. Two of them agree with probability 7/15, and
    then have no entropy, else log 2: the bias is -7/15 log 2. One of a single class has none at either size."""
    halves = recorded_group("R" * 8 + "W" * 8, [0] * 8 + [1] * 8)
    same = recorded_group("R" * 16, [0] * 16)
    chosen = {SHANNON: ESTIMATORS[SHANNON]}
    two, all_of_them = entropy_by_size([halves] * 300 + [same] * 300, [2, 16], chosen, seed=1)
    assert two.truth == all_of_them.truth == pytest.approx(math.log(2) / 2)
    assert two.bias == pytest.approx(-7 / 15 * math.log(2) / 2, abs=0.01)
    assert two.rmse == pytest.approx(math.sqrt(7 / 15 / 2) * math.log(2), abs=0.01)
    assert (all_of_them.bias, all_of_them.rmse) == (pytest.approx(0), pytest.approx(0))
    assert all_of_them.rank_correlation == pytest.approx(1)
    assert 0.4 < two.rank_correlation < 0.7  # half of the split prompts look like the others


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
