"""Part `overlap`: how much of generation is hidden behind training when groups may be a version old.

Real runs of the whole program on the quickstart's model, with `run.max_staleness` 0 and 1 and nothing else different.
In the first of two runs the stages take turns, so it tells what each takes alone; the step of the second would be as
long as the longer of them if overlap were perfect.

First with engines that wait (`device_waits`), as they do beside GPUs: this is what the program makes of overlap. Then
with engines that compute, one rollout worker and one trainer rank, of a thread each: everything else that runs wants
time on the two cores too, so no step can be shorter than half of all core seconds, which the table has.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

import numpy as np

from benchmarks import small_runs
from benchmarks.peers import CORES, BusyCores
from benchmarks.tables import heading, progress, show
from seed_grpo.records.files import read_records

STALENESS = (0, 1)
STEPS = 15
COUNTED = slice(3, -2)
"""steps of a run that count: the first ones compile and fill the pipeline, and beside the last ones nothing is
generated"""
GOAL = 1.15


@dataclass(frozen=True)
class Case:
    """Sizes of a step, so that generation and training take about equal time, where overlap has the most to give."""

    title: str
    prompts: int
    completions: int
    waits: bool


CASES = (
    Case("Engines that wait, as beside GPUs", 8, 8, waits=True),
    Case("Engines that compute, all on these cores", 32, 16, waits=False),
)


def overlap(_data: Path) -> None:
    """For each case a run for each staleness."""
    small_runs.small_model()
    heading(f"Overlap of generation and training: {STEPS} steps")
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(CASES):
            folder_of_case = Path(folder, str(number))
            folder_of_case.mkdir()
            _show(case, {staleness: _run(case, staleness, folder_of_case) for staleness in progress(STALENESS, "runs")})


def _run(case: Case, staleness: int, folder: Path) -> dict[str, float]:
    """Median seconds of the stages of a step; and the mean `cores`, `staleness` and `tokens` of a step."""
    directory = folder / f"staleness-{staleness}"
    changes = (f"run.max_staleness={staleness}", "rollout.num_workers=1", "trainer.num_workers=1")
    config = small_runs.run_config(directory, STEPS, case.prompts, case.completions, *changes)
    with BusyCores() as busy:
        small_runs.run(directory.name, config, case.waits)
    seconds = small_runs.timings(directory)[COUNTED]
    metrics = read_records(directory / "metrics.jsonl")[COUNTED]
    ends = small_runs.step_ends(directory)
    found = {stage: median(step[stage] for step in seconds) for stage in ("rollout", "train", "weight_sync")}
    found["total"] = median(np.diff(ends)[COUNTED])  # of wall-clock, records included
    found["cores"] = mean(np.diff(busy.seconds_until(ends))[COUNTED])
    found["staleness"] = mean(step["staleness_mean"] for step in metrics)
    found["tokens"] = mean(step["completion_tokens"] for step in metrics)
    return found


def _show(case: Case, runs: dict[int, dict[str, float]]) -> None:
    generation, training = runs[0]["rollout"], runs[0]["train"]
    rows = []
    for staleness, run in runs.items():
        rest = run["total"] - run["rollout"] - run["train"] - run["weight_sync"]
        rows.append(
            (
                staleness,
                f"{run['total']:.2f}",
                f"{run['total'] / max(generation, training):.2f}",
                f"{run['rollout']:.2f}",
                f"{run['train']:.2f}",
                f"{run['weight_sync']:.2f}",
                f"{max(rest, 0.0):.2f}",
                f"{run['cores']:.2f}",
                f"{run['staleness']:.2f}",
                f"{run['tokens']:.0f}",
            )
        )
    columns = (
        "max.\nstaleness", "step, s", "of the longer\nof the two", "waiting for\ngroups, s", "training, s",
        "weight\nsync, s", "rest, s", "core s of\nall processes", "staleness,\nmean", "tokens\na step",
    )  # fmt: skip
    title = f"{case.title}: {case.prompts} prompts x {case.completions}"
    show(f"{title}, medians over {len(range(STEPS)[COUNTED])} steps", columns, rows)
    print(
        f"Alone, as in turns: generation {generation:.2f} s, training {training:.2f} s. "
        f"Goal with staleness 1: at most {GOAL:g} of the longer of the two; {CORES} cores allow no less than "
        f"{runs[1]['cores'] / CORES / max(generation, training):.2f}.\n"
    )
