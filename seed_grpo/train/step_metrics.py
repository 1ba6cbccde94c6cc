"""The metrics of one step, summed over micro-batches and then over ranks."""

from __future__ import annotations

import torch
from torch import distributed

from seed_grpo.algo.loss import MAXIMA, SUMS, LossParts


class StepTotals:
    """Adds up the parts of this rank; `reduced` is a collective and gives every rank the same numbers."""

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(1 + len(SUMS), dtype=torch.float64, device=device)
        self._maxima = torch.zeros(len(MAXIMA), dtype=torch.float64, device=device)

    def add(self, parts: LossParts) -> None:
        """Adds one micro-batch."""
        self._sums += torch.stack([parts.loss.detach(), *(parts.sums[name] for name in SUMS)]).double()
        self._maxima = torch.maximum(self._maxima, torch.stack([parts.maxima[name] for name in MAXIMA]).double())

    def reduced(self) -> dict[str, float]:
        """The loss, the tokens, and means and maxima over them; these are left out where there are no tokens."""
        distributed.all_reduce(self._sums)
        distributed.all_reduce(self._maxima, op=distributed.ReduceOp.MAX)
        loss, *sums = self._sums.tolist()
        totals = dict(zip(SUMS, sums, strict=True))
        tokens = totals.pop("tokens")
        metrics = {"loss": loss, "tokens": tokens}
        if tokens:
            metrics |= {name: total / tokens for name, total in totals.items()}
            metrics |= dict(zip(MAXIMA, self._maxima.tolist(), strict=True))
        return metrics
