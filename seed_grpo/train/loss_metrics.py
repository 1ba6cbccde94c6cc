"""Metrics of one step's losses, summed over micro-batches, updates and ranks.

Consumes the loss parts of `algo.loss`; produces their numbers in metrics.jsonl. It reads no clock, and knows neither
gradients nor learning rates.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import distributed

from seed_grpo.algo.loss import COUNTS, MAXIMA, MEANS, SUMS, LossParts

METRICS = {
    "loss": "mean over the updates of the step",
    "tokens": "completion tokens that the step ran, in all its updates",
    "row_tokens": "tokens of the rows that the step ran, prompts too, in all its updates",
    "row_length": "tokens of a token's row, prompt and completion, mean over these tokens",
    "padding_share": "share of the token places in attention that are padding; elsewhere there is none",
    **{name: mean.meaning for name, mean in MEANS.items()},
    **MAXIMA,
}
"""unit and meaning by name; means and maxima are over all updates of the step"""


class StepTotals:
    """Sums of this rank's loss parts; `reduced` is a collective and gives every rank the same numbers."""

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(4 + len(SUMS), dtype=torch.float64, device=device)
        self._maxima = torch.zeros(len(MAXIMA), dtype=torch.float64, device=device)

    def add(self, parts: LossParts) -> None:
        """Adds one micro-batch of any update of the step."""
        self._sums[3:] += torch.stack([parts.loss.detach().double(), *(parts.sums[name].double() for name in SUMS)])
        self._maxima = torch.maximum(self._maxima, torch.stack([parts.maxima[name] for name in MAXIMA]).double())

    def add_places(self, lengths_B: Sequence[int], places: int) -> None:
        """Adds the tokens of a forward pass, by row and prompts too, and the places that attention computed for
        them."""
        sums = [sum(lengths_B), sum(length**2 for length in lengths_B), places]
        self._sums[:3] += torch.tensor(sums, dtype=torch.float64, device=self._sums.device)

    def merge(self, other: StepTotals) -> None:
        """Adds the sums of another object on this rank."""
        self._sums += other._sums
        self._maxima = torch.maximum(self._maxima, other._maxima)

    def reduced(self, updates: int = 1) -> dict[str, float]:
        """The metrics of `METRICS`; a mean or maximum over nothing is left out.

        Args:
            updates: optimiser steps whose parts were added, each of them with a loss of its own.
        """
        distributed.all_reduce(self._sums)
        distributed.all_reduce(self._maxima, op=distributed.ReduceOp.MAX)
        row_tokens, row_squares, places, loss, *sums = self._sums.tolist()
        totals = dict(zip(SUMS, sums, strict=True))
        counts = {name: totals.pop(name) for name in COUNTS}
        metrics = {"loss": loss / updates, "tokens": counts["tokens"]}
        metrics |= {name: total / count for name, total in totals.items() if (count := counts[MEANS[name].over])}
        if counts["tokens"]:
            metrics |= {"row_tokens": row_tokens, "row_length": row_squares / row_tokens}
            metrics["padding_share"] = 1.0 - row_tokens / places
            metrics |= dict(zip(MAXIMA, self._maxima.tolist(), strict=True))
        return metrics
