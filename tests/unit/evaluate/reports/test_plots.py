"""The plots: every picture for which there are records, and none of the others."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from seed_grpo.evaluate.reports import plots
from seed_grpo.evaluate.reports.plots import read_run, smooth, write_plots
from seed_grpo.records.files import JsonLines, write_table
from seed_grpo.records.ledger_table import LedgerRow, ledger_schema


def record_steps(path: Path, steps: int, scale: float | None = None) -> None:
    rng = np.random.default_rng(0)
    metrics, timings = JsonLines(path / "metrics.jsonl"), JsonLines(path / "timings.jsonl")
    for step in range(1, steps + 1):
        # nan in one step: no valid completion
        metrics.append(step, {"reward": np.nan if step == 2 else rng.random(), "semantic_entropy": rng.random()})
        timings.append(step, {"rollout": 1.0, "train": 0.5, "train/forward": 0.2, "total": 1.75})
        rows = [
            LedgerRow(step, g, "p", "trained", "", rng.random(), rng.random(), 2, scale or 1 - rng.random() / 50)
            for g in range(8)
        ]
        rows += [LedgerRow(step, 8, "p", "dropped", "too old"), LedgerRow(step, 9, "p", "trained", scale=0.99)]
        write_table(path / f"ledger/step_{step:06d}.parquet", [asdict(row) for row in rows], ledger_schema())


def record_evaluation(path: Path, step: int) -> None:
    values = {"accuracy": 0.5, "accuracy_low": 0.4, "accuracy_high": 0.6}
    # one problem: a mean without an interval
    entropy = {"semantic_entropy": 0.3, "semantic_entropy_low": np.nan, "semantic_entropy_high": np.nan}
    JsonLines(path / "evaluations.jsonl").append(step, {**values, **entropy})
    JsonLines(path / "timings.jsonl").append(step, {"evaluation": 4.0})


def names(files: list[Path]) -> list[str]:
    for file in files:
        assert file.read_bytes().startswith(b"\x89PNG") and file.stat().st_size > 5000
    return [file.stem for file in files]


def test_all_pictures_of_a_run(tmp_path: Path) -> None:
    record_evaluation(tmp_path, 0)
    record_steps(tmp_path, 40)
    record_evaluation(tmp_path, 40)
    files = write_plots(tmp_path)
    assert names(files) == list(plots.PLOTS)
    assert {file.parent for file in files} == {tmp_path / "plots"}


def test_one_step_equal_scales_and_no_evaluation(tmp_path: Path) -> None:
    record_steps(tmp_path, 1, scale=1.0)
    assert names(write_plots(tmp_path)) == list(plots.PLOTS)


def test_an_evaluation_alone(tmp_path: Path) -> None:
    record_evaluation(tmp_path, 0)
    assert names(write_plots(tmp_path)) == ["reward", "semantic_entropy"]


def test_nothing_to_draw(tmp_path: Path) -> None:
    assert write_plots(tmp_path) == []


def test_the_ledger_gives_the_trained_groups_only(tmp_path: Path) -> None:
    record_steps(tmp_path, 2)
    ledger = read_run(tmp_path).ledger
    assert len(ledger["scale"]) == 2 * 9 and not np.isnan(ledger["scale"]).any()
    assert np.isnan(ledger["mean_reward"]).sum() == 2  # null became nan


@pytest.mark.parametrize(
    ("values", "window", "expected"),
    [
        # at the ends over two values: padding with zeros would give 1, 2, 2.33 at the ends divided by 3
        ([1.0, 2.0, 6.0], 3, [1.5, 3.0, 4.0]),
        ([1.0, np.nan, 6.0, 2.0], 3, [1.0, 3.5, 4.0, 4.0]),
        ([1.0, 5.0], 1, [1.0, 5.0]),
        ([np.nan, 5.0], 1, [np.nan, 5.0]),
    ],
)
def test_smooth(values: list[float], window: int, expected: list[float]) -> None:
    np.testing.assert_allclose(smooth(np.array(values), window), expected)
