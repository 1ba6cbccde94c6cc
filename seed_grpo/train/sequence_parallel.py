"""Sequence parallelism: ranks that share the tokens of each micro-batch (Ulysses, arXiv 2309.14509).

Each of the n ranks of a replica runs every layer on its n-th of a packed row. For attention alone they exchange tokens
for heads: each then sees the whole row with its n-th of the heads. Afterwards every rank knows the log-probabilities of
all tokens, and has the gradient of its own tokens. Whatever the loss makes of them, also over whole completions, the
gradients of the ranks add up to the loss's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from math import lcm

import torch
from torch import distributed

from seed_grpo.errors import ModelError
from seed_grpo.train.attention import Attention, Reach


class SequenceParallel:
    """This rank's place among the ranks of its replica."""

    def __init__(self, size: int, timeout: float) -> None:
        """Makes the groups: ranks 0 to size-1 are the first replica, and so on. A collective over all ranks.

        Args:
            timeout: seconds for any one exchange.
        """
        self.size = size
        rank, world_size = distributed.get_rank(), distributed.get_world_size()
        self.replica, self.index = divmod(rank, size)
        self.replicas = world_size // size
        self.group: distributed.ProcessGroup | None = None
        """group of the replica's ranks; None for a rank by itself, which exchanges nothing"""
        if size > 1:
            limit = timedelta(seconds=timeout)
            replicas = [range(first, first + size) for first in range(0, world_size, size)]
            self.group = [distributed.new_group(replica, timeout=limit) for replica in replicas][self.replica]

    def whole(self, own_T: torch.Tensor, counts: list[int]) -> torch.Tensor:
        """Values of all tokens of the row, those of this rank with their gradient.

        Args:
            own_T: [counts[index]] float32.
            counts: predicted tokens of each rank's part.
        """
        if self.group is None:
            return own_T
        sent = own_T.detach().new_zeros(max(counts))
        sent[: len(own_T)] = own_T.detach()
        received = [torch.empty_like(sent) for _ in counts]
        distributed.all_gather(received, sent, group=self.group)
        parts = [part[:count] for part, count in zip(received, counts, strict=True)]
        parts[self.index] = own_T
        return torch.cat(parts)


def check_heads(heads: int, key_heads: int, size: int) -> None:
    """Checks that attention heads divide over the ranks of a replica.

    Raises:
        ModelError: they do not.
    """
    if heads % (key_heads * _copies(key_heads, size)):
        raise ModelError(
            f"{heads} attention heads, {key_heads} of them for keys, do not divide over "
            f"trainer.sequence_parallel_size={size}; choose a size that divides {heads}"
        )


def dividing(attention: Attention, size: int) -> Attention:
    """An attention over whole rows that refuses heads which do not divide over the ranks of a replica."""

    def attend(query_LHD: torch.Tensor, key_LHD: torch.Tensor, value_LHD: torch.Tensor, reach: Reach) -> torch.Tensor:
        check_heads(query_LHD.shape[1], key_LHD.shape[1], size)
        return attention(query_LHD, key_LHD, value_LHD, reach)

    return attend


def _copies(key_heads: int, size: int) -> int:
    """Copies of each key head that give every rank as many."""
    return lcm(key_heads, size) // key_heads


def shared_attention(attention: Attention, exchange: torch.nn.Module, size: int) -> Attention:
    """An attention over whole rows that takes queries, keys and values of parts of rows.

    Args:
        exchange: DeepSpeed's `DistributedAttention` around `Local()`.
        size: ranks of a replica.
    """

    def attend(query_LHD: torch.Tensor, key_LHD: torch.Tensor, value_LHD: torch.Tensor, reach: Reach) -> torch.Tensor:
        copies = _copies(key_LHD.shape[1], size)
        key, value = (tensor.repeat_interleave(copies, dim=1)[None] for tensor in (key_LHD, value_LHD))

        def whole(query_1LHD: torch.Tensor, key_1LHD: torch.Tensor, value_1LHD: torch.Tensor) -> torch.Tensor:
            return attention(query_1LHD[0], key_1LHD[0], value_1LHD[0], reach)[None]

        return exchange(query_LHD[None], key, value, 0, None, whole)[0]

    return attend


class Local(torch.nn.Module):
    """Calls the attention that it is given with the exchanged queries, keys and values."""

    def forward(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention: Callable[..., torch.Tensor]
    ) -> torch.Tensor:
        """[1, tokens, heads, D] each, of all tokens and this rank's heads."""
        return attention(query, key, value)
