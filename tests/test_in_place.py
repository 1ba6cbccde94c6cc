"""Plain matrices in the CPU engine: the same bits whatever else is in the batch, and where weights lie in the model."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from vllm.model_executor.model_loader.reload.layerwise import record_metadata_for_reloading

from seed_grpo.weight_sync.buckets import Slot
from seed_grpo.weight_sync.in_place import copy_into, places, plain_linear


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


class Loader(nn.Module):
    """Loads as vLLM's models do: "q" and "k" become one matrix, "tied" is left out, and `how` does what it likes."""

    def __init__(self, how: Callable[[Loader, torch.Tensor], object] = lambda model, weight: None) -> None:
        super().__init__()
        self.fused = nn.Parameter(torch.full((6, 4), 7.0), requires_grad=False)
        self.norm = nn.Parameter(torch.full((4,), 7.0), requires_grad=False)
        self.how = how
        record_metadata_for_reloading(self)

    def load_weights(self, weights: list[tuple[str, torch.Tensor]]) -> None:
        for name, weight in weights:
            if name == "q":
                self.fused.data.narrow(0, 0, 4).copy_(weight.narrow(0, 0, 4))
            elif name == "k":
                self.fused.data.narrow(0, 4, 2).copy_(weight)
            elif name == "odd":
                self.how(self, weight)


SHAPES = {"q": (4, 4), "k": (2, 4), "odd": (4,), "tied": (9, 9)}


def slots(dtype: torch.dtype = torch.float32) -> list[Slot]:
    return [Slot(name, dtype, shape, 0) for name, shape in SHAPES.items()]


def test_places_are_where_loading_copies_to() -> None:
    model = Loader(lambda model, weight: model.norm.data.copy_(weight))
    found = places(model, slots())
    assert found is not None
    assert (model.fused == 7).all() and (model.norm == 7).all()  # nothing was loaded
    weights = {name: torch.randn(shape) for name, shape in SHAPES.items()}
    loaded = Loader(lambda model, weight: model.norm.data.copy_(weight))
    loaded.load_weights(list(weights.items()))
    assert list(found) == ["q", "k", "odd"]
    copy_into(found, weights.items())
    assert torch.equal(model.fused, loaded.fused) and torch.equal(model.norm, loaded.norm)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(lambda model, weight: model.norm.data.copy_(weight * 2), id="other numbers"),
        pytest.param(lambda model, weight: model.norm.data.fill_(weight[0].item()), id="looks at a number"),
        pytest.param(lambda model, weight: model.norm.data[:2].copy_(weight[:2]), id="a part"),
        pytest.param(lambda model, weight: model.norm.data.copy_(weight[:1].expand(4)), id="one number"),
        pytest.param(lambda model, weight: [model.fused.data[i].copy_(weight) for i in (0, 1)], id="twice"),
        pytest.param(lambda model, weight: model.fused.data[:4, 1].copy_(weight), id="a column"),
        pytest.param(lambda model, weight: model.fused.data[:2].copy_(weight), id="repeated"),
        pytest.param(lambda model, weight: model.norm.data.copy_(weight.flip(0)), id="in another order"),
    ],
)
def test_a_model_that_does_more_than_copy_has_no_places(how: Callable[[Loader, torch.Tensor], object]) -> None:
    assert places(Loader(how), slots()) is None


def test_a_model_of_another_dtype_has_no_places() -> None:
    assert places(Loader(), slots(torch.bfloat16)) is None


def test_a_model_whose_parameters_were_packed_has_no_places() -> None:
    model = Loader()
    assert places(model, slots()) is not None
    packed = nn.Parameter(torch.empty(0), requires_grad=False)  # as vLLM leaves what it has packed elsewhere
    model.norm, whole = packed, model.norm
    assert places(model, slots()) is None
    model.norm = whole
    assert places(model, slots()) is not None
    model.norm = nn.Parameter(model.norm.bfloat16(), requires_grad=False)
    assert places(model, slots()) is None
