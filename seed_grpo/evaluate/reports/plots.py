"""The pictures of a run: reward, semantic entropy, entropy against accuracy, scales, and where the time went.

Consumes the records of a run directory (metrics.jsonl, timings.jsonl, evaluations.jsonl, ledger/); produces PNGs in its
`plots/`. A picture whose records are not there is left out. It computes no metric of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seed_grpo.records.files import read_records
from seed_grpo.records.rollout_table import read_table, tables

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLE: dict[Any, Any] = {
    "figure.figsize": (8.0, 4.5),
    "font.size": 10,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "savefig.dpi": 150,
}
BLUE, ORANGE, GREEN, GREY = "#2f6db3", "#d9822b", "#3b8f5a", "#8a8a8a"
STAGE_COLOURS = (BLUE, ORANGE, GREEN, "#8e63a8", "#c0504d", "#4fa3b5", "#b5a13a")
MAX_POINTS = 4000
"""points of a scatter plot; more are thinned out evenly"""


class Records(NamedTuple):
    """Records of a run directory, read once."""

    metrics: list[dict[str, Any]]
    timings: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    ledger: dict[str, np.ndarray]
    """columns of the groups that were trained on: step, mean_reward, semantic_entropy, scale"""


def read_run(run_directory: Path) -> Records:
    """Reads the records of a run; those that are not there are empty.

    Raises:
        CheckpointError: a record was damaged from outside.
    """
    return Records(
        read_records(run_directory / "metrics.jsonl"),
        read_records(run_directory / "timings.jsonl"),
        read_records(run_directory / "evaluations.jsonl"),
        _read_ledger(run_directory / "ledger"),
    )


def write_plots(run_directory: Path) -> list[Path]:
    """Draws every picture for which there are records, and returns the files.

    Raises:
        CheckpointError: a record was damaged from outside.
    """
    records = read_run(run_directory)
    return save_figures(run_directory / "plots", {name: partial(draw, records) for name, draw in PLOTS.items()})


def save_figures(folder: Path, drawings: Mapping[str, Callable[[Axes], bool]]) -> list[Path]:
    """Draws figures of the house's style, and returns the files.

    Args:
        drawings: by name of the file; each says whether there was something to draw, else it is left out.
    """
    import matplotlib
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    files = []
    with matplotlib.rc_context(STYLE):
        for name, draw in drawings.items():
            figure = Figure(layout="constrained")
            if draw(figure.subplots()):
                files.append(folder / f"{name}.png")
                figure.savefig(files[-1])
    return files


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Centred moving average [N] over `window` values, an odd number; nan and what lies beyond the ends is left out."""
    kernel, there = np.ones(window), np.isfinite(values)
    sums = np.convolve(np.where(there, values, 0.0), kernel, mode="full")
    counts = np.convolve(there.astype(float), kernel, mode="full")
    middle = slice(window // 2, window // 2 + len(values))
    return np.divide(sums[middle], counts[middle], out=np.full(len(values), np.nan), where=counts[middle] > 0)


def _read_ledger(folder: Path) -> dict[str, np.ndarray]:
    import pyarrow as pa

    files = tables(folder)
    names = ("step", "mean_reward", "semantic_entropy", "scale")
    if not files:
        return {name: np.zeros(0) for name in names}
    filters = [("state", "==", "trained")]
    table = pa.concat_tables([read_table(file, names, filters) for file in files])
    return {name: np.array(table[name].to_pylist(), dtype=np.float64) for name in names}


def _column(records: list[dict[str, Any]], name: str) -> np.ndarray:
    """One value of every record; null and absent become nan."""
    return np.array([record.get(name) for record in records], dtype=np.float64)


def _curve(axes: Axes, records: list[dict[str, Any]], name: str, colour: str, label: str) -> None:
    """Raw points with a smoothed line over them, by step."""
    steps, values = _column(records, "step"), _column(records, name)
    window = max(1, len(steps) // 15) // 2 * 2 + 1
    axes.plot(steps, values, "o", color=colour, alpha=0.35, markersize=4, markeredgewidth=0, label=label)
    average = f"moving average of {window} steps" if window > 1 else None
    axes.plot(steps, smooth(values, window), color=colour, linewidth=2, label=average)


def _step_axis(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("optimiser step")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _evaluation_points(axes: Axes, evaluations: list[dict[str, Any]], name: str, label: str) -> None:
    measured = [record for record in evaluations if record.get(name) is not None]
    if not measured:
        return
    values = _column(measured, name)
    # a mean of one problem has no interval: its bar has no length
    ends = np.stack([_column(measured, f"{name}_{end}") for end in ("low", "high")])
    bars = np.nan_to_num(np.abs(ends - values))
    style: dict[str, Any] = {"fmt": "D", "color": ORANGE, "markersize": 6, "capsize": 4, "linewidth": 1.5, "zorder": 3}
    axes.errorbar(_column(measured, "step"), values, yerr=bars, label=label, **style)


def _learning(axes: Axes, records: Records, curve: tuple[str, str, str], points: tuple[str, str]) -> bool:
    """A metric of the steps (name, colour, label) with one of the evaluations (name, label), if there is anything."""
    if records.metrics:
        _curve(axes, records.metrics, *curve)
    _evaluation_points(axes, records.evaluations, *points)
    return bool(records.metrics or records.evaluations)


def _draw_reward(records: Records, axes: Axes) -> bool:
    curve = ("reward", BLUE, "sampled, training problems")
    if not _learning(axes, records, curve, ("accuracy", "greedy, held-out problems (95% interval)")):
        return False
    axes.set(title="Reward", ylabel="mean reward (share right)", ylim=(-0.02, 1.02))
    _step_axis(axes)
    axes.legend()
    return True


def _draw_semantic_entropy(records: Records, axes: Axes) -> bool:
    curve = ("semantic_entropy", GREEN, "training problems")
    if not _learning(axes, records, curve, ("semantic_entropy", "held-out problems (95% interval)")):
        return False
    axes.set(title="Semantic entropy of the policy's answers", ylabel="semantic entropy (nats)")
    axes.margins(y=0.1)
    axes.autoscale_view()
    axes.set_ylim(bottom=0)
    _step_axis(axes)
    axes.legend()
    return True


def _draw_entropy_against_accuracy(records: Records, axes: Axes) -> bool:
    from matplotlib.ticker import MaxNLocator

    ledger = records.ledger
    measured = np.isfinite(ledger["semantic_entropy"]) & np.isfinite(ledger["mean_reward"])
    steps, entropy, reward = (ledger[name][measured] for name in ("step", "semantic_entropy", "mean_reward"))
    if not len(entropy):
        return False
    thin = slice(None, None, -(-len(entropy) // MAX_POINTS))
    jitter = np.random.default_rng(0).uniform(-0.012, 0.012, len(entropy))  # rewards of a group are few distinct values
    points = axes.scatter(
        entropy[thin], (reward + jitter)[thin], c=steps[thin], s=9, alpha=0.45, linewidths=0, cmap="viridis"
    )
    _binned_mean(axes, entropy, reward)
    ticks = MaxNLocator(integer=True)
    bar = axes.get_figure().colorbar(points, ax=axes, label="optimiser step", ticks=ticks)  # type: ignore[union-attr]
    bar.solids.set_alpha(1.0)  # type: ignore[union-attr]
    axes.set(title="Semantic entropy against accuracy, by prompt group", xlabel="semantic entropy of a group (nats)")
    axes.set(ylabel="mean reward of the group", ylim=(-0.04, 1.04))
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0))
    return True


def _binned_mean(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Mean of y in up to ten intervals of x of equal width; those with fewer than five points are left out."""
    edges = np.linspace(x.min(), x.max(), 11)
    bins = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, 9)
    full = [b for b in range(10) if np.sum(bins == b) >= 5]
    means = [(x[bins == b].mean(), y[bins == b].mean()) for b in full]
    if len(means) > 1:
        axes.plot(*zip(*means, strict=True), color=ORANGE, linewidth=2, marker="o", label="mean of the groups")
    else:
        axes.plot(x.mean(), y.mean(), "o", color=ORANGE, label="mean of the groups")


def _draw_scales(records: Records, axes: Axes) -> bool:
    from matplotlib.ticker import MaxNLocator

    scale = records.ledger["scale"][np.isfinite(records.ledger["scale"])]
    if not len(scale):
        return False
    spread = np.ptp(scale) > 1e-9
    axes.hist(scale, bins=30 if spread else 1, color=BLUE, alpha=0.85)
    axes.axvline(scale.mean(), color=ORANGE, linewidth=2, label=f"mean {scale.mean():.4f}")
    axes.set(title="Scales of the advantages", xlabel="scale (factor)", ylabel="prompt groups")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="x", visible=False)
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.legend()
    return True


def _draw_time(records: Records, axes: Axes) -> bool:
    trained = [record for record in records.timings if "total" in record]
    if not trained:
        return False
    steps, total = _column(trained, "step"), np.nan_to_num(_column(trained, "total"))
    names = {name for record in trained for name in record if "/" not in name} - {"step", "total"}
    stages = {name: np.nan_to_num(_column(trained, name)) for name in names}
    stages["other"] = np.maximum(0.0, total - sum(stages.values()))
    bottom = np.zeros(len(steps))
    used = [name for name in stages if stages[name].any()]
    for i, name in enumerate(sorted(used, key=lambda name: (name == "other", -stages[name].sum()))):
        colour = GREY if name == "other" else STAGE_COLOURS[i % len(STAGE_COLOURS)]
        share = stages[name].sum() / total.sum() if total.sum() else 0.0
        label = f"{name.replace('_', ' ')} ({share:.0%})"
        axes.bar(steps, stages[name], bottom=bottom, width=1.0 if len(steps) > 40 else 0.8, color=colour, label=label)
        bottom += stages[name]
    axes.set(title="Where the time of a step goes", ylabel="wall-clock (s)")
    axes.grid(axis="x", visible=False)
    _step_axis(axes)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), reverse=True)
    return True


PLOTS: dict[str, Callable[[Records, Axes], bool]] = {
    "reward": _draw_reward,
    "semantic_entropy": _draw_semantic_entropy,
    "entropy_against_accuracy": _draw_entropy_against_accuracy,
    "scales": _draw_scales,
    "time_per_stage": _draw_time,
}
"""name of the file -> function that draws it; False where there is nothing to draw"""
