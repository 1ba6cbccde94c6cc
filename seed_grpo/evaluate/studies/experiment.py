"""Results of an experiment: metrics of its runs by configuration, and differences from the baseline, over seeds.

Consumes run directories (or evaluations) of configurations x seeds; produces `report.json`, `report.md` and figures.
The runs of one seed share their prompts' order and their model's beginning, so differences are taken seed by seed, and
the interval is that of their mean. It runs nothing (`commands.experiment` does).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seed_grpo.evaluate.metrics.intervals import Interval, mean_interval
from seed_grpo.evaluate.reports.formatting import escaped, json_ready, number, table
from seed_grpo.evaluate.reports.plots import STAGE_COLOURS, save_figures, smooth
from seed_grpo.records.files import read_records, write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LAST_SHARE = 0.25
"""share of the steps that counts as the end of a run"""


@dataclass(frozen=True)
class Summary:
    """A metric of one configuration."""

    configuration: str
    metric: str
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    """values in the order of `seeds`"""
    mean: Interval
    """mean over seeds, with its 95% interval by Student's t"""
    pairs: int
    """seeds that the baseline has too, on which the next two rest"""
    difference: Interval | None
    """difference to the baseline, paired by seed; None for the baseline itself"""
    p_value: float
    """two-sided p-value of no difference, by flipping signs (Fisher 1935): at least 2 / 2^seeds; nan for the
    baseline"""


@dataclass(frozen=True)
class Runs:
    """The complete runs, by configuration and seed."""

    directories: Mapping[str, Mapping[int, Path]]
    baseline: str | None
    metrics: Sequence[str]


def write_report(folder: Path, title: str, runs: Runs) -> Path:
    """Computes and writes everything; returns the file `report.md`."""
    values = {
        name: {seed: run_metrics(directory) for seed, directory in by_seed.items()}
        for name, by_seed in runs.directories.items()
    }
    summaries = [
        summarize(name, metric, values, runs.baseline)
        for metric in runs.metrics
        for name in values
        if any(metric in measured for measured in values[name].values())
    ]
    drawings = {"learning": partial(_draw_learning, runs), "differences": partial(_draw_differences, summaries, runs)}
    figures = save_figures(folder, drawings)
    write_atomically(folder / "report.json", (json.dumps(json_ready(summaries), indent=1) + "\n").encode())
    file = folder / "report.md"
    write_atomically(file, _markdown(title, summaries, runs, values, figures).encode())
    return file


def run_metrics(directory: Path) -> dict[str, float]:
    """The metrics of one run.

    Of training: every field of the last evaluation (`accuracy`, `semantic_entropy`, ...), `best_accuracy`,
    `reward` (mean of the last quarter of the steps), `reward_over_all_steps`, `completions` and `seconds` of all
    steps. Of an evaluation: `<set>/greedy`, `<set>/avg`, `<set>/maj@16` and the like, and `<set>/<estimator>/G=8/rmse`,
    `bias` and `rank_correlation` against the entropy of all samples.
    """
    if (directory / "results.json").is_file():
        return _evaluation_metrics(json.loads((directory / "results.json").read_text()))
    metrics, evaluations = (read_records(directory / f"{name}.jsonl") for name in ("metrics", "evaluations"))
    found = {name: value for name, value in evaluations[-1].items() if value is not None} if evaluations else {}
    found.pop("step", None)
    if evaluations:
        found["best_accuracy"] = max(record["accuracy"] or 0.0 for record in evaluations)
    if metrics:
        rewards = np.array([record["reward"] for record in metrics], dtype=np.float64)
        found["reward"] = float(rewards[-max(1, round(LAST_SHARE * len(rewards))) :].mean())
        found["reward_over_all_steps"] = float(rewards.mean())
        found["completions"] = float(sum(record["sampled_completions"] for record in metrics))
    found = {name: value for name, value in found.items() if math.isfinite(value)}
    found["seconds"] = float(sum(record.get("total", 0.0) for record in read_records(directory / "timings.jsonl")))
    return found


def summarize(
    name: str, metric: str, values: Mapping[str, Mapping[int, Mapping[str, float]]], baseline: str | None
) -> Summary:
    """Summary of one metric of one configuration.

    Args:
        values: metrics by configuration and seed.
        baseline: the configuration that the differences are to.
    """
    own = {seed: measured[metric] for seed, measured in sorted(values[name].items()) if metric in measured}
    pairs, difference, p_value = 0, None, math.nan
    if baseline is not None and name != baseline:
        theirs = {seed: each[metric] for seed, each in values.get(baseline, {}).items() if metric in each}
        gaps = np.array([own[seed] - theirs[seed] for seed in own if seed in theirs])
        pairs, difference, p_value = len(gaps), mean_interval(gaps), sign_flip_p(gaps)
    mean = mean_interval(list(own.values()))
    return Summary(name, metric, tuple(own), tuple(own.values()), mean, pairs, difference, p_value)


