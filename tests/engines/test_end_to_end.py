"""Whole runs of the command line with real vLLM, DeepSpeed and Ray, on a tiny model and the generated task."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from support.sockets import beyond_loopback, listening
from support.tiny_model import SMALL, STEPS, make_digit_problems, make_tiny_model

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "seed_grpo.cli"]

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    make_tiny_model(folder, tied=True, seed=0)
    return folder


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_digit_problems(tmp_path_factory.mktemp("data") / "digits.jsonl")


@pytest.fixture(scope="module")
def settings(model: Path, problems: Path) -> Callable[..., list[str]]:
    inputs = [f"model.path={model}", f"data.source={problems}", f"evaluation.data.source={problems}"]

    def settings(directory: Path, *more: str) -> list[str]:
        return ["train", str(ROOT / "jobs/quickstart.yaml"), *SMALL, *inputs, f"run.directory={directory}", *more]

    return settings


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, timeout=300)


def succeed(arguments: list[str]) -> str:
    done = run(arguments)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def start(arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("w") as stream:
        return subprocess.Popen([*PROGRAM, *arguments], stdout=stream, stderr=stream, start_new_session=True)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 200
    while not condition():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)


def metrics(directory: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def undisturbed(settings: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "undisturbed"
    output = succeed(settings(directory))
    (directory / "console.txt").write_text(output)
    return directory


def test_a_run_leaves_everything_that_the_readme_names(undisturbed: Path) -> None:
    records = metrics(undisturbed)
    assert [record["step"] for record in records] == [1, 2, 3, 4]
    rollouts = pq.read_table(undisturbed / "rollouts/step_000001.parquet").to_pylist()
    assert len(rollouts) == 16  # 4 prompts x 4 completions
    assert {row["version_max"] for row in rollouts} == {0}  # sampled by the weights before the step
    ledger = pq.read_table(undisturbed / "ledger/step_000003.parquet").to_pylist()
    assert sorted(row["group_id"] for row in ledger) == [8, 9, 10, 11]  # the third four, each once
    assert len((undisturbed / "evaluations.jsonl").read_text().splitlines()) == 2
    for name in ("config.yaml", "environment.json", "timings.jsonl", "plots/reward.png", "policy/config.json"):
        assert (undisturbed / name).is_file(), name
    assert len(list((undisturbed / "checkpoints").iterdir())) == 2  # the last two are kept
    console = (undisturbed / "console.txt").read_text()
    assert "greedy accuracy" in console
    assert "samples/s" in console


def test_after_every_sync_the_engine_has_the_trainers_log_probabilities(undisturbed: Path) -> None:
    """Invariant 3, in float32; and the engine's log-probabilities of what it sampled are the trainer's."""
    for record in metrics(undisturbed):
        assert 0 <= record["canary_logprob_difference"] < 1e-4
        assert record["rows_trained"] > 0
        assert record["logprob_gap_max"] < 1e-4


def test_the_exported_policy_loads_and_differs_from_where_it_started(undisturbed: Path, model: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert AutoTokenizer.from_pretrained(undisturbed / "policy")("1+1=")["input_ids"]
    after = AutoModelForCausalLM.from_pretrained(undisturbed / "policy").state_dict()
    before = AutoModelForCausalLM.from_pretrained(model).state_dict()
    assert after.keys() == before.keys()
    assert any(not torch.equal(after[name], before[name]) for name in after)


def test_a_run_killed_in_the_middle_ends_with_the_same_metrics_to_the_bit(
    undisturbed: Path, settings: Callable[..., list[str]], tmp_path: Path
) -> None:
    """Invariant 7. SIGKILL after the first step is on record; then the same command again."""
    directory = tmp_path / "killed"
    arguments = settings(directory)
    process = start(arguments, tmp_path / "log")
    wait_for(lambda: any((directory / "checkpoints").glob("step_*")), process, tmp_path / "log")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(metrics(directory)) < STEPS or not (directory / "policy").exists()
    succeed(arguments)
    for name in ("metrics.jsonl", "evaluations.jsonl"):
        assert (directory / name).read_bytes() == (undisturbed / name).read_bytes(), name


def test_a_run_at_temperature_07_trains_what_it_sampled(
    settings: Callable[..., list[str]], model: Path, tmp_path: Path
) -> None:
    """Engine and trainer agree, and what they agree on is Transformers' softmax(logits / 0.7)."""
    import numpy as np
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from support.running_engine import logprobs_of

    more = ("rollout.temperature=0.7", "run.steps=2", "evaluation=null", "data.template=none")
    succeed(settings(tmp_path / "run", *more))
    for record in metrics(tmp_path / "run"):
        assert record["rows_trained"] > 0 and record["canary_logprob_difference"] < 1e-4
        assert record["logprob_gap_max"] < 1e-4  # over 1 where only one of the two has the temperature
        assert record["rollout_kl"] < 1e-6
    module, tokenizer = AutoModelForCausalLM.from_pretrained(model), AutoTokenizer.from_pretrained(model)
    differences = {0.7: 0.0, 1.0: 0.0}
    for row in pq.read_table(tmp_path / "run/rollouts/step_000001.parquet").to_pylist():
        prompt_ids = tokenizer(row["prompt"])["input_ids"]
        for temperature in differences:
            expected_T = logprobs_of(module, [*prompt_ids, *row["token_ids"]], temperature)[len(prompt_ids) - 1 :]
            gap = float(np.abs(expected_T - np.array(row["logprobs"])).max())
            differences[temperature] = max(differences[temperature], gap)
    assert differences[0.7] < 1e-2  # the table has half precision: 11 bits of up to 8 nats
    assert differences[1.0] > 0.3


