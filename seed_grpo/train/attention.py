"""Causal attention within each sequence of a packed row, as Transformers' models call it.

Consumes queries, keys and values of a `PackedRow`; produces the attended values. No token sees another sequence: on a
GPU in bfloat16 by FlashAttention's variable-length kernel, elsewhere by scaled-dot-product attention over blocks of
sequences of like length. The result is that of a block-diagonal causal mask. The cost is the sum of the squared
lengths, not the square of their sum.

A model is loaded with `attn_implementation=NAME`, and called with `attend=` an `Attention` and `sequences=` the row's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface

from seed_grpo.errors import ModelError
from seed_grpo.train.packing import Sequences

NAME = "seed_grpo_packed"


class Reach(NamedTuple):
    """Settings of one layer's attention: the tokens that each token sees, and the weight of their products."""

    sequences: Sequences
    scaling: float | None
    """factor of the products; None: 1 / sqrt(D)"""
    window: int | None
    """number of tokens seen, with oneself; None: all before"""


Attention = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, Reach], torch.Tensor]
"""(query [L, heads, D], key [L, key heads, D], value, reach) -> [L, heads, D]"""


def blocks(query_LHD: torch.Tensor, key_LHD: torch.Tensor, value_LHD: torch.Tensor, reach: Reach) -> torch.Tensor:
    """Scaled-dot-product attention, block by block.

    A shorter sequence is padded on the right: causality keeps its own tokens from seeing the padding.
    """
    sequences, scaling, window = reach
    parts = []
    for places_NL, kept in sequences.blocks:
        count, longest = places_NL.shape
        query, key, value = (
            tensor.index_select(0, places_NL.flatten()).unflatten(0, (count, longest)).transpose(1, 2)
            for tensor in (query_LHD, key_LHD, value_LHD)
        )
        mask = None
        if window is not None and window < longest:
            seen = torch.ones(longest, longest, dtype=torch.bool, device=query.device)
            mask = seen.tril().triu(1 - window)
        attended = scaled_dot_product_attention(
            query, key, value, mask, is_causal=mask is None, scale=scaling, enable_gqa=query.shape[1] != key.shape[1]
        )
        parts.append(attended.transpose(1, 2).flatten(0, 1).index_select(0, kept))
    return torch.cat(parts)


def variable_length(
    query_LHD: torch.Tensor, key_LHD: torch.Tensor, value_LHD: torch.Tensor, reach: Reach
) -> torch.Tensor:
    """FlashAttention (arXiv 2307.08691) over sequences of any length, as torch ships it: half precision, on a GPU."""
    from torch.nn.attention.varlen import varlen_attn

    starts, longest = reach.sequences.starts_B1, reach.sequences.longest
    attended = varlen_attn(
        query_LHD,
        key_LHD,
        value_LHD,
        starts,
        starts,
        longest,
        longest,
        scale=reach.scaling,
        window_size=(-1 if reach.window is None else reach.window - 1, 0),
        enable_gqa=query_LHD.shape[1] != key_LHD.shape[1],
    )
    assert isinstance(attended, torch.Tensor)  # no auxiliary output was asked for
    return attended


ATTENTIONS: dict[tuple[str, str], Attention] = {("cuda", "bfloat16"): variable_length}
"""attentions by device and dtype; `blocks` for all others"""


def attention_for(device: str, dtype: str) -> Attention:
    """The fastest attention that the device has for the dtype."""
    return ATTENTIONS.get((device, dtype), blocks)


KNOWN = {"dropout", "is_causal", "sliding_window", "position_ids", "use_cache", "output_attentions"}
"""arguments beside the products' own that change nothing here: nothing is dropped, and windows come with the masks"""


def _window_as_mask(local_size: int | None = None, **_: Any) -> torch.Tensor | None:
    """The number of tokens that each token sees, in place of a layer's mask; None: all before.

    Returns:
        [1, 1, 1, 1] int64 on the CPU, since layers pass a mask on as it is, or cut pieces out of four dimensions.
    """
    return None if local_size is None else torch.full((1, 1, 1, 1), local_size)


def _packed_attention(
    module: torch.nn.Module,
    query_1HLD: torch.Tensor,
    key_1HLD: torch.Tensor,
    value_1HLD: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    attend: Attention | None = None,
    sequences: Sequences | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    asked_for = sorted(name for name, value in more.items() if value is not None and name not in KNOWN)
    if attend is None or sequences is None or asked_for:
        why = f"its attention needs {', '.join(asked_for)}" if asked_for else "it does not hand arguments on"
        raise ModelError(
            f"{type(module).__name__} cannot be trained on packed sequences, since {why}; choose another model.path"
        )
    query, key, value = (tensor[0].transpose(0, 1) for tensor in (query_1HLD, key_1HLD, value_1HLD))
    window = None if attention_mask is None else int(attention_mask)
    return attend(query, key, value, Reach(sequences, scaling, window))[None], None


AttentionInterface.register(NAME, _packed_attention)
AttentionMaskInterface.register(NAME, _window_as_mask)
