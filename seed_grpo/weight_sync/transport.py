"""What a transport is made of. Each of `gloo`, `nccl` and `ipc` defines one `Transport`; `factory` holds the table.

Every transport rides on vLLM's weight-transfer interface: a trainer-side engine that sends, and in each process of the
rollout engines a worker-side engine that receives. They differ in the init info that vLLM dispatches on, and in what
the rollout engines' processes need in their environment. This module opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm.distributed.weight_transfer.base import TrainerInitInfo


@dataclass(frozen=True)
class TransferPlan:
    """Who takes part and how, e.g. `TransferPlan(0, 3, "127.0.0.1", 29600, 2**28, 300.0)` for one sending rank and two
    engines of one device each."""

    rank: int
    """of the trainer; rank 0 sends"""
    world_size: int
    """the sending rank and all devices of all rollout engines"""
    address: str
    """of the sending rank, which listens there and nowhere else"""
    port: int
    bucket_bytes: int
    """of a buffer at most, over gloo of all buffers together; no tensor is larger"""
    timeout: float
    """seconds for any one wait"""


@dataclass(frozen=True)
class Transport:
    """One way for weights to travel."""

    init_info: Callable[[TransferPlan], TrainerInitInfo]
    """what vLLM's trainer-side engine is opened with"""
    engine_environment: Mapping[str, str] = field(default_factory=dict)
    """environment that a rollout engine's processes need to receive"""
