"""What the program asks of a training engine. Implementations: `deepspeed_engine.DeepSpeedEngine`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from seed_grpo.messages import Sample, StepResult

if TYPE_CHECKING:
    import torch


class WeightInfo(NamedTuple):
    """Name in the Hugging Face checkpoint, dtype name (`float32`, `bfloat16`) and full shape of one weight."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class Weights(Protocol):
    """The policy's weights as a Hugging Face checkpoint has them, a tied matrix once.

    `metadata` gathers nothing. Iteration is a collective over all ranks: every rank must go through it to the end;
    it gathers bucket by bucket. A tensor stays as it is until the policy is trained again or loaded; what was
    gathered for it takes memory as long as anything refers to it.
    """

    def metadata(self) -> list[WeightInfo]: ...

    def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]: ...


class TrainEngine(Protocol):
    """One rank of the trainer. Every method is a collective: all ranks call it with the same arguments."""

    rank: int
    world_size: int

    def step(self, samples: Sequence[Sample]) -> StepResult:
        """One step on its samples, in one optimiser update or several; each rank picks its share. An update whose loss
        or gradient is not finite is skipped and told of in the result.

        Raises:
            TrainerError: too many updates in a row were skipped.
        """
        ...

    def score(self, token_ids_T: np.ndarray) -> np.ndarray:
        """Log-probabilities [T-1] of tokens 1..T-1 given their predecessors, under the present weights."""
        ...

    def weights(self) -> Weights:
        """The present weights."""
        ...

    def save(self, folder: Path) -> None:
        """Writes policy, optimiser, schedule and random states into an existing empty folder."""
        ...

    def load(self, folder: Path) -> None:
        """Restores what `save` wrote, to the bit.

        Raises:
            CheckpointError: the folder is incomplete, or of another model or world size.
        """
        ...

    def export(self, folder: Path) -> None:
        """Writes the policy as a Hugging Face model with its tokenizer; `config.json` comes last."""
        ...
