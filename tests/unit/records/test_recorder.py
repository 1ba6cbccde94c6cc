"""The recorder, on a real run directory: every sampled group is on record, trained or not; and a run that ended by an
error of the trainer goes on from its checkpoint as if it had not."""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from seed_grpo.commands.console import Console
from seed_grpo.config import Config
from seed_grpo.errors import TrainerError
from seed_grpo.loop.batch import ReadyGroup
from seed_grpo.loop.ledger import LOST, NOT_FINITE, REPLACED
from seed_grpo.messages import JudgedGroup
from seed_grpo.records.callbacks import Callback, Callbacks
from seed_grpo.records.first_rewards import FirstRewards
from seed_grpo.records.recorder import Recorder
from seed_grpo.records.run_directory import RunDirectory
from seed_grpo.records.throughput import Throughput
from seed_grpo.runtime.supervision.prometheus import Monitor
from seed_grpo.testing.fake_world import FakeCheckpoints, World
from support.judged_group import judged_group
from support.recorded_batch import batch_of_three

SECONDS = {"rollout": 1.0, "train": 0.5, "total": 2.0}


def two_completions(group_id: int) -> JudgedGroup:
    """As the fake engine's groups have."""
    judged = judged_group(group_id)
    return replace(judged, group=replace(judged.group, completions_G=judged.group.completions_G[:2]))


def recorder(
    path: Path,
    out: io.StringIO | None = None,
    fetch: Callable[[Any], JudgedGroup | None] = judged_group,
    told: Callback | None = None,
) -> Recorder:
    """Whose payloads are group ids."""
    tree: dict[str, Any] = {
        "run": {"directory": path, "steps": 4, "trackers": []},
        "model": {"path": "m"},
        "data": {"source": "s"},
    }
    made = Config.model_validate(tree)
    console = Console(4, out or io.StringIO())
    gauges = {"rollout_workers": 2.0}
    watchers = Monitor("test"), FirstRewards(made), Throughput(made, "NVIDIA H200"), Callbacks(told, told, print)
    return Recorder(RunDirectory(path, made), console, fetch, lambda: gauges, *watchers)


def test_dropped_groups_are_recorded_with_a_reason_and_no_estimate(tmp_path: Path) -> None:
    out = io.StringIO()
    kept = recorder(tmp_path, out)
    kept.truncate_after(0)
    kept.step(batch_of_three(), {"loss": 0.5, "tokens": 9.0}, SECONDS)

    ledger = pq.read_table(tmp_path / "ledger/step_000003.parquet").to_pylist()
    states = {row["group_id"]: (row["state"], row["reason"], row["scale"], row["mean_reward"]) for row in ledger}
    assert states == {
        5: ("dropped", LOST, None, None),
        6: ("dropped", REPLACED, None, 0.5),
        7: ("trained", "", 0.99, 0.5),
        8: ("dropped", NOT_FINITE, None, 0.5),
    }
    rows = pq.read_table(tmp_path / "rollouts/step_000003.parquet").to_pylist()
    assert [row["group_id"] for row in rows] == [6] * 3 + [7] * 3 + [8] * 3
    assert [row["overlong"] for row in rows] == [None] * 3 + [-0.25, 0.0, 0.0] + [None] * 3
    assert [row["advantage"] for row in rows] == [None] * 3 + [0.5, -0.5, 0.0] + [None] * 3
    assert [row["scale"] for row in rows] == [None] * 3 + [0.99] * 3 + [None] * 3
    assert rows[3]["reward"] == 1.0  # raw; with the punishment 0.75

    metrics = json.loads((tmp_path / "metrics.jsonl").read_text())
    assert (metrics["loss"], metrics["dropped_groups"], metrics["replaced_groups"]) == (0.5, 2, 1)
    assert metrics["lost_groups"] == 1
    gauges = json.loads((tmp_path / "gauges.jsonl").read_text())
    assert (gauges["step"], gauges["rollout_workers"]) == (3, 2.0)
    assert kept.samples == 9  # three completions each of three groups
    assert f"step 3: 1 groups were not trained: {NOT_FINITE}\n" in out.getvalue()
    assert "step 3: 3 of 9 completions of the last 1 steps (33.3%, over 2%) have no verdict" in out.getvalue()


