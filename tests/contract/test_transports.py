"""Every weight transport: vLLM knows it in the trainer and in the engine."""

from __future__ import annotations

import pytest

from seed_grpo.rollout.vllm import plugin
from seed_grpo.testing import check_transport
from seed_grpo.weight_sync.transports import TRANSPORTS


@pytest.mark.parametrize("name", TRANSPORTS)
def test_every_transport_is_known_to_vllm_at_both_ends(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert TRANSPORTS[name].receiving.backend == name
    monkeypatch.setenv(plugin.RECEIVING_MODULE, TRANSPORTS[name].receiving.module)
    plugin.register()
    plugin.register()  # a second time changes nothing
    check_transport(name)
