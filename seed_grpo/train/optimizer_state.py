"""State of one rank that a checkpoint must hold to go on to the bit.

That is its part of the float32 weights, its part of the optimiser state, and the random states, in files that are read
without running code (safetensors and JSON). DeepSpeed's own checkpoints would be read by pickle. Consumes DeepSpeed's
optimiser objects, whose inner names (of DeepSpeed 0.19) stand here and nowhere else.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import distributed

NUMBERS_AT_ONCE = 2**24
"""numbers of a rank's weights that are copied at a time"""


def tensors(optimizer: Any) -> dict[str, torch.Tensor]:
    """This rank's float32 weights and optimiser states, as `<number>.weights`, `<number>.exp_avg` and so on."""
    states = _inner(optimizer).state
    content = {}
    for number, weights in enumerate(_float32_weights(optimizer)):
        content[f"{number}.weights"] = weights.detach()
        content |= {f"{number}.{name}": tensor for name, tensor in states.get(weights, {}).items()}
    return content


@torch.no_grad()
def restore(optimizer: Any, content: dict[str, torch.Tensor]) -> None:
    """Restores the content that `tensors` gave, and the model's parameters from it; a collective over the ranks."""
    for number, weights in enumerate(_float32_weights(optimizer)):
        mine = {name.partition(".")[2]: t for name, t in content.items() if name.startswith(f"{number}.")}
        weights.copy_(mine.pop("weights"))
        state = _inner(optimizer).state
        state.pop(weights, None)
        for name, tensor in mine.items():  # AdamW keeps its step count on the CPU
            state[weights][name] = tensor if name == "step" else tensor.to(weights.device)
    if hasattr(optimizer, "fp32_partitioned_groups_flat"):
        optimizer._partition_all_parameters()  # the next forward pass gathers the restored ones
        for number in range(len(optimizer.fp32_partitioned_groups_flat)):
            optimizer._reassign_or_swap_out_partitioned_parameters(number)
    elif not isinstance(optimizer, torch.optim.Optimizer):
        optimizer.update_lp_params()


def shapes(optimizer: Any) -> list[list[int]]:
    """Shapes of this rank's float32 weights, by which another model or division is recognised."""
    return [list(weights.shape) for weights in _float32_weights(optimizer)]


@torch.no_grad()
def update_to_weight_ratio(optimizer: Any, device: torch.device) -> float:
    """Norm of the last update over the norm of the trained weights before it, over all ranks; a collective.

    AdamW's update is known from its states, so no copy of the weights is kept: with m and v the bias-corrected moments,
    w' = w - rate * (m / (sqrt(v) + eps) + decay * w) (arXiv 1711.05101, Algorithm 2).

    Args:
        device: the device on which ranks exchange numbers; the states may be offloaded from it.
    """
    inner = _inner(optimizer)
    (group,) = inner.param_groups
    squares = torch.zeros(2, dtype=torch.float64)
    for number, weights in enumerate(_float32_weights(optimizer)):
        state = inner.state.get(weights)
        if not state:
            continue
        rate, decay, steps = group["lr"], group["weight_decay"], int(state["step"])
        corrections = [1 - beta**steps for beta in group["betas"]]
        for part in _pieces(optimizer, number, weights.numel()):
            after, first, second = (t.flatten()[part] for t in (weights, state["exp_avg"], state["exp_avg_sq"]))
            change = (first / corrections[0]).div_((second / corrections[1]).sqrt_().add_(group["eps"])).mul_(rate)
            before = (after + change).div_(1 - rate * decay)
            squares += torch.stack([(before - after).norm() ** 2, before.norm() ** 2]).double().cpu()
    squares = squares.to(device)
    if not isinstance(optimizer, torch.optim.Optimizer):  # without ZeRO every rank has all of them
        distributed.all_reduce(squares)
    change_square, weight_square = squares.tolist()
    return math.sqrt(change_square / weight_square) if weight_square else 0.0


def random_states() -> dict[str, Any]:
    """The states of Python's, numpy's and torch's generators, as JSON can hold them."""
    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": [name, np.asarray(keys).tolist(), *rest],
        "torch": torch.get_rng_state().tolist(),
        "cuda": torch.cuda.get_rng_state().tolist() if torch.cuda.is_initialized() else None,
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """Restores the states that `random_states` gave."""
    version, keys, gauss = states["python"]
    random.setstate((version, tuple(keys), gauss))
    name, numpy_keys, *rest = states["numpy"]
    np.random.set_state((name, np.array(numpy_keys, dtype=np.uint32), *rest))
    torch.set_rng_state(torch.tensor(states["torch"], dtype=torch.uint8))
    if states["cuda"] is not None:
        torch.cuda.set_rng_state(torch.tensor(states["cuda"], dtype=torch.uint8))


def _float32_weights(optimizer: Any) -> list[torch.Tensor]:
    for name in ("fp32_partitioned_groups_flat", "single_partition_of_fp32_groups", "fp32_groups_flat_partition"):
        if hasattr(optimizer, name):  # ZeRO 3; ZeRO 1 and 2; ZeRO 1 in bfloat16
            return list(getattr(optimizer, name))
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _pieces(optimizer: Any, number: int, numbers: int) -> Iterator[slice]:
    """Pieces of bounded size of this rank's part `number` of the weights.

    ZeRO-3 pads the last rank's share of each parameter with memory that was never written; that is left out.
    """
    filled = [(0, numbers)]
    if hasattr(optimizer, "fp32_partitioned_groups_flat"):
        parameters = optimizer.fp16_groups[number]
        sizes = [parameter.partition_numel() for parameter in parameters]
        starts = accumulate(sizes, initial=0)
        rank = distributed.get_rank()
        filled = [
            (start, start + min(size, max(0, parameter.ds_numel - rank * size)))
            for start, size, parameter in zip(starts, sizes, parameters, strict=False)
        ]
    for first, last in filled:
        for start in range(first, last, NUMBERS_AT_ONCE):
            yield slice(start, min(start + NUMBERS_AT_ONCE, last))


def _inner(optimizer: Any) -> torch.optim.Optimizer:
    return optimizer if isinstance(optimizer, torch.optim.Optimizer) else optimizer.optimizer
