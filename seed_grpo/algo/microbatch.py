"""Divides the rows of an update into micro-batches, balanced by tokens over ranks.

Consumes the lengths of the rows; produces, for every rank, the same number of lists of row indices: ZeRO's
collectives need every rank to run as many forward passes as the others. It sees no tokens.

A micro-batch costs the tokens of its rows, which are packed without padding. Rows go from long to short each to the
micro-batch that has the fewest tokens (longest processing time first; Graham 1969: at most 4/3 of the best possible),
and the number of micro-batches is the smallest multiple of the ranks for which none exceeds the limit.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence


def plan_micro_batches(lengths_B: Sequence[int], world_size: int, max_tokens: int) -> list[list[list[int]]]:
    """Row indices of each micro-batch of each rank, `plan[rank][micro_batch]`; a function of the arguments alone.

    Every row is in exactly one micro-batch, and stands there behind the longer ones. All ranks have the same number of
    micro-batches, at least one; some are empty where there are too few rows, and the caller runs a row without weight
    in their place.

    Args:
        lengths_B: [B] tokens of each row, prompt and completion.
        world_size: ranks.
        max_tokens: most tokens of a micro-batch.

    Raises:
        ValueError: a row alone is longer than `max_tokens`.
    """
    longest = max(lengths_B, default=0)
    if longest > max_tokens:
        raise ValueError(
            f"a row of {longest} tokens does not fit trainer.tokens_per_micro_batch={max_tokens}; raise it to {longest}"
        )
    order = sorted(range(len(lengths_B)), key=lambda row: (-lengths_B[row], row))
    per_rank = max(1, -(-sum(lengths_B) // (max_tokens * world_size)))
    while True:
        micro_batches, most = _spread(order, lengths_B, per_rank * world_size)
        if most <= max_tokens:
            return [micro_batches[rank::world_size] for rank in range(world_size)]
        per_rank += 1


def _spread(order: list[int], lengths_B: Sequence[int], count: int) -> tuple[list[list[int]], int]:
    """`count` micro-batches, and the tokens of the largest."""
    micro_batches: list[list[int]] = [[] for _ in range(count)]
    emptiest = [(0, number) for number in range(count)]
    for row in order:
        tokens, number = emptiest[0]
        micro_batches[number].append(row)
        heapq.heapreplace(emptiest, (tokens + lengths_B[row], number))
    return micro_batches, max(tokens for tokens, _ in emptiest)
