"""The library in a notebook: jobs/library.py as it is, where an event loop is running; what a failing callback leaves;
and a Ray connection of the caller's own, which is refused and left alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from seed_grpo.config.loading import dump_config, load_config
from support.tiny_model import SMALL, tiny_inputs

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "jobs/library.py"

pytestmark = [pytest.mark.engine, pytest.mark.timeout(500)]

NOTEBOOK = """
import asyncio, runpy, sys

import ray
import seed_grpo

async def cells():
    runpy.run_path(sys.argv[1])
    assert not ray.is_initialized()
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        seed_grpo.train("jobs/quickstart.yaml", ["run.directory=runs/refused", "evaluation=null"])
    except seed_grpo.SeedGrpoError as error:
        print(f"refused: {error}")
    assert ray.is_initialized()
    ray.shutdown()

asyncio.run(cells())
"""

FAILING = """
import seed_grpo

told = []

def on_step(step, metrics):
    told.append(step)
    if step == 2:
        raise LookupError("no such plot")

evaluated = {}

def on_evaluation(step, metrics):
    evaluated[step] = metrics["accuracy"]

config = seed_grpo.load_config("jobs/quickstart.yaml", ["run.directory=runs/failing"])
try:
    seed_grpo.train(config, on_step=on_step, on_evaluation=on_evaluation)
except LookupError as error:
    print(f"raised: {error}; {error.__notes__[0]}")
stopped = seed_grpo.read_records(config.run.directory / "metrics.jsonl")[-1]["step"]
run = seed_grpo.train(config, on_step=lambda step, metrics: told.append(step), on_evaluation=on_evaluation)
assert run.is_complete and (run.directory / "policy/config.json").is_file()
assert run.evaluations.keys() == evaluated.keys() == {0, 4} and run.step == 4
assert run.metrics["loss"] == seed_grpo.read_records(config.run.directory / "metrics.jsonl")[-1]["loss"]
print("told:", told, "stopped at:", stopped)
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose quickstart is a small one."""
    folder = tmp_path_factory.mktemp("checkout")
    small = load_config(ROOT / "jobs/quickstart.yaml", [*SMALL, *tiny_inputs(folder)])
    (folder / "jobs").mkdir()
    (folder / "jobs/quickstart.yaml").write_text(dump_config(small))
    return folder


def python(folder: Path, code: str, *arguments: str) -> list[str]:
    """Lines that a program prints."""
    program = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_the_notebook_of_the_library_runs_in_an_event_loop(checkout: Path) -> None:
    assert len(SCRIPT.read_text().splitlines()) <= 30
    printed = python(checkout, NOTEBOOK, str(SCRIPT))
    assert printed[0] == "correct"
    # three answers of four mean 1/2: Eq. 5 by counts is -(log 3/4 + log 1/4) / 2 = 0.837; of two classes of two, 0.693
    assert printed[1].startswith("[0 0 0 1] SemanticEntropy(value=0.836")
    # 1 - C(6, 4) / C(8, 4) = 1 - 15/70
    assert float(printed[2].rpartition(" ")[2]) == pytest.approx(55 / 70)

    metrics = [json.loads(line) for line in (checkout / "runs/library/metrics.jsonl").read_text().splitlines()]
    assert f"rewards { ({each['step']: each['reward'] for each in metrics}) }" in printed and len(metrics) == 2
    assert str([each["loss"] for each in metrics]) in printed
    groups = [line for line in printed if line.startswith(("1 question ", "2 question "))]
    assert len(groups) == 16  # 8 prompts a step

    (refused,) = [line for line in printed if line.startswith("refused: ")]
    assert re.search(r"is connected to the Ray cluster at [\d.]+:\d+ already, .* call ray.shutdown\(\) before", refused)
    assert not (checkout / "runs/refused/metrics.jsonl").exists()


@pytest.mark.long
def test_a_failing_callback_leaves_a_checkpoint_from_which_a_call_goes_on(checkout: Path) -> None:
    printed = python(checkout, FAILING)
    (raised,) = [line for line in printed if line.startswith("raised: ")]
    assert raised.startswith("raised: no such plot; raised by on_step at step 2; the run stopped with a checkpoint")
    told, _, stopped = printed[-1].removeprefix("told: ").partition(" stopped at: ")
    # step 3 was at work or not begun when on_step failed; nothing is told twice, and only step 3 may go untold
    assert json.loads(told) == ([1, 2, 3, 4] if stopped == "2" else [1, 2, 4])
