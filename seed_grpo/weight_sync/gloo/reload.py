"""vLLM's layerwise reload, for a model that holds something made of its weights, such as packed matrices.

Consumes weights as they come. vLLM keeps them until their layer is complete, and then makes of the layer what it makes
after loading. Added here is what vLLM lacks: tied matrices that come once, and experts that are packed.
"""

from __future__ import annotations

from typing import Any

import torch
from vllm.platforms import current_platform


class Reload:
    """One reload of a model, which cannot compute between this object's making and `finish`."""

    def __init__(self, model: torch.nn.Module) -> None:
        # Imported here, since it loads vLLM's models.
        from vllm.model_executor.model_loader.reload import initialize_layerwise_reload

        self._model = model
        self._tied = _tied_names(model)
        self._kernels = _take_kernels(model) if current_platform.is_cpu() else []
        initialize_layerwise_reload(model)

    def load(self, weights: list[tuple[str, torch.Tensor]]) -> None:
        """Loads weights. A tied matrix comes once and is loaded by all of its names: each may be packed by itself."""
        load_weights: Any = self._model.load_weights
        load_weights([*weights, *((other, weight) for name, weight in weights for other in self._tied.get(name, ()))])

    def finish(self, model_config: Any) -> None:
        """Ends the reload, also where only a part of the weights came: layers without any are as they were."""
        from vllm.model_executor.model_loader.reload import finalize_layerwise_reload

        finalize_layerwise_reload(self._model, model_config)
        for method, kernel in self._kernels:
            method.moe_kernel = method.moe_kernel or kernel


def _tied_names(model: torch.nn.Module) -> dict[str, list[str]]:
    """Further names of each tied parameter, by its first name."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return {first: others for first, *others in names.values()}


def _take_kernels(model: torch.nn.Module) -> list[tuple[Any, Any]]:
    """Takes the kernels of experts away from their holders, and returns both.

    On a CPU, vLLM packs experts only where it makes their kernel. It would take later ones for packed.
    """
    methods: list[Any] = [getattr(layer, "quant_method", None) for layer in model.modules()]
    kernels = [(method, method.moe_kernel) for method in methods if hasattr(method, "moe_kernel")]
    for method, _ in kernels:
        method.moe_kernel = None
    return kernels
