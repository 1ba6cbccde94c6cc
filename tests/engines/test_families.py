"""Families of models other than the one of most tests: new weights in real engines.

They differ in what lies between a parameter of Transformers and one of vLLM: an output matrix that vLLM does not know
(Gemma), matrices that are fused in the checkpoint (Phi-3) or transposed (GPT-2), experts that Transformers keeps in
one parameter and under other names, and that vLLM packs (Mixtral, Qwen3-MoE), Transformers' code within vLLM (OLMo 2).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from seed_grpo.errors import WeightSyncError
from support.family_model import LONG, OF_EXPERTS, SOON, FamilyModel, weights_of
from support.running_engine import RunningEngine


@pytest.mark.engine
@pytest.mark.parametrize("family", [*SOON, *(pytest.param(family, marks=pytest.mark.long) for family in LONG)])
def test_new_weights_arrive(family: str, tmp_path: Path, engine_log: Callable[[], str]) -> None:
    model = FamilyModel(tmp_path, family)
    running = RunningEngine(model, model, deterministic=False)
    assert running.canary(model) < 1e-3
    sender = running.sender(weights_of(model.module))
    for version in (1, 2):  # a second update goes the same way as the first
        with torch.no_grad():
            for parameter in model.module.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        with pytest.raises(WeightSyncError, match="canary of rollout-0"):
            running.canary(model)
        sender.send(version)
        assert running.canary(model) < 1e-3
    sender.close()
    running.shutdown()
    assert ("new weights are loaded by vLLM's reload" in engine_log()) == (family in OF_EXPERTS)
