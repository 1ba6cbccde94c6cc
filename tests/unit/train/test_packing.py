"""Packed rows: their layout by hand, and attention within each sequence against a mask over the whole row."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses import FakeTensorMode
from torch.nn.functional import scaled_dot_product_attention

from seed_grpo.errors import ModelError
from seed_grpo.train.attention import ATTENTIONS, Reach, attention_for, blocks, variable_length
from seed_grpo.train.logprobs import PolicyLogprobs
from seed_grpo.train.model import load_model
from seed_grpo.train.packing import PADDING, pack
from seed_grpo.train.sequence_parallel import check_heads
from support.tiny_model import make_tiny_model
from support.trainer_process import make_config


def rows_of(lengths, seed=0):
    """Rows of random tokens with a prompt of one token each."""
    rng = np.random.default_rng(seed)
    return [(rng.integers(2, 90, 1), rng.integers(2, 90, length - 1)) for length in lengths]


def test_layout_by_hand():
    rows = [(np.array([5]), np.array([8, 9, 4])), (np.array([5, 6]), np.array([7]))]
    row = pack(rows)
    assert row.token_ids_L.tolist() == [5, 8, 9, 4, 5, 6, 7]
    assert row.positions_L.tolist() == [0, 1, 2, 3, 0, 1, 2]  # going on from 4 would shift the second's positions
    assert row.predictors_T.tolist() == [0, 1, 2, 5]  # one later would let a token predict itself
    assert row.targets_T.tolist() == [8, 9, 4, 7]
    assert row.sequences.starts_B1.tolist() == [0, 4, 7] and row.sequences.longest == 4
    # 4 and 3 tokens in 2 x 4 places: one place in eight is padding, the last token of the second row again
    (block,) = row.sequences.blocks
    assert block.places_NL.tolist() == [[0, 1, 2, 3], [4, 5, 6, 6]]
    assert block.kept.tolist() == [0, 1, 2, 3, 4, 5, 6] and row.sequences.places == 8


def test_a_row_is_filled_up_and_cut_into_equal_parts():
    row = pack([(np.array([5]), np.array([8, 9, 4])), (np.array([5, 6]), np.array([7]))], multiple=3)
    assert row.token_ids_L.tolist() == [5, 8, 9, 4, 5, 6, 7, 0, 0] and row.sequences.starts_B1.tolist() == [0, 4, 7, 9]
    parts = [row.part(index, 3) for index in range(3)]
    assert [part.token_ids_L.tolist() for part in parts] == [[5, 8, 9], [4, 5, 6], [7, 0, 0]]
    assert [part.positions_L.tolist() for part in parts] == [[0, 1, 2], [3, 0, 1], [2, 0, 1]]
    # predictors 0, 1, 2 lie in the first part, 5 at place 2 of the second, although its target 7 lies in the third
    assert [part.predictors_T.tolist() for part in parts] == [[0, 1, 2], [2], []]
    assert [part.targets_T.tolist() for part in parts] == [[8, 9, 4], [7], []]


def test_an_empty_prompt_is_refused():
    with pytest.raises(ValueError, match="nothing predicts its first completion token"):
        pack([(np.array([]), np.array([3]))])


def whole_mask(row, window):
    """[L, L] bool: which token sees which, worked from the definition."""
    starts = row.sequences.starts_B1.tolist()
    mask = torch.zeros(starts[-1], starts[-1], dtype=torch.bool)
    for start, stop in pairwise(starts):
        for place in range(start, stop):
            first = start if window is None else max(start, place - window + 1)
            mask[place, first : place + 1] = True
    return mask


@settings(deadline=None, max_examples=40)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    window=st.sampled_from([None, 1, 7]),
    key_heads=st.sampled_from([1, 2, 4]),
)
def test_no_token_sees_another_sequence(lengths, window, key_heads):
    row = pack(rows_of(sorted(lengths, reverse=True)))
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.randn(sum(lengths), heads, 8, generator=generator) for heads in (4, key_heads, key_heads)]
    gradients, outputs = [], []
    for attend in ("blocks", "mask"):
        query, key, value = (tensor.clone().requires_grad_() for tensor in tensors)
        if attend == "blocks":
            output = blocks(query, key, value, Reach(row.sequences, 0.3, window))
        else:
            parts = (tensor.transpose(0, 1)[None] for tensor in (query, key, value))
            output = scaled_dot_product_attention(*parts, whole_mask(row, window), scale=0.3, enable_gqa=True)
            output = output[0].transpose(0, 1)
        (output * torch.arange(8)).sum().backward()
        outputs.append(output.detach())
        gradients.append([tensor.grad for tensor in (query, key, value)])
    assert torch.allclose(*outputs, atol=1e-5)
    assert all(torch.allclose(ours, theirs, atol=1e-4) for ours, theirs in zip(*gradients, strict=True))
    assert row.sequences.places * (1 - PADDING) <= sum(lengths)


def test_flash_attention_is_what_a_gpu_gets_and_takes_what_we_hand_it():
    # no GPU here: torch's fake tensors check names, shapes and dtypes of the call, and what comes back
    assert attention_for("cuda", "bfloat16") is variable_length and attention_for("cuda", "float32") is blocks
    assert attention_for("cpu", "bfloat16") is blocks and set(ATTENTIONS) == {("cuda", "bfloat16")}
    sequences = pack(rows_of([9, 5, 4])).sequences
    with FakeTensorMode(allow_non_fake_inputs=True):
        query, key, value = (torch.empty(18, heads, 64, dtype=torch.bfloat16, device="cuda") for heads in (4, 2, 2))
        starts = torch.empty(4, dtype=torch.int32, device="cuda")
        for window in (None, 3):
            reach = Reach(sequences._replace(starts_B1=starts), 0.125, window)
            attended = variable_length(query, key, value, reach)
            assert (attended.shape, attended.dtype) == (query.shape, query.dtype)


def test_logprobs_are_the_models_own_whatever_the_packing(tmp_path):
    model = load_model(make_config(make_tiny_model(tmp_path, tied=False, seed=1)).model)
    policy = PolicyLogprobs(model, blocks)
    rows = rows_of([30, 24, 9, 8, 2])
    logprobs_T, entropies_T = policy(pack(rows))
    expected_logprobs, expected_entropies = [], []
    for prompt, completion in rows:
        ids = torch.from_numpy(np.concatenate([prompt, completion]))
        alone = pack([(prompt, completion)]).sequences
        all_T = torch.log_softmax(model(ids[None], attend=blocks, sequences=alone).logits[0, :-1], -1)
        expected_logprobs.append(all_T.gather(1, ids[1:, None])[:, 0])
        expected_entropies.append(-(all_T.exp() * all_T).sum(-1))
    assert torch.allclose(logprobs_T, torch.cat(expected_logprobs), atol=1e-5)
    assert torch.allclose(entropies_T, torch.cat(expected_entropies), atol=1e-5)


def test_a_model_whose_attention_needs_more_is_refused(tmp_path):
    model = load_model(make_config(make_tiny_model(tmp_path, tied=True, seed=1)).model)
    with pytest.raises(ModelError, match="cannot be trained on packed sequences, since it does not hand arguments on"):
        model(torch.tensor([[3, 4]]))
    with pytest.raises(ModelError, match="since its attention needs softcap"):
        model(torch.tensor([[3, 4]]), attend=lambda *_: None, softcap=30.0)


def test_heads_that_do_not_divide_are_refused():
    check_heads(heads=8, key_heads=2, size=4)  # each key head twice
    with pytest.raises(ModelError, match=r"6 attention heads, 2 of them for keys, do not divide over .*size=4"):
        check_heads(heads=6, key_heads=2, size=4)
