"""Weights by CUDA IPC, between a trainer and a rollout engine that share one GPU, where NCCL refuses two ranks.

Both ends are vLLM's own `ipc` backend, in its packed form: one staging buffer on the GPU, whose handle travels with
each call. The engine copies each bucket out of it, so the two hold one bucket each. This module only says how it is
opened.
"""

from __future__ import annotations

from vllm.distributed.weight_transfer.ipc_engine import IPCTrainerInitInfo

from seed_grpo.weight_sync.transport import TransferPlan, Transport


def _init_info(plan: TransferPlan) -> IPCTrainerInitInfo:
    return IPCTrainerInitInfo(packed=True, packed_buffer_size_bytes=plan.bucket_bytes, rank=plan.rank)


# A memory handle is a tuple of torch types, which vLLM passes on to its own worker processes only with pickle allowed.
TRANSPORT = Transport(_init_info, engine_environment={"VLLM_ALLOW_INSECURE_SERIALIZATION": "1"})
