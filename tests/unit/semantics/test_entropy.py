"""Semantic entropy: numbers worked by hand, invariances."""

import math

import numpy as np
import pytest

from seed_grpo.config.sections import SemanticEntropyConfig
from seed_grpo.errors import ConfigError
from seed_grpo.semantics.entropy import class_log_mass, log_likelihood, semantic_entropy

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


def test_an_entropy_of_ones_own_gets_the_log_masses(examples):
    # own_scale.collision of p = 3/4, 1/4: -log(9/16 + 1/16) = log 1.6
    config = SemanticEntropyConfig(mass="counts", functional="own_scale:collision")
    assert semantic_entropy(ids(0, 0, 1, 0), np.zeros(4), config).value == pytest.approx(math.log(1.6))


def test_an_entropy_of_ones_own_is_clipped_and_has_to_be_a_number():
    def of(name):
        config = SemanticEntropyConfig(mass="counts", functional=f"support.own_functions:{name}")
        return semantic_entropy(ids(0, 0, 1, 0), np.zeros(4), config)

    assert of("high_entropy") == (math.log(4), math.log(4), True)
    assert of("low_entropy") == (0.0, math.log(4), False)
    with pytest.raises(ConfigError, match=r"functional=support.own_functions:no_entropy gives no number"):
        of("no_entropy")
