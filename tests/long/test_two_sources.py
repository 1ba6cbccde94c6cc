"""A run of two data sets that is killed and goes on: its records are, byte for byte, those of an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from support.tiny_model import make_tiny_model

ROOT = Path(__file__).parents[2]
STEPS = 6
MEASURED = {"judge_seconds"}
"""columns of wall-clock time"""

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def started(model: Path, run: Path) -> subprocess.Popen[str]:
    settings = [f"model.path={model}", f"run.directory={run}", f"run.steps={STEPS}", "run.checkpoint_every=2"]
    command = ["train", str(ROOT / "jobs/examples/own_data.yaml"), *settings, "cluster.dashboard=false"]
    return subprocess.Popen(
        [sys.executable, "-m", "seed_grpo.cli", *command],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> None:
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said


def lines_of(run: Path) -> int:
    file = run / "metrics.jsonl"
    return len(file.read_text().splitlines()) if file.is_file() else 0


def test_a_killed_run_of_two_data_sets_equals_an_undisturbed_one(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "model", tied=True, seed=0)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    finish(started(model, whole))
    killed = started(model, broken)
    while lines_of(broken) < 3:
        assert killed.poll() is None, killed.communicate()[0]
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert 3 <= lines_of(broken) < STEPS
    finish(started(model, broken))
    assert (broken / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    for folder in ("rollouts", "ledger"):
        files = sorted(path.name for path in (whole / folder).iterdir())
        assert files == sorted(path.name for path in (broken / folder).iterdir()) and len(files) == STEPS
        for name in files:
            tables = [pq.read_table(run / folder / name) for run in (whole, broken)]
            one, other = (table.drop_columns([c for c in table.column_names if c in MEASURED]) for table in tables)
            assert one.equals(other), name
    datasets = pq.read_table(whole / "rollouts", columns=["dataset"])["dataset"].to_pylist()
    # four prompts a step at 2 to 1: 24 prompts of four completions, of which 16 are of verl
    assert (datasets.count("verl"), datasets.count("trl")) == (64, 32)