def test_a_payload_that_is_gone_is_missing_in_the_rollout_table_alone(tmp_path: Path) -> None:
    out = io.StringIO()
    kept = recorder(tmp_path, out, fetch=lambda payload: None if payload == 7 else judged_group(payload))
    kept.truncate_after(0)
    kept.step(batch_of_three(), {"loss": 0.5, "tokens": 9.0}, SECONDS)
    rows = pq.read_table(tmp_path / "rollouts/step_000003.parquet").to_pylist()
    assert {row["group_id"] for row in rows} == {6, 8}
    ledger = pq.read_table(tmp_path / "ledger/step_000003.parquet").to_pylist()
    assert {row["group_id"] for row in ledger} == {5, 6, 7, 8}
    assert json.loads((tmp_path / "metrics.jsonl").read_text())["sampled_completions"] == 9
    assert "step 3: 1 groups were lost with a machine before they were recorded" in out.getvalue()


def test_the_trainers_error_leaves_records_that_a_resumed_run_continues(tmp_path: Path) -> None:
    """Group 4 is skipped in step 2; then the trainer fails in step 4, and the last checkpoint is of step 2."""
    whole = World(recorder=recorder(tmp_path / "whole", fetch=two_completions))
    whole.trainer.skips = {2: (1,)}
    whole.run()

    failed = World(recorder=recorder(tmp_path / "failed", fetch=two_completions))
    failed.trainer.skips, failed.trainer.fails = {2: (1,)}, 4
    with pytest.raises(TrainerError, match="three updates in a row"):
        failed.run()
    assert steps_on_record(tmp_path / "failed") == [1, 2, 3]

    saved = FakeCheckpoints(failed.checkpoints.saved)
    World(saved, recorder=recorder(tmp_path / "failed", fetch=two_completions)).run()
    assert steps_on_record(tmp_path / "failed") == [1, 2, 3, 4]
    for pattern in ("metrics.jsonl", "ledger/*.parquet", "rollouts/*.parquet"):
        for file in sorted((tmp_path / "whole").glob(pattern)):
            assert file.read_bytes() == (tmp_path / "failed" / file.relative_to(tmp_path / "whole")).read_bytes(), file
    rows = pq.read_table(tmp_path / "failed/ledger").to_pylist()
    assert sorted(row["group_id"] for row in rows) == list(range(12))  # each issued group once
    assert [row["group_id"] for row in rows if row["reason"] == NOT_FINITE] == [4]


def test_callbacks_find_what_they_are_told_on_record(tmp_path: Path) -> None:
    told: list[tuple[int, list[str], float]] = []

    def on_record(step: int, metrics: Mapping[str, float]) -> None:
        lines = (tmp_path / f"{'metrics' if 'loss' in metrics else 'evaluations'}.jsonl").read_text().splitlines()
        told.append((step, lines, metrics["reward" if "loss" in metrics else "accuracy"]))

    kept = recorder(tmp_path, told=on_record)
    kept.truncate_after(0)
    kept.write_evaluation(0, {"accuracy": 0.25}, 1.0, [])
    kept.step(batch_of_three(), {"loss": 0.5, "tokens": 9.0}, SECONDS)
    assert [(step, len(lines)) for step, lines, _ in told] == [(0, 1), (3, 1)]
    assert [value for *_, value in told] == [0.25, json.loads(told[1][1][0])["reward"]]


def steps_on_record(path: Path) -> list[int]:
    """As metrics.jsonl, the ledger and the rollouts agree on."""
    steps = [json.loads(line)["step"] for line in (path / "metrics.jsonl").open()]
    for folder in ("ledger", "rollouts"):
        assert sorted(int(file.stem.removeprefix("step_")) for file in (path / folder).glob("*.parquet")) == steps
    return steps


def test_a_round_without_any_reward_is_told_with_its_kinds_of_failure(tmp_path: Path) -> None:
    out = io.StringIO()
    kept = recorder(tmp_path, out)
    failed = [
        ReadyGroup(replace(judged_group(number).summary, fault="the reward judge failed: down"), number)
        for number in (1, 2)
    ]
    for number in (1, 2):
        kept.unrewarded(7, f"round {number} of at most 10", failed)
    said = " ".join(out.getvalue().split())
    assert said.count("step 7: the reward judge failed: down, on group 1 of problem p1") == 1
    for number in (1, 2):
        assert f"none of 2 groups can be trained on; others are sampled in their place (round {number} of at" in said
