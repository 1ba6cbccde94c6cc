"""Packs completions of different lengths into one row, without padding between them.

Consumes prompt and completion token ids; produces the row, the bounds of each sequence, and the predicted tokens with
the places that predict them. It runs nothing. Attention keeps the sequences apart by `Sequences`; positions start anew
in each.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import torch

PADDING = 0.25
"""share of a block's token places that may be padding"""


class Block(NamedTuple):
    """Neighbouring sequences of like length, as a rectangle for an attention without packing."""

    places_NL: torch.Tensor
    """[N, L] int64, place in the row of each token; a shorter sequence repeats its last token"""
    kept: torch.Tensor
    """[tokens] int64, place in the flattened rectangle of each token of the sequences, in the row's order"""


class Sequences(NamedTuple):
    """Bounds of the sequences of a row."""

    starts_B1: torch.Tensor
    """[B+1] int32, first place of each, and the length of the row"""
    longest: int
    blocks: tuple[Block, ...]
    """all sequences, in order; none for an attention that takes sequences of any length"""

    @property
    def places(self) -> int:
        """Token places that attention computes, padding included."""
        return sum(block.places_NL.numel() for block in self.blocks) or int(self.starts_B1[-1])


class PackedRow(NamedTuple):
    """A row of L tokens in B sequences, T tokens of which are predicted."""

    token_ids_L: torch.Tensor
    positions_L: torch.Tensor
    """[L] int64, from 0 in each sequence"""
    predictors_T: torch.Tensor
    """[T] int64, place of the token BEFORE each predicted one"""
    targets_T: torch.Tensor
    """[T] int64, id of each predicted token"""
    sequences: Sequences

    def part(self, index: int, parts: int) -> PackedRow:
        """Part `index` of the row, cut into equal parts; it has the predicted tokens whose predictor lies in it.

        The sequences stay those of the whole row.
        """
        size = len(self.token_ids_L) // parts
        start = index * size
        inside = slice(*np.searchsorted(self.predictors_T.cpu().numpy(), [start, start + size]))
        return PackedRow(
            self.token_ids_L[start : start + size],
            self.positions_L[start : start + size],
            self.predictors_T[inside] - start,
            self.targets_T[inside],
            self.sequences,
        )

    def to(self, device: torch.device) -> PackedRow:
        """The same row on a device."""
        starts_B1, longest, blocks = self.sequences
        moved = tuple(Block(*(tensor.to(device) for tensor in block)) for block in blocks)
        sequences = Sequences(starts_B1.to(device), longest, moved)
        tensors = {name: getattr(self, name).to(device) for name in self._fields[:4]}
        return PackedRow(**tensors, sequences=sequences)


def pack(rows: Sequence[tuple[np.ndarray, np.ndarray]], multiple: int = 1, in_blocks: bool = True) -> PackedRow:
    """Packs (prompt, completion) token ids into one row, whose completions' tokens are predicted, in order.

    E.g. ([5, 6], [7]) and ([5], [8, 9]): tokens [5, 6, 7, 5, 8, 9], positions [0, 1, 2, 0, 1, 2], predictors
    [1, 3, 4], targets [7, 8, 9], starts [0, 3, 6].

    Args:
        rows: sequences from long to short, so that the attention's blocks need little padding. Every prompt holds at
            least one token, as nothing predicts the first.
        multiple: the row's length becomes a multiple of this, by a last sequence of zeros, none of them predicted.
        in_blocks: make the blocks too, for an attention that needs them.
    """
    if any(len(prompt) == 0 for prompt, _ in rows):
        raise ValueError("a row has an empty prompt; nothing predicts its first completion token")
    lengths = [len(prompt) + len(completion) for prompt, completion in rows]
    filling = -sum(lengths) % multiple
    token_ids = np.concatenate([*(ids for row in rows for ids in row), np.zeros(filling, np.int32)])
    if filling:
        lengths.append(filling)
    starts = list(accumulate(lengths, initial=0))
    predictors = [
        np.arange(start + len(prompt) - 1, start + len(prompt) + len(completion) - 1)
        for start, (prompt, completion) in zip(starts, rows, strict=False)
    ]
    return PackedRow(
        torch.from_numpy(token_ids.astype(np.int64)),
        torch.from_numpy(np.concatenate([np.arange(length) for length in lengths])),
        torch.from_numpy(np.concatenate(predictors)),
        torch.from_numpy(np.concatenate([completion for _, completion in rows]).astype(np.int64)),
        Sequences(torch.tensor(starts, dtype=torch.int32), max(lengths), tuple(_blocks(starts)) if in_blocks else ()),
    )


def _blocks(starts: list[int]) -> list[Block]:
    """Blocks of neighbouring sequences, which share one as long as its padding stays a small share of it."""
    blocks: list[Block] = []
    first = 0
    while first < len(starts) - 1:
        last, longest = first, 0
        while last < len(starts) - 1:
            wider = max(longest, starts[last + 1] - starts[last])
            if starts[last + 1] - starts[first] < (1 - PADDING) * wider * (last + 1 - first):
                break
            last, longest = last + 1, wider
        begins, ends = np.array(starts[first:last]), np.array(starts[first + 1 : last + 1])
        places_NL = np.minimum(begins[:, None] + np.arange(longest), ends[:, None] - 1)
        kept = np.flatnonzero(np.arange(longest) < (ends - begins)[:, None])
        blocks.append(Block(torch.from_numpy(places_NL), torch.from_numpy(kept)))
        first = last
    return blocks
