"""The examples of own code run as they are, on CPU with a tiny model; and rewards that fail cost their groups alone."""

from __future__ import annotations

import http.server
import json
import math
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from seed_grpo.loop.ledger import UNREWARDED
from support.tiny_model import SMALL, make_digit_problems, make_tiny_model

ROOT = Path(__file__).parents[2]
EXAMPLES = [
    path if path.stem in ("own_reward", "own_data") else pytest.param(path, marks=pytest.mark.long)
    for path in sorted((ROOT / "jobs/examples").glob("*.yaml"))
]

pytestmark = [pytest.mark.engine, pytest.mark.timeout(500)]


def command(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "seed_grpo.cli", *arguments]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=400, check=False)


def metrics_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def rows_of(run: Path, folder: str, *columns: str) -> list[dict[str, Any]]:
    files = sorted((run / folder).glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file, columns=list(columns)).to_pylist()]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model") / "tiny", tied=True, seed=0)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_runs_and_leaves_what_studies_of_it_need(example: Path, model: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    small = ["rollout.max_completion_tokens=12", "cluster.dashboard=false"]
    done = command("train", str(example), f"model.path={model}", f"run.directory={run}", *small)
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = metrics_of(run)
    assert [each["step"] for each in metrics] == [1, 2]
    code = json.loads((run / "environment.json").read_text())["code"]
    own = example.with_suffix(".py")
    assert not own.exists() or (own.name in code and (run / "code" / own.name).read_text() == own.read_text())
    if example.stem == "own_reward":
        assert all({"reward/graded", "reward/short_steps", "reward/truncated"} <= each.keys() for each in metrics)
        parts = dict(rows_of(run, "rollouts", "reward_parts")[0]["reward_parts"])
        assert parts.keys() == {"graded", "short_steps", "truncated"}
    for study in ("whatif", "report"):  # from elsewhere, where run.code leads nowhere
        studied = command(study, str(run), folder=tmp_path)
        assert studied.returncode == 0 or "nothing to replay" in studied.stderr, studied.stdout + studied.stderr


MOODY = """
import os, signal, time

def moody(group):
    place = group.problem.text.split()[1].strip(":")
    if place == "1":
        time.sleep(60)
    if place == "2":
        os.kill(os.getpid(), signal.SIGKILL)
    if place == "3":
        raise KeyError("own fault")
    return [len(completion.text) for completion in group.completions][place == "4":]
"""
SAID = {
    "question 1:": "the reward moody failed: took over 2 s",
    "question 2:": "the reward moody failed: the process of the reward moody ended in a call, status -9 (killed",
    "question 3:": "the reward moody failed: KeyError: 'own fault'",
    "question 4:": "the reward moody failed: ValueError: returned 3 rewards for 4 completions",
    "question 5:": "the reward served failed: http://",
}
"""problems on which a reward fails, of twelve, with the message"""


class Served(http.server.BaseHTTPRequestHandler):
    answered = math.inf
    """requests that get an answer before four do not"""

    def do_POST(self) -> None:
        group = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Served.answered -= 1
        is_down = -4 <= Served.answered < 0 or group["problem"]["text"].startswith("question 5")
        self.send_response(503 if is_down else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"rewards": [0.5] * len(group["completions"])}).encode())

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def address() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Served)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.long
def test_rewards_that_fail_cost_their_groups_and_are_said_once_each(model: Path, tmp_path: Path, address: str) -> None:
    """Twelve problems in three steps of four; then the run goes on for two steps, where some fail again."""
    (tmp_path / "own_moods.py").write_text(MOODY)
    problems = make_digit_problems(tmp_path / "digits.jsonl")
    own = {"use": "own_moods:moody", "weight": 0.1, "timeout": 2}
    served = {"use": address, "name": "served", "retries": 0}
    run = tmp_path / "run"
    settings = [
        *SMALL, f"model.path={model}", f"data.source={problems}", f"evaluation.data.source={problems}",
        f"run.directory={run}", "run.steps=3", f"run.code=[{tmp_path / 'own_moods.py'}]",
        f"verifier.rewards={json.dumps([{'use': 'correct'}, own, served])}",
    ]  # fmt: skip
    done = command("train", str(ROOT / "jobs/quickstart.yaml"), *settings)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = " ".join(done.stdout.split())
    for said in SAID.values():
        assert printed.count(said) == 1, f"{said}\n{done.stdout}"
    assert printed.count("Traceback") == 2  # of what was raised, and of the missing number
    metrics = metrics_of(run)
    assert [each["step"] for each in metrics] == [1, 2, 3]

    ledger = rows_of(run, "ledger", "group_id", "problem_id", "reason")
    assert sorted(row["group_id"] for row in ledger) == list(range(len(ledger)))  # each exactly once
    rollouts = rows_of(run, "rollouts", "group_id", "prompt", "verdict", "valid", "reward", "class_id")
    failed = {row["group_id"] for row in rollouts if row["prompt"] in SAID}
    assert {row["prompt"] for row in rollouts if row["group_id"] in failed} == SAID.keys()
    assert sum(each["reward_failed_groups"] for each in metrics) == len(failed)
    for row in rollouts:
        if row["group_id"] in failed:
            assert (row["verdict"], row["valid"], row["reward"], row["class_id"]) == ("verifier_error", False, 0, -1)
        else:
            assert row["verdict"] in ("correct", "incorrect", "no_answer") and row["valid"] and row["reward"] >= 0.5
    assert {row["group_id"] for row in ledger if row["reason"]} >= failed

    (tmp_path / "own_moods.py").write_text(MOODY + "# edited\n")
    changed = command("train", str(ROOT / "jobs/quickstart.yaml"), *settings, "run.steps=4")
    assert changed.returncode == 1 and "own_moods.py differ from those in" in changed.stderr, changed.stderr


@pytest.mark.long
def test_a_run_waits_for_a_server_that_is_down_for_a_while(
    model: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial gets its answer, and the four groups of step 1 none; those in their place are trained."""
    monkeypatch.setattr(Served, "answered", 1)
    problems = make_digit_problems(tmp_path / "digits.jsonl")
    run = tmp_path / "run"
    rewards = [{"use": "correct"}, {"use": address, "name": "served", "retries": 0}]
    settings = [
        *SMALL, f"model.path={model}", f"data.source={problems}", f"evaluation.data.source={problems}",
        f"run.directory={run}", "run.steps=2", f"verifier.rewards={json.dumps(rewards)}",
    ]  # fmt: skip
    done = command("train", str(ROOT / "jobs/quickstart.yaml"), *settings)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = " ".join(done.stdout.split())
    assert (
        "step 1: rewards failed, or are None, and none of 4 groups can be trained on; others are sampled in their"
        in printed
    )
    assert [each["step"] for each in metrics_of(run)] == [1, 2]
    assert metrics_of(run)[0]["reward_failed_groups"] >= 4
    ledger = rows_of(run, "ledger", "step", "group_id", "reason")
    assert sorted(row["group_id"] for row in ledger) == list(range(len(ledger)))  # each exactly once
    assert [row["group_id"] for row in ledger if row["reason"] == UNREWARDED] == [0, 1, 2, 3]
