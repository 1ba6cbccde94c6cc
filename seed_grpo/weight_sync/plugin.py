"""Makes the gloo transport known to vLLM. The entry point in pyproject.toml has every process of an engine call
`register` before it loads a model.

The transport's classes are only named: they are loaded when an engine first asks for it.
"""

from __future__ import annotations

from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory, WeightTransferTrainerFactory

from seed_grpo.weight_sync.in_place import keep_matrices_plain

MODULE = "seed_grpo.weight_sync.gloo"


def register() -> None:
    """Prepares a process of an engine; a second call changes nothing."""
    register_transport()
    keep_matrices_plain()


def register_transport() -> None:
    """Registers both ends; a second call changes nothing."""
    if "gloo" not in WeightTransferEngineFactory._registry:
        WeightTransferEngineFactory.register_engine("gloo", MODULE, "GlooWorkerEngine")
    if "gloo" not in WeightTransferTrainerFactory._registry:
        WeightTransferTrainerFactory.register_engine("gloo", MODULE, "GlooTrainerEngine")
