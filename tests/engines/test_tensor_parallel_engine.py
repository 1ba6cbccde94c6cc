"""A real vLLM engine of two processes, each with its part of the matrices: new weights reach both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from seed_grpo.errors import WeightSyncError
from support.running_engine import BrokenWeights, Model, ModuleWeights, RunningEngine

pytestmark = pytest.mark.engine


def test_both_processes_take_their_part_of_new_weights(tmp_path: Path, engine_log: Callable[[], str]) -> None:
    # Both have the one head of K and V, and the norms, whole; of every other matrix each has its part. What is sent
    # differs by nats from what is there.
    first, second = (Model(tmp_path / str(seed), tied=False, seed=seed) for seed in (0, 1))
    running = RunningEngine(first, second, deterministic=False, processes=2)
    assert running.canary(first) < running.config.canary_tolerance < 0.01
    sender = running.sender(ModuleWeights(second.module))
    for version in (1, 2):  # a second update goes the same way as the first
        with torch.no_grad():
            for parameter in second.module.parameters():
                parameter.mul_(1.1)
        with pytest.raises(WeightSyncError, match="canary of rollout-0"):
            running.canary(second)
        sender.send(version)
        assert running.canary(second) < running.config.canary_tolerance
    sender.close()
    assert "reload" not in engine_log()  # they were written where they lie
    with pytest.raises(WeightSyncError, match="no memory to gather the next"):
        running.sender(BrokenWeights(first.module)).send(3)
    # vLLM 0.32 would take the second process's error for its answer to the next call.
    running.send(first, 4)
    assert running.canary(first) < running.config.canary_tolerance
    running.shutdown()
