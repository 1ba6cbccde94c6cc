"""Weights over gloo into a real engine that packs its matrices after loading, as vLLM does on CPUs in bfloat16."""

from __future__ import annotations

from pathlib import Path

import pytest

from running_engine import Model, ModuleWeights, RunningEngine
from seed_grpo.errors import WeightSyncError

pytestmark = pytest.mark.engine


def test_new_weights_take_the_place_of_packed_ones(tmp_path: Path) -> None:
    # Tied: vLLM packs the output matrix apart from the embedding, so it must come by its own name. Sync and engine in
    # bfloat16 differ from Transformers by some hundredths of a nat, two random models by several nats.
    first, second = (Model(tmp_path / str(seed), tied=True, seed=seed, dtype="bfloat16") for seed in (0, 1))
    running = RunningEngine(first, second, deterministic=False)
    sender = running.sender(ModuleWeights(second.module))
    for version in (1, 2):  # a second update goes the same way as the first
        sender.send(version)
        assert running.canary(second) < running.config.canary_tolerance == 0.2
    with pytest.raises(WeightSyncError, match="canary of rollout-0"):
        running.canary(first)
    sender.close()
    running.send(first, 3, without="lm_head.weight")
    for neither in (first, second):
        with pytest.raises(WeightSyncError, match="canary of rollout-0"):
            running.canary(neither)
    running.do(running.engine.shutdown())
