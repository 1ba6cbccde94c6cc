"""The run directory: whole after a kill, equal to the byte after a resume, and never of two different runs."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from seed_grpo.config import Config
from seed_grpo.config.loading import load_config
from seed_grpo.errors import CheckpointError, ConfigError, SeedGrpoError
from seed_grpo.records import files
from seed_grpo.records.files import JsonLines
from seed_grpo.records.ledger_table import LEDGER_COLUMNS, LedgerRow, ledger_schema
from seed_grpo.records.rollout_table import COLUMNS, Estimate, read_groups, rollout_rows, schema, tables
from seed_grpo.records.run_directory import MAY_CHANGE, RunDirectory, settings_by_name
from support.judged_group import judged_group


def config_of(path: Path, **sections: dict) -> Config:
    run = {"directory": path, "steps": 10, "trackers": [], **sections.pop("run", {})}
    return Config.model_validate({"run": run, "model": {"path": "m"}, "data": {"source": "arithmetic"}, **sections})


def write(directory: RunDirectory, step: int, seconds: float = 1.0) -> None:
    group = judged_group(step)
    directory.write_ledger(step, [LedgerRow.trained(step, group.summary, 0.99)])
    metrics = {"reward": step / 3, "loss": float("nan")}
    estimate = Estimate(0.99, np.array([0.0, -0.25, 0.0]), np.array([0.5, -0.5, 0.0]))
    directory.write_step(
        step, metrics, {"rollout": seconds, "total": seconds}, {"mfu": seconds}, [group], {step: estimate}
    )


def deterministic_files(path: Path) -> dict[str, bytes]:
    names = ["metrics.jsonl", "evaluations.jsonl"]
    names += [str(file.relative_to(path)) for file in path.glob("*/step_*.parquet")]
    return {name: (path / name).read_bytes() for name in sorted(names)}


def test_a_killed_and_resumed_run_leaves_the_same_bytes(tmp_path: Path) -> None:
    whole = RunDirectory(tmp_path / "whole", config_of(tmp_path / "whole"))
    whole.truncate_after(0)
    whole.write_evaluation(0, {"accuracy": 0.5}, 3.0, [judged_group(0)])
    for step in range(1, 5):
        write(whole, step)
    whole.write_evaluation(4, {"accuracy": 0.75}, 3.0, [judged_group(0)])

    path = tmp_path / "killed"
    killed = RunDirectory(path, config_of(path))
    killed.truncate_after(0)
    killed.write_evaluation(0, {"accuracy": 0.5}, 5.0, [judged_group(0)])
    for step in range(1, 7):
        write(killed, step, seconds=2.0)
    killed.write_evaluation(6, {"accuracy": 0.1}, 5.0, [])
    with open(path / "metrics.jsonl", "a") as file:
        file.write('{"step": 7, "rew')  # the kill came in the middle of a line; the checkpoint is of step 2
    resumed = RunDirectory(path, config_of(path))
    resumed.truncate_after(2)
    assert sorted(resumed.evaluations()) == [0]
    for step in (3, 4):
        write(resumed, step)
    resumed.write_evaluation(4, {"accuracy": 0.75}, 5.0, [judged_group(0)])

    files = deterministic_files(path)
    assert files == deterministic_files(tmp_path / "whole")
    assert sum(name.startswith("rollouts/") for name in files) == 4
    assert [json.loads(line)["step"] for line in (path / "timings.jsonl").open()] == [0, 1, 2, 3, 4, 4]


def test_metrics_lines_are_json_without_nan_and_without_order_of_insertion(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / "metrics.jsonl")
    lines.append(1, {"b": np.float32(0.5), "a": float("inf")})
    assert lines.path.read_text() == '{"step": 1, "a": null, "b": 0.5}\n'


@pytest.mark.parametrize("torn", [b"{", b'{"step": 2, "a": 1.0}', b"\x00\x00\x00"])
def test_half_a_line_is_cut_off_when_the_file_is_opened(tmp_path: Path, torn: bytes) -> None:
    """Also one that would parse: without its newline nobody knows that it is whole (`1.0` of `1.0625`)."""
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1, "a": 2.0}\n' + torn)
    JsonLines(path).append(2, {"a": 1.0625})
    assert path.read_text() == '{"step": 1, "a": 2.0}\n{"step": 2, "a": 1.0625}\n'


@pytest.mark.parametrize("line", ["[1]", "{}", '{"step": "1"}', "garbage\r"])
def test_a_damaged_line_in_the_middle_is_an_error_with_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'{{"step": 1}}\n{line}\n{{"step": 3}}\n', newline="")
    with pytest.raises(CheckpointError, match=r"metrics.jsonl line 2 .*run.directory"):
        JsonLines(path)


def test_a_kill_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.parquet"
    files.write_atomically(path, b"old")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(path, b"new and longer")
    assert path.read_bytes() == b"old"


def test_a_full_disk_names_file_and_free_bytes(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path, config_of(tmp_path))
    directory.truncate_after(0)
    os.symlink("/dev/full", tmp_path / "metrics.jsonl")  # every write to it fails as on a full disk
    with pytest.raises(SeedGrpoError, match=r"metrics.jsonl: No space left on device; \d+ bytes are free"):
        write(directory, 1)


def test_other_disk_errors_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="broken") as caught, files.clear_disk_errors(tmp_path / "x"):
        raise OSError(errno.EIO, "broken")
    assert caught.value.errno == errno.EIO


def test_rollout_rows(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path, config_of(tmp_path))
    directory.truncate_after(0)
    write(directory, 12)
    right, broken, aborted = pq.read_table(tmp_path / "rollouts/step_000012.parquet").to_pylist()
    assert set(right) == set(COLUMNS)
    expected = {
        "step": 12,
        "group_id": 12,
        "problem_id": "p12",
        "completion": 0,
        "prompt": "1+1=??",  # the lone surrogate became a question mark
        "references": ["2", "2.0"],
        "text": r"so \boxed{2}",
        "verdict": "correct",
        "answer": "2",
        "rule": "numeric",
        "class_id": 0,
        "reward": 1.0,
        "valid": True,
        "overlong": 0.0,
        "advantage": 0.5,
        "scale": 0.99,
        "finish_reason": "stop",
        "num_tokens": 2,
        "mean_logprob": -1.0,  # (-0.5 - 1.5) / 2, where the sum would be -2
        "version_min": 4,
        "version_max": 5,
        "rollout_worker": "rollout-1",
    }
    assert {name: right[name] for name in expected} == expected
    assert broken["text"] == "?" and broken["answer"] is None
    assert (broken["reward"], broken["overlong"], broken["advantage"]) == (0.0, -0.25, -0.5)
    tokenless = {"num_tokens": 0, "mean_logprob": None, "version_min": -1, "valid": False, "class_id": -1}
    assert {name: aborted[name] for name in tokenless} == tokenless


def test_evaluation_rows_have_no_advantage_and_replace_earlier_ones(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path, config_of(tmp_path))
    directory.truncate_after(0)
    for accuracy in (0.25, 0.5):
        directory.write_evaluation(0, {"accuracy": accuracy}, 1.0, [judged_group(7)])
    assert directory.evaluations() == {0: {"accuracy": 0.5}}
    assert (tmp_path / "evaluations.jsonl").read_text() == '{"step": 0, "accuracy": 0.5}\n'
    rows = pq.read_table(tmp_path / "evaluations/step_000000.parquet").to_pylist()
    assert [row["advantage"] for row in rows] == [row["overlong"] for row in rows] == [None] * 3


def test_ledger_rows(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path, config_of(tmp_path))
    trained = LedgerRow.trained(3, judged_group(1).summary, 0.98)
    directory.write_ledger(3, [trained, LedgerRow.dropped(3, judged_group(2).summary, "too old")])
    table = pq.read_table(tmp_path / "ledger/step_000003.parquet")
    assert table.schema.equals(ledger_schema()) and set(table.column_names) == set(LEDGER_COLUMNS)
    first, second = table.to_pylist()
    # reward over the two valid completions, (1 + 0) / 2; over all three it would be 1/3
    assert first == asdict(trained) and first["mean_reward"] == 0.5 and first["num_classes"] == 2
    assert first["num_unjudged"] == 1  # the one that timed out
    assert (second["state"], second["reason"], second["scale"]) == ("dropped", "too old", None)
    assert (second["mean_reward"], second["semantic_entropy"]) == (0.5, 0.6)  # the history of a prompt has them all


def test_tensorboard_shows_a_resumed_step_once(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for resumed_from, last in ((0, 3), (1, 4)):
        directory = RunDirectory(tmp_path, config_of(tmp_path, run={"trackers": [{"use": "tensorboard"}]}))
        directory.truncate_after(resumed_from)
        for step in range(resumed_from + 1, last + 1):
            directory.write_gauges(step, {"healthy": float(10 * resumed_from + step)})
        directory.close()
        time.sleep(1.1)  # files are read in the order of their names, which hold the second of their start
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload().Scalars("gauges/healthy")
    # without purge_step the old steps 2 and 3 would stand beside the new ones
    assert [(event.step, event.value) for event in events] == [(1, 1.0), (2, 12.0), (3, 13.0), (4, 14.0)]


def test_settings_that_drift_are_an_error_with_both_values(tmp_path: Path) -> None:
    RunDirectory(tmp_path, config_of(tmp_path))
    changed = config_of(tmp_path, run={"seed": 5}, algo={"scale": {"alpha": 0.01}})
    before = (tmp_path / "config.yaml").read_bytes()
    with pytest.raises(ConfigError, match=r"algo.scale.alpha was 0.02 and is 0.01; run.seed was 0 and is 5\."):
        RunDirectory(tmp_path, changed)
    assert (tmp_path / "config.yaml").read_bytes() == before


def test_what_does_not_enter_the_gradient_may_change(tmp_path: Path) -> None:
    RunDirectory(tmp_path, config_of(tmp_path))
    trackers = [{"use": "wandb", "settings": {"mode": "offline"}}]  # not installed here: its line is printed
    longer = config_of(
        tmp_path, run={"steps": 20, "keep_checkpoints": 5, "trackers": trackers}, rollout={"num_workers": 3}
    )
    RunDirectory(tmp_path, longer)
    assert load_config(tmp_path / "config.yaml") == longer


def test_a_linear_schedule_forbids_other_steps(tmp_path: Path) -> None:
    linear = {"schedule": "linear"}
    RunDirectory(tmp_path, config_of(tmp_path, trainer=linear))
    with pytest.raises(ConfigError, match=r"run.steps was 10 and is 20"):
        RunDirectory(tmp_path, config_of(tmp_path, trainer=linear, run={"steps": 20}))


def test_every_setting_that_may_change_exists(tmp_path: Path) -> None:
    without = config_of(tmp_path, evaluation={"data": {"source": "arithmetic"}})
    scaled = config_of(tmp_path, rollout={"autoscale": {"max_workers": 2}})
    mixed = {"sources": [{"source": "arithmetic", "rewards": [{"use": "truncated"}]}]}
    held_out = {"data": {"sources": [{"source": "arithmetic"}]}}
    mixed_twice = config_of(tmp_path, data=mixed, evaluation=held_out)
    configs = (without, scaled, mixed_twice)
    names = [name for config in configs for name in settings_by_name(config.model_dump(mode="json"))]
    plain = [f"{re.sub(r'.[0-9]+', '', name)}." for name in names]
    assert not [each for each in MAY_CHANGE if not any(name.startswith(f"{each}.") for name in plain)]


def test_environment(tmp_path: Path) -> None:
    RunDirectory(tmp_path, config_of(tmp_path))
    environment = json.loads((tmp_path / "environment.json").read_text())
    assert environment["packages"]["numpy"] == np.__version__
    assert environment["python"] == ".".join(map(str, sys.version_info[:3]))
    assert environment["cpus"] >= 1


def test_recorded_groups_come_back_as_they_were(tmp_path: Path) -> None:
    """Through a file: arrays by completion, no likelihood of an empty one, tokens only where they are asked for."""
    file = tmp_path / "step_000003.parquet"
    groups = [judged_group(7), judged_group(8)]
    estimate = Estimate(0.99, np.array([0.0, -0.25, 0.0]), np.array([0.5, -0.5, 0.0]))
    files.write_table(file, list(rollout_rows(3, groups, {7: estimate})), schema())
    trained, other = read_groups(tables(tmp_path), tokens=True)
    assert (trained.group_id, trained.step, trained.scale, other.group_id, other.scale) == (7, 3, 0.99, 8, None)
    assert trained.references == ("2", "2.0") and trained.verdicts_G == ("correct", "no_answer", "timed_out")
    np.testing.assert_array_equal(trained.advantages_G, [0.5, -0.5, 0.0])
    assert np.isnan(other.advantages_G).all()
    np.testing.assert_array_equal(trained.mean_logprobs_G, [-1.0, -2.0, 0.0])
    np.testing.assert_array_equal(trained.class_ids_G, [0, 1, -1])
    np.testing.assert_array_equal(trained.versions_G, [[4, 5], [5, 5], [-1, -1]])
    assert trained.num_classes == 2
    assert trained.logprobs_G is not None
    assert [list(logprobs) for logprobs in trained.logprobs_G] == [[-0.5, -1.5], [-2.0], []]
    assert next(read_groups([file])).token_ids_G is None
