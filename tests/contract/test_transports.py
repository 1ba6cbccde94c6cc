"""Every weight transport: vLLM knows it in the trainer and in the engine."""

from __future__ import annotations

import pytest
from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory, WeightTransferTrainerFactory

from seed_grpo.rollout.vllm import plugin
from seed_grpo.weight_sync.transports import TRANSPORTS, TransferPlan


@pytest.mark.parametrize("name", TRANSPORTS)
def test_every_transport_is_known_to_vllm_at_both_ends(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    receiving = TRANSPORTS[name].receiving
    assert receiving.backend == name
    monkeypatch.setenv(plugin.RECEIVING_MODULE, receiving.module)
    plugin.register()
    plugin.register()  # a second time changes nothing
    plan = TransferPlan(rank=0, world_size=4, address="127.0.0.1", port=29600, bucket_bytes=2**20, timeout=5.0)
    info = TRANSPORTS[name].init_info(plan)
    assert (info.backend, info.rank, info.is_sender) == (name, 0, True)
    trainer_end = WeightTransferTrainerFactory._registry[name]()
    assert trainer_end.init_info_cls is type(info)
    assert WeightTransferEngineFactory._registry[name]().__name__.lower().startswith(name)
