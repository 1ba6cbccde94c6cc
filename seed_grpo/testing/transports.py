"""The contract of a transport of weights: vLLM knows it at both ends, and rank 0 sends."""

from __future__ import annotations

import importlib
import pickle

from seed_grpo.weight_sync.transports import TRANSPORTS, TransferPlan, Transport


def check_transport(transport: str | Transport) -> None:
    """Checks that both ends of a transport open the same thing, and that a rollout worker can be given its end.

    Nothing is sent: that takes an engine and, for some transports, GPUs.

    Args:
        transport: an entry of `weight_sync.transports.TRANSPORTS`, or its name.

    Raises:
        AssertionError: says which end lacks what.
    """
    from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory, WeightTransferTrainerFactory

    if isinstance(transport, str):
        assert transport in TRANSPORTS, f"there is no transport {transport!r}; there are {', '.join(TRANSPORTS)}"
        transport = TRANSPORTS[transport]
    receiving = transport.receiving
    name = receiving.backend
    assert pickle.loads(pickle.dumps(receiving)) == receiving, f"the receiving end of {name} does not pickle"
    if receiving.module:
        importlib.import_module(receiving.module)
    infos = [
        transport.init_info(TransferPlan(rank, 4, "127.0.0.1", 29600, bucket_bytes=2**20, timeout=5.0))
        for rank in range(2)
    ]
    for rank, info in enumerate(infos):
        found = (info.backend, info.rank, info.is_sender)
        assert found == (name, rank, rank == 0), (
            f"the init info of rank {rank} is (backend, rank, is_sender) = {found}, and {(name, rank, rank == 0)} is "
            "needed; make it of the plan's rank, with the backend of the receiving end"
        )
    # vLLM's factories tell what they know by their tables alone, without an engine
    senders, receivers = WeightTransferTrainerFactory._registry, WeightTransferEngineFactory._registry
    assert name in senders, f"vLLM knows no sending end {name!r}; register one with WeightTransferTrainerFactory"
    assert name in receivers, (
        f"vLLM knows no receiving end {name!r}; register one with WeightTransferEngineFactory, in `receiving.module`"
    )
    wanted, given = senders[name]().init_info_cls, type(infos[0])
    assert wanted is given, (
        f"the sending end {name!r} wants {wanted.__name__}, and the transport makes {given.__name__}"
    )
    assert isinstance(receivers[name](), type), f"the receiving end {name!r} is no class"
