"""Log-probabilities and token entropies of given tokens, without ever holding tokens x vocabulary.

Consumes packed rows, a Hugging Face causal language model and a temperature T; produces two numbers a token, both
differentiable: the log-probability of the predicted token, and the entropy of the distribution it came from. Both are
of softmax(logits / T). It computes no loss and knows no ranks.

The output matrix is taken in blocks of the vocabulary. With l_v = h . w_v / T, forward keeps a running maximum m and
the sums s = sum_v exp(l_v - m) and d = sum_v exp(l_v - m) (l_v - m), rescaled whenever m grows (online softmax,
Milakov and Gimelshein 2018, arXiv 1805.02867):

    log p(target) = l_target - m - log s        H = log s - d / s

Backward makes each block's logits again. With p_v = exp(l_v - m - log s) and the gradients g of log p and e of H,

    dL/dl_v = g (1[v = target] - p_v) - e p_v (log p_v + H)

whose products with the block and the hidden states, over T, give the gradients of both. A block's part of the matrix's
gradient is written once, and the hidden states' gradient adds up in float32: in bfloat16 only the blocks' own products
are rounded. This costs one product more than keeping the logits would.

The logits are divided in float32, as vLLM divides them, and in place. At T = 1 nothing is divided.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from seed_grpo.train.attention import Attention
from seed_grpo.train.packing import PackedRow

LOGITS_AT_ONCE = {"cpu": 2**22, "cuda": 2**26}
"""logits of a block in float32, by device: 16 MiB, near what a core's caches hold; 256 MiB, a launch's worth"""
SMALLEST_BLOCK = 256
"""tokens of the vocabulary; products with fewer rows are slow"""


class PolicyLogprobs(nn.Module):
    """A causal language model whose forward pass gives log-probabilities, not logits."""

    def __init__(self, model: Any, attention: Attention) -> None:
        """Takes a model that was loaded for packed rows (`train.model.load_model`)."""
        super().__init__()
        self.model = model
        self.output = OutputLogprobs(model.get_output_embeddings())
        self._attention = attention

    def train(self, mode: bool = True) -> PolicyLogprobs:
        """Keeps the model itself in eval mode always.

        Dropout, dropped layers or noise in its router would make it another policy than the one that samples.
        """
        super().train(mode)
        self.model.eval()
        return self

    def forward(self, row: PackedRow, temperature: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities [T] and token entropies [T], both float32, in nats and with gradient.

        Args:
            temperature: divides the logits; 1 gives the model's own distribution.
        """
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
        return self.output(hidden_TH, row.targets_T, temperature)


