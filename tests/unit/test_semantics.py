"""Partition and semantic entropy: numbers worked by hand, invariances."""

import itertools
import math

import numpy as np
import pytest

from seed_grpo.config import SemanticEntropyConfig
from seed_grpo.semantics.entropy import class_log_mass, log_likelihood, semantic_entropy
from seed_grpo.semantics.partition import partition

COUNTS_SHANNON = SemanticEntropyConfig(mass="counts", functional="shannon")
COUNTS_PAPER = SemanticEntropyConfig(mass="counts", functional="paper")
LIKELIHOOD_PAPER = SemanticEntropyConfig(mass="likelihood", functional="paper")
ALL = [
    SemanticEntropyConfig(mass=mass, functional=functional)
    for mass in ("counts", "likelihood")
    for functional in ("paper", "shannon")
]


def ids(*values):
    return np.array(values, dtype=np.int32)


def test_partition_by_equality_alone():
    assert partition(["a", "b", "a", None, "c", "b"]).tolist() == [0, 1, 0, -1, 2, 1]


def test_partition_takes_components_of_the_symmetrized_relation():
    # 1 ~ 2 only as same(2, 1), 2 ~ 3 only as same(2, 3): one component {1, 2, 3}. Greedy clustering against the first
    # member (1 against 3) would split it, and a one-sided call would miss same(2, 1).
    related = {(2, 1), (2, 3)}
    keys = [1, 3, 2, 4, 1]
    assert partition(keys, lambda a, b: (a, b) in related).tolist() == [0, 0, 0, 1, 0]


def test_partition_does_not_depend_on_the_order_of_the_answers():
    related = {(1, 2), (3, 2), (5, 4)}
    keys = [1, 2, 3, 4, 5, 6]
    for permuted in itertools.permutations(keys):
        classes = partition(permuted, lambda a, b: (a, b) in related)
        by_class = {frozenset(k for k, c in zip(permuted, classes, strict=True) if c == name) for name in classes}
        assert by_class == {frozenset({1, 2, 3}), frozenset({4, 5}), frozenset({6})}
        assert list(dict.fromkeys(classes.tolist())) == [0, 1, 2]  # by order of first appearance


def test_partition_asks_once_about_equal_keys():
    asked = []

    def same(a, b):
        asked.append((a, b))
        return False

    partition(["a"] * 8 + ["b"] * 8, same)
    assert asked == [("a", "b"), ("b", "a")]


def test_entropy_of_counts():
    # classes of 3 and 1: p = 3/4, 1/4. Shannon: -(3/4 ln 3/4 + 1/4 ln 1/4) = 0.215762 + 0.346574 = 0.562335.
    # Paper: -(ln 3/4 + ln 1/4)/2 = (0.287682 + 1.386294)/2 = 0.836988; the mean over samples would give Shannon again.
    classes, any_likelihood = ids(0, 0, 1, 0), np.array([-5.0, -1.0, -3000.0, 0.0])
    assert semantic_entropy(classes, any_likelihood, COUNTS_SHANNON).value == pytest.approx(0.562335, abs=1e-6)
    assert semantic_entropy(classes, any_likelihood, COUNTS_PAPER).value == pytest.approx(0.836988, abs=1e-6)


def test_entropy_of_likelihoods():
    # l = ln 1, ln 1, ln 2 (up to a common factor, which renormalising removes): masses 1/4 + 1/4 and 2/4, so both
    # functionals give ln 2. Counts would give p = 2/3, 1/3 and 0.752 (paper).
    likelihoods = np.log([0.1, 0.1, 0.2])
    for functional in ("paper", "shannon"):
        config = SemanticEntropyConfig(mass="likelihood", functional=functional)
        assert semantic_entropy(ids(0, 0, 1), likelihoods, config).value == pytest.approx(math.log(2))


@pytest.mark.parametrize("config", ALL, ids=str)
def test_one_class_is_exactly_zero_and_equal_singletons_are_log_n(config):
    likelihoods = np.full(7, -3000.1)
    one = semantic_entropy(ids(*[0] * 7), np.linspace(-3000, -1, 7), config)
    assert one == (0.0, math.log(7), False)
    each = semantic_entropy(ids(*range(7)), likelihoods, config)
    assert each.value == pytest.approx(math.log(7)) and each.value <= each.maximum and not each.clipped


def test_unequal_singletons_exceed_the_maximum_and_are_clipped():
    # p = 0.9, 0.1: paper gives -(ln 0.9 + ln 0.1)/2 = 1.204 > ln 2 = 0.693
    entropy = semantic_entropy(ids(0, 1), np.log([0.9, 0.1]), LIKELIHOOD_PAPER)
    assert entropy == (math.log(2), math.log(2), True)


def test_masses_stay_finite_for_very_unlikely_completions():
    # exp(-3000) is 0 in floating point: outside log space both masses would be 0/0
    log_mass = class_log_mass(ids(0, 1), np.array([-3000.0, -3000.0 + math.log(3)]), "likelihood")
    assert np.exp(log_mass) == pytest.approx([0.25, 0.75])


@pytest.mark.parametrize("config", ALL, ids=str)
def test_what_is_outside_the_partition_does_not_count(config):
    inside = semantic_entropy(ids(0, 1, 0), np.array([-1.0, -2.0, -0.5]), config)
    with_others = semantic_entropy(ids(0, -1, 1, 0, -1), np.array([-1.0, 0.0, -2.0, -0.5, -9.0]), config)
    assert with_others == inside and inside.maximum == math.log(3)


@pytest.mark.parametrize("config", ALL, ids=str)
def test_fewer_than_two_say_nothing(config):
    assert semantic_entropy(ids(), np.array([]), config) == (0.0, 0.0, False)
    assert semantic_entropy(ids(-1, 0), np.array([-1.0, -2.0]), config) == (0.0, 0.0, False)


def test_log_likelihood():
    logprobs = np.array([-1.0, -3.0], dtype=np.float32)
    assert log_likelihood(logprobs, "mean") == -2.0
    assert log_likelihood(logprobs, "sum") == -4.0
    assert log_likelihood(logprobs[:0], "mean") == 0.0  # a mean of nothing would be NaN
    with pytest.raises(ValueError, match="median"):
        log_likelihood(logprobs, "median")
