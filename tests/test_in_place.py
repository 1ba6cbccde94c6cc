"""Plain matrices in the CPU engine: the same bits whatever else is in the batch, and a check that they are plain."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from vllm.model_executor.model_loader.reload.layerwise import record_metadata_for_reloading

from seed_grpo.weight_sync.in_place import lies_plain, plain_linear


@pytest.mark.parametrize("with_bias", [True, False])
def test_a_row_has_the_same_bits_in_every_batch(with_bias: bool) -> None:
    # without the filling up to multiples of 4, 1 to 3 rows differ in the last bits, with two threads also 5 to 11
    generator = torch.Generator().manual_seed(0)
    weight_VH = torch.randn(384, 128, generator=generator)
    bias_V = torch.randn(384, generator=generator) if with_bias else None
    rows_TH = torch.randn(70, 128, generator=generator)
    together = plain_linear(rows_TH, weight_VH, bias_V)
    for count in range(1, 71):
        assert torch.equal(plain_linear(rows_TH[:count].clone(), weight_VH, bias_V), together[:count]), count
    expected = rows_TH.double() @ weight_VH.double().T + (0 if bias_V is None else bias_V.double())
    assert (together - expected).abs().max() < 1e-4


def test_a_parameter_that_was_packed_is_seen() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))
    record_metadata_for_reloading(model)
    assert lies_plain(model)
    packed = nn.Parameter(torch.empty(0), requires_grad=False)  # as vLLM leaves what it has packed elsewhere
    model[0].weight, whole = packed, model[0].weight
    assert not lies_plain(model)
    model[0].weight = whole
    model[1].weight = nn.Parameter(model[1].weight.bfloat16())
    assert not lies_plain(model)
