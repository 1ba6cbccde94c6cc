"""Table of transports: gloo on CPU, NCCL between GPUs, CUDA IPC within one GPU.

Every transport rides on vLLM's weight-transfer interface. A trainer-side engine sends; in each process of a rollout
engine a worker-side engine receives. A transport is the init info that opens the trainer's end, and the `ReceivingEnd`
that a rollout engine starts with. vLLM is imported when a transport is opened, not with this module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seed_grpo.rollout.engine import ReceivingEnd

if TYPE_CHECKING:
    from vllm.distributed.weight_transfer.base import TrainerInitInfo


@dataclass(frozen=True)
class TransferPlan:
    """Participants and limits of a transport.

    `TransferPlan(0, 3, "127.0.0.1", 29600, 2**28, 300.0)` is one sending rank and two engines of one device each.
    """

    rank: int
    """rank in the trainer; rank 0 sends"""
    world_size: int
    """number of the sending rank and all devices of all rollout engines"""
    address: str
    """address of the sending rank, the only one that it listens on"""
    port: int
    bucket_bytes: int
    """largest buffer, over gloo of all buffers together; no tensor is larger"""
    timeout: float
    """seconds for any one wait"""


@dataclass(frozen=True)
class Transport:
    """One way for weights to travel."""

    init_info: Callable[[TransferPlan], TrainerInitInfo]
    """function that makes the init info which opens vLLM's trainer-side engine"""
    receiving: ReceivingEnd
    """receiving end, given to each rollout engine when it starts"""


def _gloo(plan: TransferPlan) -> TrainerInitInfo:
    """Broadcasts in buckets from the memory of rank 0 to every process of every engine; both ends are ours."""
    from seed_grpo.weight_sync.gloo.engines import GlooTrainerInitInfo

    return GlooTrainerInitInfo(
        plan.address, plan.port, plan.world_size, plan.bucket_bytes, plan.timeout, rank=plan.rank
    )


def _nccl(plan: TransferPlan) -> TrainerInitInfo:
    """Broadcasts from the GPU of rank 0 to every GPU of every engine; both ends are vLLM's own, in their packed form.

    Two buckets travel at a time, so each end holds two. A bucket may exceed its size by one weight. The sender also
    holds the weights that were gathered or made for the bucket that it is packing.
    """
    from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo

    return NCCLTrainerInitInfo(
        master_address=plan.address,
        master_port=plan.port,
        world_size=plan.world_size,
        packed=True,
        packed_buffer_size_bytes=plan.bucket_bytes,
        rank=plan.rank,
    )


def _ipc(plan: TransferPlan) -> TrainerInitInfo:
    """Shares CUDA memory between a trainer and an engine on one GPU, where NCCL refuses two ranks.

    Both ends are vLLM's own, in their packed form: one staging buffer on the GPU, whose handle travels with each call.
    The engine copies each bucket out of it, so the two hold one bucket each.
    """
    from vllm.distributed.weight_transfer.ipc_engine import IPCTrainerInitInfo

    return IPCTrainerInitInfo(packed=True, packed_buffer_size_bytes=plan.bucket_bytes, rank=plan.rank)


TRANSPORTS: dict[str, Transport] = {
    "gloo": Transport(_gloo, ReceivingEnd("gloo", module="seed_grpo.weight_sync.gloo.engines")),
    "nccl": Transport(_nccl, ReceivingEnd("nccl")),
    # vLLM passes a memory handle, a tuple of torch types, to its own worker processes only with pickle allowed.
    "ipc": Transport(_ipc, ReceivingEnd("ipc", environment={"VLLM_ALLOW_INSECURE_SERIALIZATION": "1"})),
}
