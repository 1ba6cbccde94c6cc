"""The division of rows into micro-batches: complete, within the limit, even."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seed_grpo.algo.microbatch import plan_micro_batches


@given(
    lengths_B=st.lists(st.integers(1, 50), max_size=40),
    world_size=st.integers(1, 5),
    max_tokens=st.integers(50, 200),
)
def test_every_row_is_in_one_micro_batch_and_ranks_run_alike(lengths_B, world_size, max_tokens):
    plan = plan_micro_batches(lengths_B, world_size, max_tokens)
    micro_batches = [rows for rank in plan for rows in rank]
    assert len(plan) == world_size and len({len(rank) for rank in plan}) == 1 and len(plan[0]) >= 1
    assert sorted(row for rows in micro_batches for row in rows) == list(range(len(lengths_B)))
    for rows in micro_batches:
        lengths = [lengths_B[row] for row in rows]
        assert sum(lengths) <= max_tokens
        assert lengths == sorted(lengths, reverse=True)
    assert plan == plan_micro_batches(lengths_B, world_size, max_tokens)


def test_one_batch_that_would_fit_is_shared_by_both_ranks():
    # 4 rows of 10 fit into 100 at once; a plan for one rank would leave the other idle
    assert plan_micro_batches([10] * 4, 2, 100) == [[[0, 2]], [[1, 3]]]


def test_lengths_are_balanced_by_hand():
    # from long to short: rows 1 (40), 3 (30), 0 (20), 2 (10), 4 (10) and 2 ranks, limit 60, sum 110: two micro-batches
    # may do. 40 | 30, 30 | 30 + 20, 40 + 10 | 50, 50 + 10 | 50: 60 and 50. In turn would give 40 + 20 + 10 = 70.
    assert plan_micro_batches([20, 40, 10, 30, 10], 2, 60) == [[[1, 2, 4]], [[3, 0]]]


def test_more_micro_batches_where_the_fewest_do_not_hold_the_rows():
    # 3 rows of 30 are 90 tokens; two micro-batches of 50 would hold them by their sum, but no two rows fit in one
    assert plan_micro_batches([30] * 3, 1, 50) == [[[0], [1], [2]]]


def test_loads_are_near_even():
    lengths_B = [1 + (37 * i) % 200 for i in range(512)]
    plan = plan_micro_batches(lengths_B, 4, 4000)
    loads = [sum(lengths_B[row] for rows in rank for row in rows) for rank in plan]
    assert max(loads) <= 1.01 * min(loads)
    assert sum(len(rank) for rank in plan) == 16  # 51,456 tokens in 4,000s are 12.9, the next multiple of 4 ranks


def test_fewer_rows_than_ranks_leaves_empty_micro_batches():
    assert plan_micro_batches([5], 3, 10) == [[[0]], [[]], [[]]]
    assert plan_micro_batches([], 2, 10) == [[[]], [[]]]


def test_a_row_that_cannot_fit_is_refused_with_the_numbers():
    with pytest.raises(ValueError, match=r"a row of 11 tokens does not fit trainer\.tokens_per_micro_batch=10"):
        plan_micro_batches([3, 11], 1, 10)
