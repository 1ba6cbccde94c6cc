"""Divides the rows of a step into micro-batches, balanced by tokens over ranks.

Consumes the lengths of the rows; produces, for every rank, the same number of lists of row indices: ZeRO's
collectives need every rank to run as many forward passes as the others. It sees no tokens and makes no padding.

The padded cost of a micro-batch is its number of rows times its longest row. Rows are taken from long to short, so
that rows of like length share a micro-batch, and cut greedily under a limit on the padded cost. The number of
micro-batches is the smallest multiple of the ranks that `max_tokens` allows; the limit is then the lowest that
needs no more of them, found by bisection (a greedy cut needs no more pieces under a higher limit). So no
micro-batch is much larger than another.
"""

from __future__ import annotations

from collections.abc import Sequence


def plan_micro_batches(lengths_B: Sequence[int], world_size: int, max_tokens: int) -> list[list[list[int]]]:
    """Row indices of each micro-batch of each rank, `plan[rank][micro_batch]`; a function of the arguments alone.

    Every row is in exactly one micro-batch. All ranks have the same number of micro-batches, at least one; some are
    empty where there are too few rows, and the caller runs a row without weight in their place.

    Args:
        lengths_B: [B] tokens of each row, prompt and completion.
        world_size: ranks.
        max_tokens: largest padded cost of a micro-batch.

    Raises:
        ValueError: a row alone is longer than `max_tokens`.
    """
    longest = max(lengths_B, default=0)
    if longest > max_tokens:
        raise ValueError(
            f"a row of {longest} tokens does not fit trainer.tokens_per_micro_batch={max_tokens}; raise it to {longest}"
        )
    order = sorted(range(len(lengths_B)), key=lambda row: (-lengths_B[row], row))
    per_rank = max(1, -(-len(_cut(order, lengths_B, max_tokens)) // world_size))
    low, high = longest, max_tokens
    while low < high:
        middle = (low + high) // 2
        if len(_cut(order, lengths_B, middle)) <= per_rank * world_size:
            high = middle
        else:
            low = middle + 1
    micro_batches = _cut(order, lengths_B, high)
    micro_batches += [[] for _ in range(per_rank * world_size - len(micro_batches))]
    return [micro_batches[rank::world_size] for rank in range(world_size)]


def _cut(order: list[int], lengths_B: Sequence[int], limit: int) -> list[list[int]]:
    """Consecutive pieces of `order`, which is from long to short, each with a padded cost of at most `limit`."""
    pieces: list[list[int]] = []
    for row in order:
        if pieces and lengths_B[pieces[-1][0]] * (len(pieces[-1]) + 1) <= limit:
            pieces[-1].append(row)
        else:
            pieces.append([row])
    return pieces
