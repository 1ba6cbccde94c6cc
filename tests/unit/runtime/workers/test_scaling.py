"""The size of the pools: requests through the run directory, and the policy, over pools that note what is asked."""

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seed_grpo.config import Config
from seed_grpo.config.loading import dump_config
from seed_grpo.errors import ConfigError, DeadlineError
from seed_grpo.runtime.workers import scaling
from seed_grpo.runtime.workers.scaling import Scaler, request


class FakePool:
    """Workers with the given loads."""

    def __init__(self, *loads: int) -> None:
        self.size = len(loads)
        self.serving = [SimpleNamespace(load=load) for load in loads]
        self.starting: list[object] = []

    def resize(self, size: int) -> None:
        self.size = size

    def tell(self) -> None: ...


def config(directory: Path, **rollout: Any) -> Config:
    return Config.model_validate(
        {
            "run": {"directory": str(directory), "steps": 1},
            "model": {"path": "unused"},
            "data": {"source": "unused"},
            "rollout": rollout,
            "cluster": {"device": "cpu"},
        }
    )


def scaler_of(directory: Path, pool: FakePool, monkeypatch: pytest.MonkeyPatch) -> tuple[Scaler, list[float]]:
    """A scaler with bounds 1 and 3 that decides every 10 s, and the clock that it reads."""
    now = [100.0]
    monkeypatch.setattr(scaling, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=time.sleep))
    made = config(directory, autoscale={"min_workers": 1, "max_workers": 3, "every": 10})
    return Scaler(made, pool, FakePool(0)), now  # type: ignore[arg-type]


def pass_time(scaler: Scaler, now: list[float], awaited: bool) -> None:
    for _ in range(22):
        now[0] += 0.5
        scaler.poll(awaited)


def test_a_trainer_that_waits_for_busy_workers_gets_one_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = FakePool(4, 4)
    scaler, now = scaler_of(tmp_path, pool, monkeypatch)
    pass_time(scaler, now, awaited=True)
    assert pool.size == 3
    pass_time(scaler, now, awaited=True)
    assert pool.size == 3  # the bound


def test_a_trainer_that_waits_while_a_worker_idles_gets_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = FakePool(4, 0)  # the last groups are with one of them: another would not help
    scaler, now = scaler_of(tmp_path, pool, monkeypatch)
    pass_time(scaler, now, awaited=True)
    assert pool.size == 2


def test_workers_that_idle_while_nobody_waits_are_drained_to_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = FakePool(0, 0)
    scaler, now = scaler_of(tmp_path, pool, monkeypatch)
    for _ in range(3):
        pass_time(scaler, now, awaited=False)
    assert pool.size == 1


def test_a_request_is_taken_up_once_and_one_of_an_earlier_start_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "scale.json"
    file.write_text(json.dumps({"rollout": 9}))
    pool = FakePool(4)
    scaler, now = scaler_of(tmp_path, pool, monkeypatch)
    pass_time(scaler, now, awaited=False)
    assert pool.size == 1
    file.write_text(json.dumps({"rollout": 5}))
    now[0] += 2
    scaler.poll(is_awaited=False)
    assert pool.size == 5 and not file.exists()


def test_requests_that_cannot_be_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="is not the directory of a run: it has no config"):
        request(tmp_path, {"rollout": 2})
    (tmp_path / "config.yaml").write_text(dump_config(config(tmp_path)))
    with pytest.raises(ConfigError, match="--rollout 0: a run needs at least one rollout worker"):
        request(tmp_path, {"rollout": 0})
    monkeypatch.setattr(scaling, "ANSWER_SECONDS", 0.2)
    with pytest.raises(DeadlineError, match=r"did not answer within 0\.2 s"):
        request(tmp_path, {"rollout": 2})
    assert not (tmp_path / "scale.json").exists()
