"""Every scale, advantage, entropy and aggregation of tokens, and the examples: what all of a kind must hold."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seed_grpo.algo.advantage import ADVANTAGES, advantages_G
from seed_grpo.algo.loss import AGGREGATIONS, token_weights_B
from seed_grpo.algo.scale import SCALES, scale
from seed_grpo.config.sections import ScaleConfig, SemanticEntropyConfig
from seed_grpo.semantics.entropy import FUNCTIONALS, semantic_entropy
from seed_grpo.testing import check_scale


@pytest.mark.parametrize("kind", [*SCALES, "own_scale:threshold"])
def test_every_scale_is_1_without_uncertainty_and_within_0_and_1(kind, examples):
    check_scale(kind, ScaleConfig(alpha=1.0, gamma=3.0))
    assert scale(0.0, 0.0, ScaleConfig(kind=kind)) == 1.0  # fewer than two completions: no uncertainty is known


@pytest.mark.parametrize("kind", ADVANTAGES)
def test_advantages_without_a_signal_are_exact_zeros(kind):
    # (0.1 + 0.1 + 0.1) / 3 is not 0.1: a plain r - mean(r) leaves -1e-17, and rows that have no signal would be run
    equal = advantages_G(np.full(3, 0.1), np.ones(3, bool), kind)
    alone = advantages_G(np.array([1.0, 0.0]), np.array([True, False]), kind)
    assert not equal.any() and not alone.any()


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_token_weights_without_tokens_are_zeros(aggregation):
    assert token_weights_B(np.array([0, 0]), aggregation, 6, 10).tolist() == [0, 0]
    assert token_weights_B(np.array([], np.int64), aggregation, 6, 10).tolist() == []


@pytest.mark.parametrize("functional", [*FUNCTIONALS, "own_scale:collision"])
def test_entropies_run_from_one_class_to_equal_singletons(functional, examples):
    config = SemanticEntropyConfig(mass="counts", functional=functional)
    assert semantic_entropy(np.zeros(8, np.int32), np.zeros(8), config) == (0.0, math.log(8), False)
    assert semantic_entropy(np.arange(8), np.zeros(8), config).value == pytest.approx(math.log(8))
    orders = [np.random.default_rng(seed).permutation([0, 0, 0, 1, 1, 2, 3, -1]) for seed in range(5)]
    values = [semantic_entropy(classes_G, np.zeros(8), config).value for classes_G in orders]
    assert values == pytest.approx([values[0]] * 5) and 0 < values[0] < math.log(7)
