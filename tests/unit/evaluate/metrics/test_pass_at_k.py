"""pass@k, maj@k, bootstrap and the report of an evaluation: by hand, and against enumeration of all subsets."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter

import numpy as np
import pytest

from seed_grpo.errors import DataError
from seed_grpo.evaluate.metrics.intervals import MAX_BYTES, mean_intervals, resample_counts, wilson_interval
from seed_grpo.evaluate.metrics.pass_at_k import (
    MAX_SUBSETS,
    benchmark,
    majority_at_k,
    majority_share,
    markdown,
    pass_at_k,
    sampled_metrics,
    sizes,
)
from seed_grpo.messages import Verdict
from seed_grpo.records.rollout_table import RecordedGroup
from support.recorded_group import random_group, recorded_group


def test_pass_at_k_is_the_share_of_subsets_with_a_right_one() -> None:
    for n in range(1, 8):
        for right, k in itertools.product(range(n + 1), range(1, n + 1)):
            marks = [i < right for i in range(n)]
            share = np.mean([any(subset) for subset in itertools.combinations(marks, k)])
            assert pass_at_k(n, right, k) == pytest.approx(share, abs=1e-12), (n, right, k)
    # 1 - (1 - c/n)^k, which is often used instead, is biased: 0.75 for 1 of 2 right and k = 2, where it is certain
    assert pass_at_k(2, 1, 2) == 1.0


def test_pass_at_k_with_binomials_that_no_float_holds() -> None:
    # C(2000, 1000) has 600 digits. 1 right of 2000: of half of them one half has it.
    assert pass_at_k(2000, 1, 1000) == pytest.approx(0.5)


@pytest.mark.parametrize(("n", "right", "k"), [(4, 5, 1), (4, 1, 5), (4, 1, 0)])
def test_pass_at_k_of_impossible_numbers(n: int, right: int, k: int) -> None:
    with pytest.raises(ValueError, match=f"k={k}, n={n}, right={right}"):
        pass_at_k(n, right, k)


def test_sizes() -> None:
    assert [sizes(count) for count in (1, 2, 6, 8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]


def majorities(group: RecordedGroup, ks: tuple[int, ...]) -> list[float]:
    return [majority_at_k(group, k) for k in ks]


def test_ties_are_broken_evenly() -> None:
    # Two against two: 1/2, where the class seen first would give 1.
    assert majority_at_k(recorded_group("RRWW", [0, 0, 1, 1]), 4) == 0.5
    # Three against one: 3 of the 6 pairs are right, 3 are tied: 1/2 + 1/4. One completion is right with 3/4.
    assert majorities(recorded_group("RRRW", [0, 0, 0, 1]), (1, 2, 4)) == [0.75, 0.75, 1.0]
    # Right, wrong, and wrong in another way: a third, where breaking the tie by right against wrong gives 1/2
    assert majority_at_k(recorded_group("RWW", [0, 1, 2]), 3) == pytest.approx(1 / 3)


@pytest.mark.parametrize("classes", [[0, 1, 1, 1], [0, 1, 2, 3], [0, -1, -1, -1]])
def test_no_answer_is_no_majority(classes: list[int]) -> None:
    # Right whenever the one answer is among the k: k/4. As a class like any other, no answer would win at k = 4 and
    # share at k = 2. All three settings of `verifier.no_answer` agree: one_class, one_each, none.
    group = recorded_group("RNNN", classes)
    assert majorities(group, (1, 2, 4)) == [0.25, 0.5, 1.0]
    assert majority_share(group) == 0.25


def test_without_any_answer() -> None:
    group = recorded_group("NNN", [0, 0, 0])
    assert majorities(group, (1, 2, 3)) == [0.0, 0.0, 0.0] and majority_share(group) == 0.0
    assert math.isnan(majority_share(recorded_group("TT", [-1, -1])))


def test_a_class_is_as_right_as_its_members_are_in_the_mean() -> None:
    # Class 0 has rewards 1, 0, 1: 2/3, whichever members are drawn
    assert majority_at_k(recorded_group("RWRW", [0, 0, 0, 1]), 4) == pytest.approx(2 / 3)


def test_invalid_completions_leave_numerator_and_denominator() -> None:
    # Two of four are left: pass@1 = 1/2 and not 1/4, nothing at k = 4
    metrics = sampled_metrics(recorded_group("RTEW", [0, -1, -1, 1]))
    assert metrics == {"avg": 0.5, "pass@1": 0.5, "pass@2": 1.0, "maj@1": 0.5, "maj@2": 0.5}
    assert sampled_metrics(recorded_group("TT", [-1, -1])) == {}
    with pytest.raises(ValueError, match=r"maj@k needs .* k=3, n=2"):
        majority_at_k(recorded_group("RTEW", [0, -1, -1, 1]), 3)


def enumerated(group: RecordedGroup, k: int) -> float:
    """maj@k over all subsets, with a dict for every one."""
    members = [g for g in range(len(group.valid_G)) if group.valid_G[g]]
    answered = {g for g in members if group.verdicts_G[g] is not Verdict.NO_ANSWER}
    reward = {
        c: np.mean([group.rewards_G[g] for g in answered if group.class_ids_G[g] == c])
        for c in {group.class_ids_G[g] for g in answered}
    }
    values = []
    for subset in itertools.combinations(members, k):
        votes = Counter(group.class_ids_G[g] for g in subset if g in answered)
        tied = [c for c, count in votes.items() if count == max(votes.values())]
        values.append(np.mean([reward[c] for c in tied]) if tied else 0.0)
    return float(np.mean(values))


def test_majority_is_exact_where_the_subsets_are_few() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        group = random_group(rng, int(rng.integers(1, 9)))
        for k in range(1, int(group.valid_G.sum()) + 1):
            assert majority_at_k(group, k) == pytest.approx(enumerated(group, k), abs=1e-12)


def test_majority_over_random_subsets() -> None:
    # C(14, 7) = 3432 subsets. One seed is within 4 standard errors of at most 0.5 / sqrt(1000), the mean of 16 within
    # one; drawing with replacement, the usual shortcut, would give 0.530 for 0.599.
    group = recorded_group("R" * 6 + "W" * 8, [0] * 6 + [1] * 4 + [2] * 4)
    assert math.comb(14, 7) > MAX_SUBSETS
    exact = enumerated(group, 7)
    values = [majority_at_k(group, 7, seed) for seed in range(16)]
    assert max(abs(value - exact) for value in values) < 0.064 and abs(np.mean(values) - exact) < 0.016
    assert len(set(values)) > 1 and majority_at_k(group, 7, 3) == values[3]


def test_one_of_k_is_the_mean_whatever_k_is_called() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        metrics = sampled_metrics(random_group(rng, 12))
        if metrics:
            assert [metrics["pass@1"], metrics["maj@1"]] == pytest.approx([metrics["avg"]] * 2)


def test_resamples_are_of_all_problems_and_bounded() -> None:
    chunks = list(resample_counts(300, seed=0, resamples=1000))
    assert sum(chunk.shape[1] for chunk in chunks) == 1000
    assert all((chunk.sum(axis=0) == 300).all() for chunk in chunks)
    # a problem is drawn 1 time in the mean, with the variance 1 - 1/300 of a binomial
    counts = np.concatenate(chunks, axis=1)
    assert counts.mean() == 1 and counts.var() == pytest.approx(1 - 1 / 300, rel=0.02)
    assert next(resample_counts(100_000, 0)).nbytes < MAX_BYTES / 5


def test_bootstrap_intervals_of_means() -> None:
    rng = np.random.default_rng(0)
    values = np.stack([rng.random(400), rng.exponential(size=400), np.full(400, np.nan), np.full(400, np.nan)], axis=1)
    values[7, 3] = 0.25
    values[::2, 1] = np.nan
    uniform, exponential, nothing, one = mean_intervals(values, seed=1)
    # against normal theory; the nan half of the second column taken as zeros would halve its mean
    for interval, known in ((uniform, values[:, 0]), (exponential, values[1::2, 1])):
        half = 1.96 * known.std() / math.sqrt(len(known))
        assert interval.value == pytest.approx(known.mean())
        assert interval.low == pytest.approx(known.mean() - half, abs=0.12 * half)
        assert interval.high == pytest.approx(known.mean() + half, abs=0.12 * half)
    assert all(math.isnan(number) for number in nothing)
    assert one.value == 0.25 and math.isnan(one.low) and math.isnan(one.high)
    assert mean_intervals(values, seed=1)[:2] == [uniform, exponential] != mean_intervals(values, seed=2)[:2]


def evaluation() -> list[RecordedGroup]:
    return [
        recorded_group("R", [0], "a", "math", "1", "algebra", greedy=True),
        recorded_group("W", [0], "b", "math", "2", "algebra", greedy=True),
        recorded_group("T", [-1], "c", "math", "2", "geometry", greedy=True),
        recorded_group("RRWW", [0, 0, 1, 2], "a", "math", "1", "algebra"),
        recorded_group("WWRT", [0, 0, 1, -1], "b", "math", "2", "algebra"),
        recorded_group("RRRR", [0, 0, 0, 0], "a", "gsm", "easy"),  # the same id in another set
    ]


def test_report() -> None:
    parts = {(part.source, part.by, part.name): part for part in benchmark(evaluation()).parts}
    # gsm has one level, which is the set again, and no subjects
    assert list(parts) == [
        ("gsm", "all", ""),
        ("math", "all", ""),
        ("math", "level", "1"),
        ("math", "level", "2"),
        ("math", "subject", "algebra"),
        ("math", "subject", "geometry"),
    ]
    math_set = parts["math", "all", ""]
    assert (math_set.problems, math_set.greedy_invalid, math_set.completions, math_set.invalid) == (3, 1, 8, 1)
    greedy = math_set.metrics["greedy"]
    assert (greedy.value, greedy.low, greedy.high) == wilson_interval(1, 2) and greedy.problems == 2
    # avg: (1/2 + 1/3) / 2, the mean over problems; over completions it would be 3/7
    assert math_set.metrics["avg"].value == pytest.approx(5 / 12)
    # pass@2: a 1 - 1/6, b 1 - 1/3; maj@4: of a alone, b has three valid completions
    assert math_set.metrics["pass@2"].value == pytest.approx((5 / 6 + 2 / 3) / 2)
    assert math_set.metrics["pass@2"].problems == 2
    assert (math_set.metrics["maj@4"].value, math_set.metrics["maj@4"].problems) == (1.0, 1)
    # maj@2 of b: pairs WW 0, WR 1/2, WR 1/2; of a: RR 1, WW 1/2 of nothing 0, RW 1/2 four times
    assert math_set.metrics["maj@2"].value == pytest.approx((1 / 3 + 3 / 6) / 2)
    assert parts["math", "level", "2"].metrics["avg"].value == pytest.approx(1 / 3)
    assert list(parts["math", "subject", "geometry"].metrics) == ["greedy"]
    assert "greedy" not in parts["gsm", "all", ""].metrics


def test_the_order_of_the_groups_does_not_matter() -> None:
    report = benchmark(evaluation()).as_dict()
    for seed in range(5):
        groups = evaluation()
        np.random.default_rng(seed).shuffle(groups)  # type: ignore[arg-type]
        assert benchmark(groups).as_dict() == report


def test_more_than_one_evaluation_is_refused() -> None:
    with pytest.raises(DataError, match=r"'a' of set 'math' has two sampled groups.*one table"):
        benchmark([*evaluation(), evaluation()[3]])
    with pytest.raises(DataError, match="'p' of set 'set' has 2 completions at temperature 0"):
        benchmark([recorded_group("RR", [0, 0], greedy=True)])


def test_json_and_markdown() -> None:
    hostile = recorded_group("T", [-1], "x", "a|b\n<script>", greedy=True)
    report = benchmark([*evaluation(), hostile])
    record = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert record["parts"][0]["metrics"]["greedy"] == {"value": None, "low": None, "high": None, "problems": 0}
    text = markdown(report)
    assert r"### a\|b \<script\>" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    row = next(line for line in tables if line.startswith("| all | 3 |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    header = [cell.strip() for cell in tables[tables.index(row) - 2].strip("|").split("|")]
    assert header == ["part", "problems", "greedy", "avg", "pass@2", "pass@4", "maj@2", "maj@4", "invalid"]
    assert cells[2] == "50.0% [9.5, 90.5] (2)" and cells[-2:] == ["100.0% (1)", "2"]
    assert benchmark([]).parts == ()
