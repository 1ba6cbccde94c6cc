"""Weights written in place: where they lie in the model, and which models are reloaded instead."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from seed_grpo.rollout.vllm.unpacked_matrices import plain_linear
from seed_grpo.weight_sync.gloo.buckets import Slot
from seed_grpo.weight_sync.gloo.in_place import find_places


class Loader(nn.Module):
    """Loads as vLLM's models do: "q" and "k" become one matrix, "tied" is left out, and `how` does what it likes."""

    def __init__(self, how: Callable[[Loader, torch.Tensor], object]) -> None:
        super().__init__()
        self.fused = nn.Parameter(torch.full((8, 4), 7.0), requires_grad=False)
        self.odd = nn.Parameter(torch.full((4, 4), 7.0), requires_grad=False)
        self.how = how

    def load_weights(self, weights: list[tuple[str, torch.Tensor]]) -> None:
        for name, weight in weights:
            if name == "q":
                self.fused.data.narrow(0, 0, 4).copy_(weight.narrow(0, 0, 4))
            elif name == "k":
                self.fused.data.narrow(0, 4, 2).copy_(weight)
                self.fused.data[6:].fill_(0)  # as vLLM does with the padding of a vocabulary
            elif name == "odd":
                self.how(self, weight)


SHAPES = {"q": (4, 4), "k": (2, 4), "odd": (4, 4), "tied": (9, 9)}
SLOTS = [Slot(name, torch.float32, shape, 0) for name, shape in SHAPES.items()]


@pytest.mark.parametrize(
    ("how", "whole"),
    [
        pytest.param(lambda model, weight: model.odd.data.copy_(weight), True, id="whole"),
        pytest.param(lambda model, weight: model.odd.data[:, 1:].copy_(weight[:, :3]), False, id="a part"),
        pytest.param(lambda model, weight: model.odd.data.copy_(weight[2].expand(4, 4)), False, id="a row, expanded"),
        pytest.param(lambda model, weight: model.odd.data.copy_(weight[2]), False, id="a row, by itself"),
        pytest.param(lambda model, weight: model.odd.data.copy_(weight.t()), False, id="transposed"),
        pytest.param(lambda model, weight: model.odd.data.t().copy_(weight), False, id="into a transposed one"),
        pytest.param(
            lambda model, weight: [part.copy_(weight[i::2]) for i, part in enumerate(model.odd.data.split(2))],
            False,
            id="in two pieces",
        ),
    ],
)
def test_writing_is_what_loading_is(how: Callable[[Loader, torch.Tensor], object], whole: bool) -> None:
    model, loaded = Loader(how), Loader(how)
    places = find_places(model, SLOTS)
    assert places is not None
    assert (model.fused[:6] == 7).all() and (model.odd == 7).all()  # nothing was loaded
    weights = [(name, torch.randn(100)[9 : 9 + math.prod(shape)].view(shape)) for name, shape in SHAPES.items()]
    loaded.load_weights(weights)
    places.write(weights)
    assert torch.equal(model.fused, loaded.fused) and torch.equal(model.odd, loaded.odd)
    assert list(places.whole) == (["q", "k", "odd"] if whole else ["q", "k"])
    for name, weight in weights[: len(places.whole)]:
        places.whole[name].add_(1)
        assert torch.equal(places.whole[name], weight + 1)
    assert torch.equal(model.fused[:6], loaded.fused[:6] + 1)  # it is the model's own memory


def test_weights_of_another_dtype_are_converted() -> None:
    model = Loader(lambda model, weight: model.odd.data.copy_(weight)).bfloat16()
    places = find_places(model, SLOTS)
    assert places is not None
    assert places.whole == {}
    places.write([("k", torch.full((2, 4), 1.001))])  # 1.0 in bfloat16, which has 8 bits
    assert model.fused.sum(dim=1).tolist() == [28, 28, 28, 28, 4, 4, 0, 0]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        pytest.param(lambda model, weight: model.odd.data.copy_(weight * 2), "not copied as it is", id="other numbers"),
        pytest.param(lambda model, weight: model.odd.data.copy_(weight.flip(0)), "not copied as it is", id="flipped"),
        pytest.param(lambda model, weight: model.odd.data.fill_(weight[0, 0].item()), "meta", id="a number is read"),
        pytest.param(lambda model, weight: torch.from_numpy(weight.numpy()), "meta", id="NumPy reads it"),
        pytest.param(lambda model, weight: None, "no weight is copied to odd", id="nothing"),
        pytest.param(
            lambda model, weight: (model.odd.data.copy_(weight), model.odd.data.copy_(model.odd.data + 1)),
            "numbers are changed while loading",
            id="an offset",
        ),
        pytest.param(lambda model, weight: model.odd.data.add_(weight), "not copied as it is", id="sum"),
    ],
)
def test_a_model_that_does_more_than_copy_is_reloaded(
    how: Callable[[Loader, torch.Tensor], object], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = Loader(how)
    assert find_places(model, SLOTS) is None
    assert why in caplog.text
    assert (model.fused[:6] == 7).all() and (model.odd == 7).all()


def test_a_model_of_which_something_was_made_after_loading_is_reloaded() -> None:
    model = Loader(lambda model, weight: model.odd.data.copy_(weight))
    layer = model.layer = nn.Identity()
    assert find_places(model, SLOTS) is not None
    layer.quant_method = object()  # as vLLM's linear, embedding and expert layers have one
    assert find_places(model, SLOTS) is None
    layer.cpu_linear = plain_linear  # as `keep_matrices_plain` leaves them
    assert find_places(model, SLOTS) is not None
    model.process_weights_after_loading = lambda: None
    assert find_places(model, SLOTS) is None
