"""A trainer's weights for tests of their sending, and the comparison of what arrived."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from seed_grpo.weight_sync.base import WeightInfo

TIMEOUT = 40.0
"""far above what any of these tests takes: a test that waits it out fails"""


class FakeWeights:
    """Implements `weight_sync.base.Weights`; counts what was gathered, and spoils all of it at the end, as training
    does."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        self.tensors = tensors
        self.gathered = 0

    def metadata(self) -> list[WeightInfo]:
        return [WeightInfo(n, str(t.dtype).removeprefix("torch."), tuple(t.shape)) for n, t in self.tensors.items()]

    def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
        lent = {name: tensor.clone() for name, tensor in self.tensors.items()}
        for name, tensor in lent.items():
            self.gathered += 1
            yield name, tensor
        for tensor in lent.values():
            tensor.zero_()


def assert_same(received: dict[str, torch.Tensor], sent: dict[str, torch.Tensor]) -> None:
    assert list(received) == list(sent)
    for name, tensor in sent.items():
        assert received[name].dtype == tensor.dtype
        assert torch.equal(received[name], tensor), name
