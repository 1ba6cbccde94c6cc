"""The division of a step into micro-batches: complete, bounded, even over ranks, balanced."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seed_grpo.algo.microbatch import plan_micro_batches


def padded_cost(lengths_B, rows):
    return len(rows) * max((lengths_B[row] for row in rows), default=0)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 5), st.integers(50, 400))
def test_every_row_once_within_the_limit_and_alike_on_every_rank(lengths_B, world_size, max_tokens):
    plan = plan_micro_batches(lengths_B, world_size, max_tokens)
    micro_batches = [rows for rank in plan for rows in rank]
    assert len(plan) == world_size and len({len(rank) for rank in plan}) == 1 and len(plan[0]) >= 1
    assert sorted(row for rows in micro_batches for row in rows) == list(range(len(lengths_B)))
    assert all(padded_cost(lengths_B, rows) <= max_tokens for rows in micro_batches)
    assert plan == plan_micro_batches(lengths_B, world_size, max_tokens)


def test_one_batch_that_would_fit_is_shared_by_both_ranks():
    # 4 rows of 10 fit into 100 at once; a plan for one rank would leave the other idle
    assert plan_micro_batches([10] * 4, 2, 100) == [[[0, 1]], [[2, 3]]]


def test_lengths_are_sorted_and_balanced_by_hand():
    # from long to short: rows 1 (40), 3 (40), 0 (10), 2 (10), 4 (10), limit 80, 2 ranks. A greedy cut at 80 gives
    # {1, 3} = 80 and {0, 2, 4} = 30: two micro-batches, one a rank. At 79, {1}, {3, 0}, {2, 4} would need three.
    assert plan_micro_batches([10, 40, 10, 40, 10], 2, 80) == [[[1, 3]], [[0, 2, 4]]]


def test_loads_are_near_even():
    lengths_B = [1 + (37 * i) % 200 for i in range(512)]
    plan = plan_micro_batches(lengths_B, 4, 4000)
    loads = [sum(padded_cost(lengths_B, rows) for rows in rank) for rank in plan]
    assert max(loads) <= 1.1 * min(loads)
    assert sum(loads) <= 1.1 * sum(lengths_B)  # little padding


def test_fewer_rows_than_ranks_leaves_empty_micro_batches():
    assert plan_micro_batches([5], 3, 10) == [[[0]], [[]], [[]]]
    assert plan_micro_batches([], 2, 10) == [[[]], [[]]]


def test_a_row_that_cannot_fit_is_refused_with_the_numbers():
    with pytest.raises(ValueError, match=r"a row of 11 tokens does not fit trainer\.tokens_per_micro_batch=10"):
        plan_micro_batches([3, 11], 1, 10)
