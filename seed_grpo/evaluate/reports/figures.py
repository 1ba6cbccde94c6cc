"""The figures of an evaluation: accuracy by k, risk against coverage, reliability, accuracy against samples spent.

Consumes computed results; produces PNGs. It computes nothing; a figure that has nothing to show is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from seed_grpo.evaluate.reports.plots import GREY, STAGE_COLOURS, save_figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from seed_grpo.evaluate.reports.results import Results

CURVES = (
    "semantic_entropy/paper/mean", "semantic_entropy/shannon/counts", "minority_share", "token_entropy", "num_tokens",
)  # fmt: skip
"""estimators whose risk is drawn"""


def write_figures(folder: Path, results: Results) -> list[Path]:
    """Draws every figure for which there is something, and returns the files."""
    return save_figures(folder, {name: partial(draw, results) for name, draw in FIGURES.items()})


def _draw_accuracy(results: Results, axes: Axes) -> bool:
    wholes = [part for part in results.accuracy.parts if part.by == "all"]
    for colour, part in zip(cycle(STAGE_COLOURS), wholes, strict=False):
        for kind, style in (("pass", "--"), ("maj", "-")):
            points = [(int(name.split("@")[1]), m) for name, m in part.metrics.items() if name.startswith(f"{kind}@")]
            if points:
                ks, measured = zip(*points, strict=True)
                label = f"{part.source}, {kind}@k"
                axes.plot(ks, [m.value for m in measured], style, color=colour, marker="o", label=label)
                low, high = ([getattr(m, end) for m in measured] for end in ("low", "high"))
                axes.fill_between(ks, low, high, color=colour, alpha=0.12, linewidth=0)
    axes.set_xscale("log", base=2)
    axes.set(title="Accuracy by number of samples", xlabel="k", ylabel="share of problems", ylim=(-0.02, 1.02))
    axes.legend()
    return bool(axes.lines)


def _draw_risk(results: Results, axes: Axes) -> bool:
    for source, style in zip(results.uncertainty.sources, cycle(("-", "--", ":", "-.")), strict=False):
        for colour, name in zip(cycle(STAGE_COLOURS), CURVES, strict=False):
            if name in source.majority:
                drawn = source.majority[name].curve
                axes.plot(drawn.coverage, drawn.risk, style, color=colour, label=f"{source.source}, {name}")
    axes.set(title="Risk of the majority answer, the most certain problems first", ylim=(0, None))
    axes.set(xlabel="coverage (share of problems answered)", ylabel="share of wrong answers")
    axes.legend(fontsize=7)
    return bool(axes.lines)


def _draw_reliability(results: Results, axes: Axes) -> bool:
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, label="calibrated")
    for colour, source in zip(cycle(STAGE_COLOURS), results.uncertainty.sources, strict=False):
        full = [each for each in source.calibration.bins if each.problems]
        label = f"{source.source}, ECE {source.calibration.ece:.3f}"
        axes.plot([b.confidence for b in full], [b.accuracy for b in full], "o-", color=colour, label=label)
    axes.set(title="The majority's share as its probability to be right", xlim=(0, 1), ylim=(0, 1.02))
    axes.set(xlabel="share of the completions that give the majority answer", ylabel="share of right majority answers")
    axes.legend()
    return bool(results.uncertainty.sources)


def _draw_adaptive(results: Results, axes: Axes) -> bool:
    if not results.adaptive:
        return False
    for colour, (source, found) in zip(cycle(STAGE_COLOURS), results.adaptive.items(), strict=False):
        ways = (found.fixed, "o--", "the same for all"), (found.adaptive, ".-", "while they disagree")
        for points, style, label in ways:
            ordered = sorted(points, key=lambda point: point.samples)
            spent, accuracy = [p.samples for p in ordered], [p.accuracy for p in ordered]
            axes.plot(spent, accuracy, style, color=colour, label=f"{source}, {label}")
    axes.set(title="Majority answers: accuracy against samples spent")
    axes.set(xlabel="answers drawn of a problem, mean", ylabel="share of right majority answers")
    axes.legend()
    return True


def _draw_monte_carlo(results: Results, axes: Axes) -> bool:
    if not results.monte_carlo:
        return False
    for style, (source, by_size) in zip(cycle(("-", "--", ":")), results.monte_carlo.items(), strict=False):
        names = dict.fromkeys(each.estimator for each in by_size)
        for colour, name in zip(cycle(STAGE_COLOURS), names, strict=False):
            points = [each for each in by_size if each.estimator == name]
            label = f"{source}, {name.removeprefix('semantic_entropy/')}"
            correlations = [each.rank_correlation for each in points]
            axes.plot([e.size for e in points], correlations, style, color=colour, marker="o", label=label)
    axes.set_xscale("log", base=2)
    axes.set(title="Semantic entropy of G samples against that of many more", xlabel="G")
    axes.set(ylabel="rank correlation over problems", ylim=(None, 1.01))
    axes.legend(fontsize=7)
    return True


FIGURES: dict[str, Callable[[Results, Axes], bool]] = {
    "accuracy": _draw_accuracy,
    "risk_coverage": _draw_risk,
    "reliability": _draw_reliability,
    "adaptive": _draw_adaptive,
    "monte_carlo": _draw_monte_carlo,
}
"""name of the file -> function that draws it; False where there is nothing to draw"""
