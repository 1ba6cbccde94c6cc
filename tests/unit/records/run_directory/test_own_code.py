"""The user's own code in a run directory, and the limits and columns of its rewards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seed_grpo.config import Config
from seed_grpo.errors import ConfigError
from seed_grpo.extensions import install
from seed_grpo.records import files
from seed_grpo.records.rollout_table import read_groups, rollout_rows, schema, tables
from seed_grpo.records.run_directory import RunDirectory, kept_code
from support.judged_group import judged_group


def config_of(path: Path, **sections: dict) -> Config:
    run = {"directory": path, "steps": 10, "trackers": [], **sections.pop("run", {})}
    return Config.model_validate({"run": run, "model": {"path": "m"}, "data": {"source": "arithmetic"}, **sections})


@pytest.fixture
def own_code(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Installs a file and a package as the code of a run."""

    def write(text: str) -> None:
        (tmp_path / "source/own_kept").mkdir(parents=True, exist_ok=True)
        (tmp_path / "source/own_kept/__init__.py").write_text("")
        (tmp_path / "source/own_kept_file.py").write_text(text)
        install([tmp_path / "source/own_kept_file.py", tmp_path / "source/own_kept"])

    yield write
    install([])


def test_a_run_keeps_its_code_and_goes_on_with_no_other(tmp_path: Path, own_code: Callable[[str], None]) -> None:
    run = tmp_path / "run"
    kept = run / "code/own_kept_file.py"
    own_code("VALUE = 1\n")
    RunDirectory(run, config_of(run))
    own_code("VALUE = 2\n")
    directory = RunDirectory(run, config_of(run))  # nothing is on record yet: a fault may be mended
    assert kept.read_text() == "VALUE = 2\n" and (run / "code/own_kept/__init__.py").is_file()
    environment = json.loads((run / "environment.json").read_text())
    assert environment["code"] == {
        "own_kept/__init__.py": hashlib.sha256(b"").hexdigest(),
        "own_kept_file.py": hashlib.sha256(b"VALUE = 2\n").hexdigest(),
    }
    directory.write_step(1, {}, {"total": 1.0}, {}, [judged_group(1)], {})
    RunDirectory(run, config_of(run, run={"code": ["moved/own_kept_file.py", "own_kept"]}))  # where it lies is nothing
    own_code("VALUE = 3\n")
    with pytest.raises(ConfigError, match=r"run.code is not the code that .*run began with: own_kept_file.py differ"):
        RunDirectory(run, config_of(run))
    install([])
    with pytest.raises(ConfigError, match=r"own_kept/__init__.py, own_kept_file.py differ"):
        RunDirectory(run, config_of(run))
    assert kept.read_text() == "VALUE = 2\n"
    assert [path.name for path in kept_code(run)] == ["own_kept", "own_kept_file.py"]


def test_a_run_without_code_keeps_none_and_takes_none_on(tmp_path: Path, own_code: Callable[[str], None]) -> None:
    directory = RunDirectory(tmp_path / "run", config_of(tmp_path / "run"))
    assert not (tmp_path / "run/code").exists() and kept_code(tmp_path / "run") == []
    directory.write_step(1, {}, {"total": 1.0}, {}, [judged_group(1)], {})
    own_code("")
    with pytest.raises(ConfigError, match=r"own_kept_file\.py differ"):
        RunDirectory(tmp_path / "run", config_of(tmp_path / "run"))


def test_limits_of_a_reward_may_change_and_nothing_else_of_it(tmp_path: Path) -> None:
    def opened(*rewards: dict) -> None:
        RunDirectory(tmp_path, config_of(tmp_path, verifier={"rewards": rewards}))

    own = {"use": "mine:f", "timeout": 1, "settings": {"target": 3}}
    opened({"use": "correct"}, own)
    opened({"use": "correct"}, {**own, "timeout": 9, "memory_mib": 9, "retries": 0, "concurrency": 1})
    with pytest.raises(ConfigError, match=r"verifier.rewards.1.settings.target was 3 and is 4\. Set"):
        opened({"use": "correct"}, {**own, "settings": {"target": 4}})
    with pytest.raises(ConfigError, match=r"verifier.rewards.1.weight was 1.0 and is 0.5\. Set"):
        opened({"use": "correct"}, {**own, "weight": 0.5})
    with pytest.raises(ConfigError, match=r"verifier.rewards.1.use was 'mine:f' and is 'absent'"):
        opened({"use": "correct"})


def test_rewards_go_through_their_column(tmp_path: Path) -> None:
    parts = {"correct": np.array([1, 0, np.nan], np.float32), "brief": np.array([0.25, np.nan, -1], np.float32)}
    groups = [replace(judged_group(1), reward_parts_G=parts), judged_group(2)]
    files.write_table(tmp_path / "step_000001.parquet", list(rollout_rows(1, groups, {})), schema())
    first, second = read_groups(tables(tmp_path))
    assert second.reward_parts_G == ({}, {}, {})
    assert [list(part) for part in first.reward_parts_G] == [["correct", "brief"]] * 3
    for g, part in enumerate(first.reward_parts_G):
        assert [part["correct"], part["brief"]] == pytest.approx([parts["correct"][g], parts["brief"][g]], nan_ok=True)


def test_limits_of_every_sets_rewards_and_a_moved_server_may_change(tmp_path: Path) -> None:
    def made(host: str, path: str = "score", **limits: object) -> Config:
        reward = {"use": f"http://{host}/{path}", "name": "judge", **limits}
        sets = [{"source": "a", "rewards": [{"use": "correct"}, reward]}, {"source": "b", "directory": f"/{host}"}]
        return config_of(tmp_path, data={"sources": sets}, verifier={"rewards": [reward]})

    RunDirectory(tmp_path, made("one:80"))
    moved = made("two:81", timeout=9, retries=0, concurrency=1, memory_mib=7, token_variable="TOKEN")
    RunDirectory(tmp_path, moved)
    with pytest.raises(ConfigError, match=r"data\.sources\.0\.rewards\.1\.weight was 1\.0 and is 2\.0"):
        RunDirectory(tmp_path, made("two:81", weight=2.0))
    own = config_of(tmp_path, data={"sources": moved.data.sources}, verifier={"rewards": [{"use": "my:judge"}]})
    with pytest.raises(ConfigError, match=r"verifier\.rewards\.0\.use was 'http://two:81/score' and is 'my:judge'"):
        RunDirectory(tmp_path, own)
