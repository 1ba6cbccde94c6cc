"""Interface of a training engine. Implementation: `deepspeed_engine.DeepSpeedEngine`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from seed_grpo.messages import Sample, StepResult
from seed_grpo.weight_sync.base import Weights


class TrainEngine(Protocol):
    """One rank of the trainer. Every method is a collective: all ranks call it with the same arguments."""

    rank: int
    world_size: int

    def step(self, samples: Sequence[Sample]) -> StepResult:
        """Trains one step on its samples, in one optimiser update or several; each rank picks its share.

        An update whose loss or gradient is not finite is skipped, and the result says so.

        Raises:
            TrainerError: too many updates in a row were skipped.
        """
        ...

    def score(self, token_ids_T: np.ndarray) -> np.ndarray:
        """Log-probabilities [T-1] of tokens 1..T-1 given their predecessors, under the present weights.

        They are of temperature 1, whatever `rollout.temperature` is.
        """
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
            CheckpointError: the folder is incomplete, or belongs to another model or world size.
        """
        ...

    def export(self, folder: Path) -> None:
        """Writes the policy as a Hugging Face model with its tokenizer; `config.json` comes last."""
        ...
