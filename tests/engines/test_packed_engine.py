"""Weights over gloo into a real engine that packs its matrices after loading, as vLLM does on CPUs in bfloat16."""

from __future__ import annotations

from pathlib import Path

import pytest

from seed_grpo.errors import WeightSyncError
from support.running_engine import BrokenWeights, Model, ModuleWeights, RunningEngine

pytestmark = pytest.mark.engine


def test_new_weights_take_the_place_of_packed_ones(tmp_path: Path) -> None:
    # Tied: vLLM packs the output matrix apart from the embedding, so what comes once must be loaded twice. The engine
    # differs from Transformers by some hundredths of a nat in bfloat16, two random models by several nats.
    first, second = (Model(tmp_path / str(seed), tied=True, seed=seed, dtype="bfloat16") for seed in (0, 1))
    running = RunningEngine(first, second, deterministic=False)
    sender = running.sender(ModuleWeights(second.module))
    for version in (1, 2):  # a second update goes the same way as the first
        sender.send(version)
        assert running.canary(second) < running.config.canary_tolerance == 0.2
    with pytest.raises(WeightSyncError, match="canary of rollout-0"):
        running.canary(first)
    sender.close()
    with pytest.raises(WeightSyncError, match="no memory to gather the next"):
        running.sender(BrokenWeights(first.module)).send(3)
    running.send(first, 4)
    assert running.canary(first) < running.config.canary_tolerance
    running.shutdown()
