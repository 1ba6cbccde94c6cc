"""Log-probabilities of given tokens under a Hugging Face causal language model.

Consumes token ids of padded rows and which of them are predicted from where; produces the log-probability of each
predicted token and the entropy of the distribution it came from. It computes no loss and knows no ranks.

Rows are padded on the right: causal attention then keeps real tokens from seeing padding, without any mask.
Position ids are given explicitly, since a model's `forward` does not derive them. The logits of all tokens are
never held at once: the output matrix is applied to chunks of tokens, recomputed in the backward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from seed_grpo.errors import ModelError

LOGITS_PER_CHUNK = 2**26
"""Logits held in float32 at once; 256 MiB"""

UNSUPPORTED_OUTPUT_SETTINGS = ("final_logit_softcapping", "logit_scale", "logits_scaling")
"""Model settings that change logits after the output matrix, which this module applies itself."""


class PredictedTokens(NamedTuple):
    """The input of `PolicyLogprobs`: B rows padded to L tokens, T tokens of which are predicted."""

    token_ids_BL: torch.Tensor
    predictors_T: torch.Tensor
    """[T] index into the flattened rows of the token BEFORE each predicted one"""
    targets_T: torch.Tensor
    """[T] id of each predicted token"""

    def to(self, device: torch.device) -> PredictedTokens:
        """The same on a device."""
        return PredictedTokens(*(tensor.to(device) for tensor in self))


def predicted_tokens(rows: Sequence[tuple[np.ndarray, np.ndarray]]) -> PredictedTokens:
    """Lays rows of (prompt, completion) token ids out; the completions' tokens are predicted, row after row.

    E.g. ([5, 6], [7]) and ([5], [8, 9]): rows [[5, 6, 7], [5, 8, 9]], predictors [1, 3, 4], targets [7, 8, 9].
    Every prompt holds at least one token, as nothing predicts the first.
    """
    if any(len(prompt) == 0 for prompt, _ in rows):
        raise ValueError("a row has an empty prompt; nothing predicts its first completion token")
    longest = max(len(prompt) + len(completion) for prompt, completion in rows)
    token_ids = np.zeros((len(rows), longest), dtype=np.int64)
    predictors = []
    for row, (prompt, completion) in enumerate(rows):
        end = len(prompt) + len(completion)
        token_ids[row, :end] = np.concatenate([prompt, completion])
        predictors.append(row * longest + np.arange(len(prompt) - 1, end - 1))
    return PredictedTokens(
        torch.from_numpy(token_ids),
        torch.from_numpy(np.concatenate(predictors)),
        torch.from_numpy(np.concatenate([completion for _, completion in rows]).astype(np.int64)),
    )


class PolicyLogprobs(nn.Module):
    """A causal language model whose forward pass gives log-probabilities, not logits."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        set_otherwise = [
            f"{name}={value}"
            for name in UNSUPPORTED_OUTPUT_SETTINGS
            if (value := getattr(model.config, name, None)) not in (None, 1, 1.0)
        ]
        if set_otherwise:
            raise ModelError(
                f"{model.config.model_type} models change their logits by {', '.join(set_otherwise)}, which the "
                "trainer does not compute; choose a model.path whose logits are hidden states times output matrix"
            )
        self.model = model

    def forward(self, tokens: PredictedTokens) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities [T] float32 with gradient, and token entropies [T] float32 without, both in nats."""
        token_ids_BL = tokens.token_ids_BL
        position_ids = torch.arange(token_ids_BL.shape[1], device=token_ids_BL.device).expand_as(token_ids_BL)
        output = self.model.base_model(input_ids=token_ids_BL, position_ids=position_ids, use_cache=False)
        hidden_TH = output.last_hidden_state.flatten(0, 1).index_select(0, tokens.predictors_T)
        chunk = max(1, LOGITS_PER_CHUNK // self.model.config.vocab_size)
        if len(hidden_TH) <= chunk:
            return self._chunk(hidden_TH, tokens.targets_T)
        parts = [
            checkpoint(self._chunk, hidden, targets, use_reentrant=False)
            for hidden, targets in zip(hidden_TH.split(chunk), tokens.targets_T.split(chunk), strict=True)
        ]
        logprobs, entropies = zip(*parts, strict=True)
        return torch.cat(logprobs), torch.cat(entropies)

    def _chunk(self, hidden_TH: torch.Tensor, targets_T: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits_TV = self.model.get_output_embeddings()(hidden_TH).float()
        all_logprobs_TV = torch.log_softmax(logits_TV, dim=-1)
        logprobs_T = all_logprobs_TV.gather(1, targets_T.unsqueeze(1)).squeeze(1)
        with torch.no_grad():
            entropies_T = torch.special.entr(all_logprobs_TV.exp()).sum(-1)
        return logprobs_T, entropies_T