def sign_flip_p(differences: np.ndarray) -> float:
    """Two-sided p-value of a mean of zero: the share of all 2^n ways to flip the signs of n paired differences that
    give a mean at least as far from zero (R. A. Fisher, The Design of Experiments, 1935, section 21). nan unless n is
    1 to 16."""
    n = len(differences)
    if not 0 < n <= 16:
        return math.nan
    flips = np.array(list(product((1.0, -1.0), repeat=n)))
    sums = np.abs(flips @ differences)
    return float(np.mean(sums >= abs(differences.sum()) * (1 - 1e-12)))


def _evaluation_metrics(results: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float | None] = {}
    for part in results["accuracy"]["parts"]:
        if part["by"] == "all":
            found |= {f"{part['source']}/{name}": each["value"] for name, each in part["metrics"].items()}
    for source, by_size in results["monte_carlo"].items():
        for each in by_size:
            for kind in ("bias", "rmse", "rank_correlation"):
                found[f"{source}/{each['estimator']}/G={each['size']}/{kind}"] = each[kind]
    return {name: value for name, value in found.items() if value is not None}


def _markdown(
    title: str,
    summaries: Sequence[Summary],
    runs: Runs,
    values: Mapping[str, Mapping[int, Mapping[str, float]]],
    figures: Sequence[Path],
) -> str:
    lines = [f"# {escaped(title)}", ""]
    missing = [metric for metric in runs.metrics if all(each.metric != metric for each in summaries)]
    if missing:
        lines += [f"No run has {', '.join(map(escaped, missing))}.", ""]
    if runs.baseline is None:
        rows = [
            [f"`{each.metric}`", str(len(each.seeds)), _interval(each.mean), _listed(each.values)] for each in summaries
        ]
        lines += table(["metric", "seeds", "mean", "by seed"], rows)
    else:
        lines += _comparison(summaries, runs.baseline)
    spent = [measured.get("seconds", 0.0) for by_seed in values.values() for measured in by_seed.values()]
    lines += [
        "95% intervals over seeds by Student's t; differences are taken seed by seed; p by flipping their signs. "
        f"{len(spent)} runs, {sum(spent) / 60:.0f} minutes of steps in all ({np.mean(spent or [0]):.0f} s a run).",
        "",
        *(f"![{figure.stem}]({figure.name})" for figure in figures),
    ]
    return "\n".join(lines) + "\n"


def _comparison(summaries: Sequence[Summary], baseline: str) -> list[str]:
    """A table for each metric."""
    lines = []
    for metric in dict.fromkeys(each.metric for each in summaries):
        rows = [
            [
                escaped(each.configuration), str(len(each.seeds)), _interval(each.mean),
                "(baseline)" if each.difference is None else _interval(each.difference),
                str(each.pairs), number(each.p_value), _listed(each.values),
            ]
            for each in summaries
            if each.metric == metric
        ]  # fmt: skip
        columns = ["configuration", "seeds", "mean", f"minus {escaped(baseline)}", "pairs", "p", "by seed"]
        lines += [f"## {escaped(metric)}", "", *table(columns, rows)]
    return lines


def _listed(values: Sequence[float]) -> str:
    return " ".join(f"{value:.3f}" for value in values)


def _interval(interval: Interval) -> str:
    return f"{number(interval.value)} [{number(interval.low)}, {number(interval.high)}]"


def _draw_learning(runs: Runs, axes: Axes) -> bool:
    """Reward by step, mean over seeds."""
    for i, (name, by_seed) in enumerate(runs.directories.items()):
        rewards = [[r["reward"] for r in read_records(d / "metrics.jsonl")] for d in by_seed.values()]
        shortest = min((len(each) for each in rewards), default=0)
        if not shortest:
            continue
        mean = np.array([each[:shortest] for each in rewards], dtype=np.float64).mean(axis=0)
        window = max(1, len(mean) // 10) // 2 * 2 + 1
        colour, style = STAGE_COLOURS[i % len(STAGE_COLOURS)], "-" if i < len(STAGE_COLOURS) else "--"
        axes.plot(np.arange(1, len(mean) + 1), smooth(mean, window), style, color=colour, label=name)
    axes.set(title="Mean reward over seeds (moving average)", xlabel="optimiser step", ylabel="share right")
    if axes.lines:
        axes.legend(fontsize=7)
    return bool(axes.lines)


def _draw_differences(summaries: Sequence[Summary], runs: Runs, axes: Axes) -> bool:
    """Draws the differences of the first metric."""
    compared = [each for each in summaries if each.difference is not None and each.metric == runs.metrics[0]]
    for place, each in enumerate(reversed(compared)):
        assert each.difference is not None
        value, low, high = each.difference
        bars = np.nan_to_num([[value - low], [high - value]])
        axes.errorbar(value, place, xerr=bars, fmt="o", capsize=3, color=STAGE_COLOURS[0])
    axes.axvline(0, color="black", linewidth=1)
    axes.set_yticks(range(len(compared)), [each.configuration for each in reversed(compared)])
    axes.set(title=f"{runs.metrics[0]}: difference from {runs.baseline} (95% over seeds)", xlabel="difference")
    return bool(compared)
