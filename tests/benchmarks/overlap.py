"""Part `overlap`: how much of generation is hidden behind training when groups may be a version old.

Real runs of the whole program on the quickstart's model, with `run.max_staleness` 0 and 1 and nothing else different.
One rollout worker and one trainer rank have a thread and so a core each; the number of epochs makes generation and
training take about equal time, which is where overlap has the most to give. In the first run the two take turns, so it
tells what each takes alone; the step of the second would be as long as the longer of them if overlap were perfect.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import mean, median

import numpy as np

from benchmarks import small_runs
from benchmarks.tables import heading, progress, show
from seed_grpo.evaluate.records import read_records

STALENESS = (0, 1)
STEPS, PROMPTS, COMPLETIONS = 15, 32, 16
EPOCHS = 2
COUNTED = slice(3, -2)
"""of a run, the steps that count: the first ones compile and fill the pipeline, and beside the last ones nothing is
generated"""
GOAL = 1.15


def overlap(_data: Path) -> None:
    """A run for each staleness, in turns."""
    small_runs.small_model()
    heading(f"Overlap of generation and training: {STEPS} steps of {PROMPTS} prompts x {COMPLETIONS}, {EPOCHS} epochs")
    with tempfile.TemporaryDirectory() as folder:
        _show({staleness: _run(staleness, Path(folder)) for staleness in progress(STALENESS, "runs")})


def _run(staleness: int, folder: Path) -> dict[str, float]:
    """Median seconds of the stages of a step; and the mean `staleness` and `tokens` of a step."""
    directory = folder / f"staleness-{staleness}"
    changes = (
        f"run.max_staleness={staleness}",
        "rollout.num_workers=1",
        "trainer.num_workers=1",
        f"trainer.epochs={EPOCHS}",
    )
    small_runs.run(directory.name, small_runs.run_config(directory, STEPS, PROMPTS, COMPLETIONS, *changes))
    seconds = small_runs.timings(directory)[COUNTED]
    metrics = read_records(directory / "metrics.jsonl")[COUNTED]
    found = {stage: median(step[stage] for step in seconds) for stage in ("rollout", "train", "weight_sync")}
    found["total"] = median(np.diff(small_runs.step_ends(directory))[COUNTED])  # of wall-clock, records included
    found["staleness"] = mean(step["staleness_mean"] for step in metrics)
    found["tokens"] = mean(step["completion_tokens"] for step in metrics)
    return found


def _show(runs: dict[int, dict[str, float]]) -> None:
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
                f"{run['staleness']:.2f}",
                f"{run['tokens']:.0f}",
            )
        )
    columns = (
        "max.\nstaleness", "step, s", "of the longer\nof the two", "waiting for\ngroups, s", "training, s",
        "weight\nsync, s", "rest, s", "staleness,\nmean", "tokens\na step",
    )  # fmt: skip
    show(f"Medians over {len(range(STEPS)[COUNTED])} steps", columns, rows)
    print(
        f"Alone, as in turns: generation {generation:.2f} s, training {training:.2f} s. "
        f"Goal with staleness 1: at most {GOAL:g} of the longer of the two.\n"
    )
