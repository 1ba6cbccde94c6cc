"""Trackers in their processes, with libraries that are fakes: what arrives, and that no fault of one touches the run.

A fake `trackio` stands for any library: it is first on the path of the process, and writes what it gets into a file.
"""

from __future__ import annotations

import importlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from seed_grpo.config.sections import TrackerConfig
from seed_grpo.records.trackers import process
from seed_grpo.records.trackers.process import Trackers, described

SOUND = """
import json, os, signal, sys
print("a library prints")
signal.signal(signal.SIGINT, signal.default_int_handler)
class Table:
    def __init__(self, columns, data): self.rows = [dict(zip(columns, row)) for row in data]
class Run:
    def __init__(self, **settings): self.__dict__.update(settings); self.write("init", settings)
    def write(self, *what):
        with open(os.environ["SEEN"], "a") as file: print(json.dumps(what), file=file)
    def log(self, values, step):
        self.write(step, {name: getattr(value, "rows", value) for name, value in values.items()})
    def finish(self): self.write("finish")
def init(**settings): return Run(**settings)
"""

Install = Callable[[str], None]
Made = Callable[..., Trackers]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a text as the package trackio."""

    def install(text: str) -> None:
        folder = tmp_path / "packages"
        folder.mkdir()
        (folder / "trackio.py").write_text(text)
        monkeypatch.syspath_prepend(str(folder))
        path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
        monkeypatch.setenv("PYTHONPATH", path)
        monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
        importlib.invalidate_caches()

    return install


def started(tmp_path: Path, said: list[str], **settings: object) -> Trackers:
    config = TrackerConfig.model_validate({"use": "trackio", **settings})
    return Trackers([config], tmp_path / "run", {"algo.scale.alpha": 0.02, "a.api_key": "hidden"}, said.append)


def seen(tmp_path: Path) -> list[list]:
    return [json.loads(line) for line in (tmp_path / "seen").read_text().splitlines()]


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


def test_numbers_and_completions_arrive_in_order(tmp_path: Path, library: Install) -> None:
    library(SOUND)
    said: list[str] = []
    trackers = started(tmp_path, said, project="maths", completions=2, settings={"group": "g"})
    trackers.rewind(0)
    trackers.scalars(1, {"train/reward": 0.5, "train/loss": float("nan")})
    asked: list[int] = []
    trackers.completions(1, lambda number: asked.append(number) or [["1+1=", "2", 1.0, 0, "correct"]])
    trackers.close()
    name, start = seen(tmp_path)[0]
    assert (name, start["project"], start["name"], start["group"]) == ("init", "maths", "run", "g")
    assert start["config"] == {"algo.scale.alpha": 0.02, "a.api_key": "***"}
    (step, values), table, end = seen(tmp_path)[1:]
    assert step == 1 and values["train/reward"] == 0.5 and values["train/loss"] != values["train/loss"]
    row = {"prompt": "1+1=", "completion": "2", "reward": 1.0, "meaning class": 0, "verdict": "correct"}
    assert table == [1, {"completions": [row]}] and asked == [2]
    assert end == ["finish"]
    assert len(said) == 1 and "project maths, run run" in said[0]
    assert "a library prints" in (tmp_path / "run/trackers/trackio.log").read_text()


def test_a_tracker_that_is_not_installed_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trackio").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))  # as W&B's own folder `wandb` beside a run is no package
    said: list[str] = []
    trackers = started(tmp_path, said)
    assert len(said) == 1 and "pip install trackio" in said[0] and "The run goes on without it" in said[0]
    for step in range(3):
        trackers.scalars(step, {"a": 1.0})
    trackers.close()
    assert said[1:] == ["tracker trackio: 3 of 3 records did not arrive"]
    assert described([TrackerConfig(use="tensorboard"), TrackerConfig(use="trackio")]) == (
        "tensorboard, trackio\nnote: trackio is not installed; install the package (pip install trackio), or take it "
        "out of run.trackers"
    )
    assert described([]) == "none (run.trackers)"


@pytest.mark.parametrize("fault", ["raise SystemExit('log in first')", "import no_such_module", "raise OSError(28)"])
def test_one_that_cannot_start_is_said_once(fault: str, tmp_path: Path, library: Install) -> None:
    library(fault)
    said: list[str] = []
    trackers = started(tmp_path, said)
    until(lambda: said)
    trackers.scalars(1, {"a": 1.0})
    trackers.close()
    assert "tracker trackio did not start" in said[0] and "The run goes on without it" in said[0]
    assert said[1:] == ["tracker trackio: 1 of 1 records did not arrive"]


def test_one_that_dies_is_said_once(tmp_path: Path, library: Install) -> None:
    library(SOUND.replace("def log(self, values, step):", "def log(self, values, step):\n        os._exit(7)"))
    said: list[str] = []
    trackers = started(tmp_path, said)
    trackers.scalars(1, {"a": 1.0})
    until(lambda: len(said) == 2)
    assert "ended with status 7" in said[1]
    trackers.scalars(2, {"a": 1.0})
    trackers.close()
    assert said[2:] == ["tracker trackio: 2 of 2 records did not arrive"]


def test_refusals_are_said_once_and_counted(tmp_path: Path, library: Install) -> None:
    refusing = 'if step > 1: raise ValueError("https://me:secret@host says no")'
    library(SOUND.replace("def log(self, values, step):", f"def log(self, values, step):\n        {refusing}"))
    said: list[str] = []
    trackers = started(tmp_path, said)
    for step in (1, 2, 3, 1):
        trackers.scalars(step, {"a": 1.0})
    trackers.close()
    assert [each[0] for each in seen(tmp_path)] == ["init", 1, 1, "finish"]
    assert "refused a record: ValueError: https://***@host says no" in said[1]
    assert said[2:] == ["tracker trackio: 2 of 4 records did not arrive"]


def test_one_that_hangs_neither_slows_nor_wedges(
    tmp_path: Path, library: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its first record; then its pipe fills, then the queue."""
    library(
        SOUND.replace(
            "def log(self, values, step):", "def log(self, values, step):\n        import time; time.sleep(600)"
        )
    )
    monkeypatch.setattr(process, "MOST_WAITING", 5)
    said: list[str] = []
    trackers = started(tmp_path, said)
    until(lambda: said)
    began = time.monotonic()
    for step in range(40):
        trackers.scalars(step, {f"some/rather/long/name/{number}": 1.0 for number in range(400)})  # 12 kB
        time.sleep(0.005)
    trackers.close(seconds=0.5)
    assert time.monotonic() - began < 30  # 40 x 5 ms, and 0.5 s to end; the library sleeps for 600 s
    assert "is behind by 5 records" in said[1]
    assert said[2:] == ["tracker trackio: 40 of 40 records did not arrive"]


def test_one_that_hangs_as_it_ends_is_stopped(
    tmp_path: Path, library: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    library(
        SOUND.replace("def finish(self):", "def finish(self):\n        import time; time.sleep(600)\n    def f(self):")
    )
    said: list[str] = []
    trackers = started(tmp_path, said)
    trackers.scalars(1, {"a": 1.0})
    until(lambda: len(seen(tmp_path)) == 2 if (tmp_path / "seen").exists() else False)
    monkeypatch.setattr(process, "QUIET_SECONDS", 0.1)
    began = time.monotonic()
    trackers.close(seconds=0.5)
    assert time.monotonic() - began < 30
    assert "did not end in time and was stopped" in said[-1] and len(said) == 3
    assert said[1] == "tracker trackio: waiting for it to send what it has, for 0 s at most"


def test_one_that_dies_as_it_ends_is_said(tmp_path: Path, library: Install) -> None:
    library(SOUND.replace("def finish(self):", "def finish(self):\n        os._exit(9)\n    def f(self):"))
    said: list[str] = []
    trackers = started(tmp_path, said)
    trackers.scalars(1, {"a": 1.0})
    trackers.close()
    assert "ended with status 9" in said[1] and len(said) == 2
