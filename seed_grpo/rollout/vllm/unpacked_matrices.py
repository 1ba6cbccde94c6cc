"""Matrices of a CPU engine, kept as the checkpoint has them, so that a sync can write them where they lie.

vLLM packs the matrices of its CPU engine for oneDNN after loading. It would have to pack them anew after every sync,
which takes longer than the broadcast. In float32 the product with a plain matrix is as fast in the sizes that matter
(0.4 to 1.8 times the time by shape, and the same from 64 sequences on), so the engines that learn keep their matrices
plain.
"""

from __future__ import annotations

import torch
from torch.nn.functional import linear, pad

MULTIPLE = 4
"""rows come in multiples of this: then MKL gives a row on AMD's processors the same bits whatever the others are; on
Intel's that takes `strict_products`"""


torch.library.define("seed_grpo::plain_linear", "(Tensor rows, Tensor weight, Tensor? bias) -> Tensor")
plain_linear = torch.ops.seed_grpo.plain_linear.default
"""Products [..., V] of rows [..., H] with a matrix [V, H], and a bias [V] or None.

The bits of a row do not depend on the other rows, as with oneDNN: what a seed samples must not depend on what else
runs. An operator of its own, since a compiler would choose by shape."""


@torch.library.impl("seed_grpo::plain_linear", "CPU")
def _(rows: torch.Tensor, weight_VH: torch.Tensor, bias_V: torch.Tensor | None) -> torch.Tensor:
    rows_TH = rows.flatten(end_dim=-2)  # Transformers' models in vLLM have a batch of one
    missing = -len(rows_TH) % MULTIPLE
    products_TV = linear(pad(rows_TH, (0, 0, 0, missing)) if missing else rows_TH, weight_VH, bias_V)
    if missing:
        products_TV = products_TV[: len(rows_TH)].clone()
    return products_TV.view(*rows.shape[:-1], -1)


@torch.library.register_fake("seed_grpo::plain_linear")
def _(rows: torch.Tensor, weight_VH: torch.Tensor, bias_V: torch.Tensor | None) -> torch.Tensor:
    return rows.new_empty(*rows.shape[:-1], len(weight_VH))


def keep_matrices_plain() -> None:
    """Has vLLM load float32 models on a CPU without packing.

    Called in an engine's process before the model is loaded. On a GPU, or called again, it changes nothing.
    """
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        return
    from vllm.model_executor.layers import utils

    vllms_own = utils.dispatch_cpu_unquantized_gemm
    if vllms_own.__module__ == __name__:
        return

    def dispatch_cpu_unquantized_gemm(layer: torch.nn.Module, remove_weight: bool) -> None:
        weight = layer.weight
        if weight.ndim == 2 and weight.dtype == torch.float32 and not weight.is_meta:
            layer.cpu_linear = plain_linear  # type: ignore[assignment]
        else:
            vllms_own(layer, remove_weight)

    utils.dispatch_cpu_unquantized_gemm = dispatch_cpu_unquantized_gemm


def lies_plain(model: torch.nn.Module) -> bool:
    """Tells whether the model computes with its parameters as loaded, and with nothing that vLLM made of them later.

    Among layers of which vLLM makes something, only those whose matrices were kept plain are known to do so.
    """
    from vllm.model_executor.layers.attention import Attention, is_deferred_attention_layer

    def is_plain(layer: torch.nn.Module) -> bool:
        if getattr(layer, "quant_method", None) is not None:
            return getattr(layer, "cpu_linear", None) is plain_linear
        return isinstance(layer, Attention) or not is_deferred_attention_layer(layer)

    return not hasattr(model, "process_weights_after_loading") and all(map(is_plain, model.modules()))
