"""Promises of the quickstart, by running it: some minutes a seed, so only with `tests/run.sh long`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "seed_grpo.cli"]
QUICKSTART = str(ROOT / "jobs/quickstart.yaml")

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def model() -> None:
    subprocess.run([*PROGRAM, "warm-start", QUICKSTART], cwd=ROOT, check=True)


def command(directory: Path, seed: int) -> list[str]:
    return [*PROGRAM, "train", QUICKSTART, f"run.directory={directory}", f"run.seed={seed}"]


def lines(file: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_accuracy_rises_by_20_points_beyond_the_interval(model: None, tmp_path: Path, seed: int) -> None:
    subprocess.run(command(tmp_path / "run", seed), cwd=ROOT, check=True)
    before, after = lines(tmp_path / "run/evaluations.jsonl")
    assert before["num_problems"] == after["num_problems"] == 500
    assert after["accuracy"] >= before["accuracy"] + 0.2
    assert after["accuracy_low"] > before["accuracy_high"]
    assert max(record["canary_logprob_difference"] for record in lines(tmp_path / "run/metrics.jsonl")) < 1e-4


def test_killed_in_the_middle_it_ends_as_if_nothing_had_happened(model: None, tmp_path: Path) -> None:
    subprocess.run(command(tmp_path / "undisturbed", 0), cwd=ROOT, check=True)
    process = subprocess.Popen(command(tmp_path / "killed", 0), cwd=ROOT, start_new_session=True)
    records = tmp_path / "killed/metrics.jsonl"
    while not records.exists() or len(records.read_text().splitlines()) < 50:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.5)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run(command(tmp_path / "killed", 0), cwd=ROOT, check=True)
    for name in ("metrics.jsonl", "evaluations.jsonl"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes(), name
