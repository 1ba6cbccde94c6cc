"""Log-probabilities of given tokens under a Hugging Face causal language model.

Consumes packed rows; produces the log-probability of each predicted token and the entropy of the distribution it came
from. It computes no loss and knows no ranks.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from seed_grpo.train.attention import Attention
from seed_grpo.train.lean_logprobs import lean_logprobs
from seed_grpo.train.packing import PackedRow


class PolicyLogprobs(nn.Module):
    """A causal language model whose forward pass gives log-probabilities, not logits."""

    def __init__(self, model: Any, attention: Attention) -> None:
        """Takes a model that was loaded for packed rows (`train.model.load_model`)."""
        super().__init__()
        self.model = model
        self.output = OutputLogprobs(model.get_output_embeddings())
        self._attention = attention

    def train(self, mode: bool = True) -> PolicyLogprobs:
        """Keeps the model itself in eval mode always: with dropout, dropped layers or noise in its router it would be
        another policy than the one that samples."""
        super().train(mode)
        self.model.eval()
        return self

    def forward(self, row: PackedRow) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities [T] and token entropies [T], both float32, in nats and with gradient."""
        output = self.model.base_model(
            input_ids=row.token_ids_L[None],
            # says that nothing is padding; without it Transformers looks for packed sequences, and waits for the GPU
            attention_mask=torch.ones_like(row.token_ids_L[None]),
            position_ids=row.positions_L[None],
            use_cache=False,
            attend=self._attention,
            sequences=row.sequences,
        )
        hidden_TH = output.last_hidden_state[0].index_select(0, row.predictors_T)
        return self.output(hidden_TH, row.targets_T)


class OutputLogprobs(nn.Module):
    """The output matrix, applied by `lean_logprobs`. The matrix is this module's own parameter too, so that ZeRO-3 has
    it whole where it is used."""

    def __init__(self, output: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = output.weight, output.bias

    def forward(self, hidden_TH: torch.Tensor, targets_T: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities [T] and entropies [T]."""
        return lean_logprobs(hidden_TH, self.weight, targets_T, self.bias)
