"""Makes the gloo transport known to vLLM. The entry point in pyproject.toml has every process of an engine call it.

It names classes and imports none: they are loaded when an engine first asks for the transport.
"""

from __future__ import annotations

from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory, WeightTransferTrainerFactory

MODULE = "seed_grpo.weight_sync.gloo"


def register() -> None:
    """Registers both ends; a second call changes nothing."""
    if "gloo" not in WeightTransferEngineFactory._registry:
        WeightTransferEngineFactory.register_engine("gloo", MODULE, "GlooWorkerEngine")
    if "gloo" not in WeightTransferTrainerFactory._registry:
        WeightTransferTrainerFactory.register_engine("gloo", MODULE, "GlooTrainerEngine")
