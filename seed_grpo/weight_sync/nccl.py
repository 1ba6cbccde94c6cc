"""Weights over NCCL, from the GPU of the trainer's rank 0 to every GPU of every rollout engine.

Both ends are vLLM's own `nccl` backend, in its packed form: tensors are packed into buckets, two of them on their way
at a time. So each end holds two buckets, either of which may exceed its size by one weight, and the sender also what
was gathered or made for the bucket that it is packing. This module only says how it is opened.
"""

from __future__ import annotations

from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo

from seed_grpo.weight_sync.transport import TransferPlan, Transport


def _init_info(plan: TransferPlan) -> NCCLTrainerInitInfo:
    return NCCLTrainerInitInfo(
        master_address=plan.address,
        master_port=plan.port,
        world_size=plan.world_size,
        packed=True,
        packed_buffer_size_bytes=plan.bucket_bytes,
        rank=plan.rank,
    )


TRANSPORT = Transport(_init_info)
