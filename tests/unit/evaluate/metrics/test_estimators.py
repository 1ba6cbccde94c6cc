"""Estimators of uncertainty: numbers worked by hand, and scipy on random groups."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import entropy

from seed_grpo.evaluate.metrics.estimators import ESTIMATORS
from support.recorded_group import random_group, recorded_group

# Classes of 3 and 1; the fifth, timed out, takes no part, whatever its likelihood and length are.
LOGPROBS = np.log([0.1, 0.1, 0.2, 0.4, 0.9])
GROUP = recorded_group("RRRWT", [0, 0, 0, 1, -1], mean_logprobs=LOGPROBS, num_tokens=[1, 1, 1, 2, 100])

BY_HAND = {
    # p = 3/4, 1/4: the mean of -ln over the classes, (0.287682 + 1.386294) / 2; over the samples it would be Shannon's
    "semantic_entropy/paper/counts": 0.836988,
    "semantic_entropy/shannon/counts": 0.562335,
    # by mean 0.1 + 0.1 + 0.2 against 0.4: p = 1/2, 1/2. The paper's functional over counts would give 0.837.
    "semantic_entropy/paper/mean": math.log(2),
    "semantic_entropy/shannon/mean": math.log(2),
    # by sum 0.4 against 0.4^2 = 0.16: p = 5/7, 2/7. -(ln 5/7 + ln 2/7) / 2; Shannon 0.240337 + 0.357932
    "semantic_entropy/paper/sum": 0.794618,
    "semantic_entropy/shannon/sum": 0.598270,
    # -(3 ln 0.4 + ln 0.16) / 4 = -5/4 ln 0.4; over the two classes it would be -3/2 ln 0.4 = 1.374
    "semantic_entropy/monte_carlo": 1.145363,
    "num_classes": 2.0,
    # the timed out one in the denominator would give 1 - 3/5
    "minority_share": 0.25,
    "pair_disagreement": 1 - (9 + 1) / 16,
    # -(ln 0.1 + ln 0.1 + ln 0.2 + ln 0.4) / 4 = -ln(0.0008) / 4; by token, with five of them, it would be 1.6094
    "token_entropy": 1.782725,
    # -ln(0.1 * 0.1 * 0.2 * 0.16) / 4
    "predictive_entropy": 2.011797,
    "num_tokens": 1.25,
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_worked_by_hand(name: str) -> None:
    assert ESTIMATORS[name](GROUP) == pytest.approx(BY_HAND[name], abs=1e-6)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_fewer_than_two_completions_in_the_partition_say_nothing(name: str) -> None:
    assert math.isnan(ESTIMATORS[name](recorded_group("RTE", [0, -1, -1])))  # 0 would read as certain
    assert math.isnan(ESTIMATORS[name](recorded_group("TT", [-1, -1])))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_order_of_the_completions_does_not_matter(name: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        group = random_group(rng, 9)
        order = rng.permutation(9)
        arrays = ("class_ids_G", "valid_G", "mean_logprobs_G", "num_tokens_G", "rewards_G")
        permuted = dataclasses.replace(
            group,
            **{field: getattr(group, field)[order] for field in arrays},
            verdicts_G=tuple(group.verdicts_G[i] for i in order),
        )
        assert ESTIMATORS[name](permuted) == pytest.approx(ESTIMATORS[name](group), nan_ok=True)


@pytest.mark.parametrize("name", ["semantic_entropy/shannon/counts", "num_classes", "minority_share"])
def test_more_ways_to_answer_are_more_uncertain(name: str) -> None:
    groups = [recorded_group("RRRR", classes) for classes in ([0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 2], [0, 1, 2, 3])]
    values = [ESTIMATORS[name](group) for group in groups]
    assert values == sorted(set(values))


def test_scipy_agrees_on_random_groups() -> None:
    rng = np.random.default_rng(0)
    compared = 0
    for _ in range(200):
        group = random_group(rng, int(rng.integers(2, 17)))
        inside = group.class_ids_G >= 0
        if inside.sum() < 2:
            continue
        compared += 1
        ids = group.class_ids_G[inside]
        means = group.mean_logprobs_G[inside]
        sums = means * group.num_tokens_G[inside]
        counts = np.unique(ids, return_counts=True)[1]
        assert ESTIMATORS["semantic_entropy/shannon/counts"](group) == pytest.approx(entropy(counts))
        assert ESTIMATORS["pair_disagreement"](group) == pytest.approx(1 - np.mean(ids[:, None] == ids[None, :]))
        maximum = math.log(len(ids))
        for kind, likelihoods in (("mean", means), ("sum", sums)):
            log_mass = np.array([logsumexp(likelihoods[ids == k]) for k in np.unique(ids)]) - logsumexp(likelihoods)
            assert ESTIMATORS[f"semantic_entropy/shannon/{kind}"](group) == pytest.approx(
                entropy(np.exp(log_mass)), abs=1e-9
            )
            assert ESTIMATORS[f"semantic_entropy/paper/{kind}"](group) == pytest.approx(
                min(-log_mass.mean(), maximum), abs=1e-9
            )
    assert compared > 150


def test_token_entropy_is_the_mean_entropy_of_the_distributions_drawn_from() -> None:
    """Two tokens, the second's distribution given by the first: H = H(first) + E[H(second)], by enumeration."""
    first, second = np.array([0.7, 0.3]), np.array([[0.5, 0.5], [0.9, 0.1]])
    expected = (entropy(first) + first @ entropy(second, axis=1)) / 2
    joint = first[:, None] * second
    rng = np.random.default_rng(2)
    drawn = rng.choice(4, size=40_000, p=joint.ravel())
    group = recorded_group(
        "R" * len(drawn),
        np.zeros(len(drawn)),
        mean_logprobs=np.log(joint.ravel())[drawn] / 2,
        num_tokens=[2] * len(drawn),
    )
    # the standard error is about 0.0015; the greedy path's entropy would give (0.611 + 0.693) / 2 = 0.652 for 0.596
    assert ESTIMATORS["token_entropy"](group) == pytest.approx(expected, abs=0.008)
    assert ESTIMATORS["predictive_entropy"](group) == pytest.approx(2 * expected, abs=0.016)
