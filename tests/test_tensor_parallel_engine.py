"""A real vLLM engine of two processes, each with half of every matrix: new weights reach both."""

from __future__ import annotations

from pathlib import Path

import pytest

from running_engine import BrokenWeights, Model, ModuleWeights, RunningEngine
from seed_grpo.errors import RolloutError, WeightSyncError

pytestmark = pytest.mark.engine


def test_both_processes_take_their_part_of_new_weights(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # Rows of the first MLP matrices and columns of the second: of no matrix has one process more than a part, and only
    # the norms lie whole. Two random models differ by several nats.
    first, second = (Model(tmp_path / str(seed), tied=False, seed=seed) for seed in (0, 1))
    running = RunningEngine(first, second, deterministic=False, processes=2)
    assert running.canary(first) < running.config.canary_tolerance < 0.01
    sender = running.sender(ModuleWeights(second.module))
    for version in (1, 2):
        sender.send(version)
        assert running.canary(second) < running.config.canary_tolerance
    sender.close()
    assert "reload" not in "".join(capfd.readouterr())  # they were written where they lie
    running.do(running.engine.heartbeat())
    # vLLM 0.32 reads the first process's error alone; the second's would be taken for its answer to the next call.
    with pytest.raises(WeightSyncError, match="no memory to gather the next"):
        running.sender(BrokenWeights(first.module)).send(3)
    with pytest.raises(RolloutError, match="a call failed in one of its 2 processes"):
        running.do(running.engine.heartbeat())
    running.shutdown()
