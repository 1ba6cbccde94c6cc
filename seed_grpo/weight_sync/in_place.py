"""Weights of a CPU engine that stay as the checkpoint has them, so that a sync can write them where they lie.

vLLM packs the matrices of its CPU engine for oneDNN after loading, and so would have to pack them anew after every
sync, which costs several times the broadcast. In float32 the plain product is about as fast (between 0.4 and 1.8 times
the time by shape, and the same from 64 sequences on), so engines that learn keep their matrices plain.
"""

from __future__ import annotations

import torch


def keep_matrices_plain() -> None:
    """Has vLLM load models without packing for oneDNN; called in an engine's process before the model is loaded."""
    from vllm import _custom_ops

    _custom_ops._supports_onednn = False


def lies_plain(model: torch.nn.Module) -> bool:
    """Whether every parameter of the model has the shape and dtype it is loaded in. Other packings, such as those for
    AMX in bfloat16, replace the parameters that they pack."""
    from vllm.model_executor.model_loader.reload.layerwise import get_layerwise_info

    for layer in model.modules():
        loaded, _ = get_layerwise_info(layer).restore_metadata
        present = dict(layer.named_parameters(recurse=False))
        for name, as_loaded in loaded.items():
            found = present.get(name)
            if found is None or (found.shape, found.dtype) != (as_loaded.shape, as_loaded.dtype):
                return False
    return True