def test_ctrl_c_ends_the_run_after_the_step_with_a_checkpoint(
    settings: Callable[..., list[str]], tmp_path: Path
) -> None:
    """As a terminal does it: to every process of the group, Ray's and vLLM's too. Of all of these, while they are at
    work, none listens beyond loopback."""
    directory = tmp_path / "stopped"
    more = ["run.steps=500", "run.checkpoint_every=500", "trainer.num_workers=2", "cluster.dashboard=true"]
    process = start(settings(directory, *more), tmp_path / "log")
    records = directory / "metrics.jsonl"
    wait_for(lambda: records.exists() and records.stat().st_size > 0, process, tmp_path / "log")
    places = listening(process.pid)
    assert len(places) > 10 and beyond_loopback(places) == set()  # Ray's, its dashboard's, torch's, gloo's and vLLM's
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 130, (tmp_path / "log").read_text()
    (checkpoint,) = (directory / "checkpoints").iterdir()
    done = metrics(directory)[-1]["step"]
    assert checkpoint.name == f"step_{done:08d}"
    assert f"stopped at step {done} of 500; the same command goes on from there" in (tmp_path / "log").read_text()


def test_more_workers_make_the_same_run_to_rounding(
    undisturbed: Path, settings: Callable[..., list[str]], tmp_path: Path
) -> None:
    directory = tmp_path / "more"
    more = ("trainer.num_workers=2", "trainer.cpus_per_worker=0.25", "trainer.zero_stage=3", "rollout.num_workers=2")
    succeed(settings(directory, *more))
    for one, other in zip(metrics(undisturbed), metrics(directory), strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            tolerance = 1e-4 if "logprob" in name else 1e-6
            assert other[name] == pytest.approx(value, rel=1e-4, abs=tolerance), (one["step"], name)


def test_the_policy_is_evaluated_and_what_is_on_disk_is_not_sampled_again(
    undisturbed: Path, problems: Path, tmp_path: Path
) -> None:
    out = tmp_path / "evaluation"
    arguments = ["evaluate", str(undisturbed), "--sets", str(problems), "-k", "4", "--out", str(out)]
    said = succeed([*arguments, "cluster.dashboard=false"])
    assert "12 of them are in the training set" in said
    rows = [row for file in sorted((out / "responses").rglob("*.parquet")) for row in pq.read_table(file).to_pylist()]
    sampled = [row for row in rows if row["temperature"] > 0]
    assert (len(rows) - len(sampled), len(sampled)) == (12, 48)
    (whole,) = json.loads((out / "results.json").read_text())["accuracy"]["parts"]
    assert whole["metrics"]["avg"]["value"] == pytest.approx(sum(row["reward"] for row in sampled) / 48)
    assert whole["metrics"]["avg"]["problems"] == 12 and (out / "figures/risk_coverage.png").is_file()
    assert "Ray" not in succeed([*arguments, "cluster.dashboard=false"])
    other = run([*arguments, "cluster.dashboard=false", "rollout.temperature=0.5"])
    assert other.returncode == 1 and "rollout.temperature was 1.0 and is 0.5" in other.stderr


@pytest.mark.long
def test_problems_are_answered_with_as_many_samples_as_they_need(
    undisturbed: Path, problems: Path, tmp_path: Path
) -> None:
    arguments = ["answer", str(undisturbed), "--sets", str(problems), "--problem", "question 3:", "--most", "10"]
    said = succeed([*arguments, "--threshold", "1.2", "--out", str(tmp_path), "cluster.dashboard=false"])
    answers = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert len(answers) == 13 and answers[0]["problem"] == "question 3:" and answers[0]["right"] is None
    assert {answer["samples"] for answer in answers} <= {4, 6, 8, 10} and "answers drawn of each" in said
    for answer in answers:
        assert answer["samples"] == 10 or answer["semantic_entropy"] <= 1.2
        assert answer["confidence"] >= 1 / answer["samples"]


def test_a_run_is_reported_replayed_and_audited(undisturbed: Path) -> None:
    assert "4 steps, replayed" in succeed(["whatif", str(undisturbed), "algo.scale.alpha=0.02,1"])
    assert "completions of 12 prompts" in succeed(["audit", str(undisturbed)])
    assert "report.html" in succeed(["report", str(undisturbed)])
    assert (undisturbed / "report.html").stat().st_size > 10_000
