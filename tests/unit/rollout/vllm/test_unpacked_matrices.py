"""Plain matrices in the CPU engine: the same bits whatever else is in the batch."""

from __future__ import annotations

import pytest
import torch

from seed_grpo.rollout.vllm.unpacked_matrices import plain_linear


@pytest.mark.parametrize("with_bias", [True, False])
def test_a_row_has_the_same_bits_in_every_batch(with_bias: bool) -> None:
    # on AMD's processors, 1 to 3 rows differ in the last bits without the filling up to multiples of 4, with two
    # threads also 5 to 11; on Intel's, 1 to 5 without the strict mode of MKL
    generator = torch.Generator().manual_seed(0)
    weight_VH = torch.randn(384, 128, generator=generator)
    bias_V = torch.randn(384, generator=generator) if with_bias else None
    rows_TH = torch.randn(70, 128, generator=generator)
    together = plain_linear(rows_TH, weight_VH, bias_V)
    for count in range(1, 71):
        assert torch.equal(plain_linear(rows_TH[:count].clone(), weight_VH, bias_V), together[:count]), count
    expected = rows_TH.double() @ weight_VH.double().T + (0 if bias_V is None else bias_V.double())
    assert (together - expected).abs().max() < 1e-4


def test_rows_may_have_a_batch() -> None:
    rows, weight_VH, bias_V = torch.randn(1, 6, 128), torch.randn(384, 128), torch.randn(384)
    assert torch.equal(plain_linear(rows, weight_VH, bias_V)[0], plain_linear(rows[0], weight_VH, bias_V))
    torch.library.opcheck(plain_linear, (rows, weight_VH, bias_V))