class OutputLogprobs(nn.Module):
    """The output matrix, applied by `lean_logprobs`.

    The matrix is this module's own parameter too, so that ZeRO-3 has it whole while it is used.
    """

    def __init__(self, output: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = output.weight, output.bias

    def forward(
        self, hidden_TH: torch.Tensor, targets_T: torch.Tensor, temperature: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities [T] and entropies [T]."""
        return lean_logprobs(hidden_TH, self.weight, targets_T, self.bias, temperature)


def lean_logprobs(
    hidden_TH: torch.Tensor,
    weight_VH: torch.Tensor,
    targets_T: torch.Tensor,
    bias_V: torch.Tensor | None = None,
    temperature: float = 1.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities [T] and entropies [T] of the next-token distributions, float32, in nats.

    Memory beyond inputs and their gradients: a few blocks of T x max(`LOGITS_AT_ONCE` / T, 256) numbers.

    Args:
        hidden_TH: [T, H] last hidden states.
        weight_VH: [V, H] output matrix, of the same dtype.
        targets_T: [T] int64, the tokens whose log-probabilities are asked for.
        bias_V: [V] bias of the few models that have one.
        temperature: divides the logits.

    Raises:
        ValueError: the shapes do not fit.
    """
    tokens, width = hidden_TH.shape
    if weight_VH.shape[1] != width or targets_T.shape != (tokens,):
        raise ValueError(
            f"hidden states {tuple(hidden_TH.shape)}, output matrix {tuple(weight_VH.shape)} and targets "
            f"{tuple(targets_T.shape)} must be [T, H], [V, H] and [T]"
        )
    return _LeanLogprobs.apply(hidden_TH, weight_VH, targets_T, bias_V, temperature)


class _LeanLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden_TH: Any, weight_VH: Any, targets_T: Any, bias_V: Any, temperature: float) -> Any:
        top_T = hidden_TH.new_full(targets_T.shape, torch.finfo(torch.float32).min, dtype=torch.float32)
        sum_T, dot_T, target_T = (torch.zeros_like(top_T) for _ in range(3))
        for block in _blocks(targets_T, len(weight_VH)):
            logits_TB = _logits(hidden_TH, weight_VH, bias_V, temperature, block)
            column_T, inside_T = _columns(targets_T, block)
            target_T = torch.where(inside_T, logits_TB.gather(1, column_T[:, None])[:, 0], target_T)
            new_top_T = torch.maximum(top_T, logits_TB.amax(1))
            shift_T = top_T - new_top_T
            factor_T = shift_T.exp()
            dot_T = factor_T * (dot_T + sum_T * shift_T)
            shifted_TB = logits_TB.sub_(new_top_T[:, None])
            exp_TB = shifted_TB.exp()
            sum_T = factor_T * sum_T + exp_TB.sum(1)
            dot_T = dot_T + exp_TB.mul_(shifted_TB).sum(1)
            top_T = new_top_T
        log_sum_T = sum_T.log()
        entropies_T = log_sum_T - dot_T / sum_T
        normalizer_T = top_T + log_sum_T
        ctx.save_for_backward(hidden_TH, weight_VH, targets_T, bias_V, normalizer_T, entropies_T)
        ctx.temperature = temperature
        ctx.set_materialize_grads(False)
        return target_T - normalizer_T, entropies_T

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_T: Any, grad_entropies_T: Any) -> Any:
        hidden_TH, weight_VH, targets_T, bias_V, normalizer_T, entropies_T = ctx.saved_tensors
        needs_hidden, needs_weight, _, needs_bias, _ = ctx.needs_input_grad
        grad_T = torch.zeros_like(normalizer_T) if grad_T is None else grad_T
        if ctx.temperature != 1.0:  # the blocks' gradients, which are linear in these, are of h . w_v
            grad_T = grad_T / ctx.temperature
            grad_entropies_T = None if grad_entropies_T is None else grad_entropies_T / ctx.temperature
        grad_hidden = torch.zeros_like(hidden_TH, dtype=torch.float32) if needs_hidden else None
        grad_weight = torch.empty_like(weight_VH) if needs_weight else None
        grad_bias = torch.empty_like(bias_V) if needs_bias else None
        for block in _blocks(targets_T, len(weight_VH)):
            logprobs_TB = _logits(hidden_TH, weight_VH, bias_V, ctx.temperature, block).sub_(normalizer_T[:, None])
            if grad_entropies_T is None:
                grad_TB = logprobs_TB.exp_().mul_(-grad_T[:, None])
            else:
                inner_TB = (logprobs_TB + entropies_T[:, None]).mul_(grad_entropies_T[:, None]).add_(grad_T[:, None])
                grad_TB = logprobs_TB.exp_().mul_(inner_TB).neg_()
            column_T, inside_T = _columns(targets_T, block)
            at_target_T1 = grad_TB.gather(1, column_T[:, None]) + torch.where(inside_T, grad_T, 0.0)[:, None]
            grad_TB.scatter_(1, column_T[:, None], at_target_T1)
            if grad_bias is not None:
                grad_bias[block] = grad_TB.sum(0)
            grad_TB = grad_TB.to(weight_VH.dtype)
            if grad_hidden is not None:
                grad_hidden += grad_TB @ weight_VH[block]
            if grad_weight is not None:
                torch.mm(grad_TB.t(), hidden_TH, out=grad_weight[block])
        return None if grad_hidden is None else grad_hidden.to(hidden_TH.dtype), grad_weight, None, grad_bias, None


def _blocks(targets_T: torch.Tensor, vocabulary: int) -> list[slice]:
    size = max(SMALLEST_BLOCK, LOGITS_AT_ONCE[targets_T.device.type] // max(len(targets_T), 1))
    return [slice(start, min(start + size, vocabulary)) for start in range(0, vocabulary, size)]


def _logits(hidden_TH: Any, weight_VH: Any, bias_V: Any, temperature: float, block: slice) -> torch.Tensor:
    logits_TB = linear(hidden_TH, weight_VH[block], None if bias_V is None else bias_V[block]).float()
    return logits_TB if temperature == 1.0 else logits_TB.div_(temperature)


def _columns(targets_T: torch.Tensor, block: slice) -> tuple[torch.Tensor, torch.Tensor]:
    """Each target's column in the block, clamped, and a mask of the targets that lie in the block."""
    column_T = targets_T - block.start
    last = block.stop - block.start - 1
    return column_T.clamp(0, last), (column_T >= 0) & (column_T <= last)
