"""A whole run, with real engines, on data that cannot be right, in a directory of letters beyond ASCII."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.tiny_model import make_tiny_model

ROOT = Path(__file__).parents[2]
SMALL = [
    "rollout.prompts_per_step=4",
    "rollout.completions_per_prompt=2",
    "rollout.max_completion_tokens=8",
    "verifier.extraction=last_number",
    "evaluation.num_problems=2",
    "evaluation.entropy_problems=0",
    "cluster.dashboard=false",
    "warm_start=null",
]

pytestmark = [pytest.mark.engine, pytest.mark.timeout(500)]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "seed_grpo.cli", *arguments]
    return subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)


def write(path: Path, *answers: str) -> Path:
    records = [{"id": f"p{i}", "problem": f"{i}+{i}=", "answer": answer} for i, answer in enumerate(answers)]
    path.write_text(json.dumps(records))
    return path


def test_what_is_wrong_with_a_run_is_said(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "tiny", tied=True, seed=0)
    data = write(tmp_path / "mine.json", *["She has apples."] * 8)
    held = write(tmp_path / "held.json", "never", "ever")
    run = tmp_path / 'Läufe "ü" 实验'
    inputs = [f"model.path={model}", f"data.source={data}", f"evaluation.data.source={held}", f"run.directory={run}"]
    start = ["train", str(ROOT / "jobs/quickstart.yaml"), *SMALL, *inputs]

    first = command(*start, "run.steps=2")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "mine.json: 8 of 8 problems have a reference of bare words" in first.stdout
    assert "NO GRADIENT YET: in no group of the first 2 steps" in first.stdout
    assert command("report", str(run)).returncode == 0

    write(data, *["She has apples."] * 7, "She has pears.")
    changed = command(*start, "run.steps=3")
    assert changed.returncode == 1 and changed.stderr.count("\n") == 1, changed.stderr
    assert "CheckpointError" in changed.stderr and "changed under its name" in changed.stderr

    write(data, *["She has apples."] * 8)
    write(held, "never", "never ever")
    changed = command(*start, "run.steps=3")
    assert changed.returncode == 1 and "evaluation.data" in changed.stderr, changed.stderr
