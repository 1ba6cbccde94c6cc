"""Files of an evaluation's results: `results.md`, its figures, and `results.json`.

Consumes `Results`; produces these files. It computes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from seed_grpo.evaluate.metrics import pass_at_k, uncertainty
from seed_grpo.evaluate.metrics.early_stopping import Curve
from seed_grpo.evaluate.metrics.sample_size import SizeResult
from seed_grpo.evaluate.reports.figures import write_figures
from seed_grpo.evaluate.reports.formatting import escaped, json_ready, number, table
from seed_grpo.evaluate.reports.results import FIRST, Results
from seed_grpo.records.files import write_atomically


def write_results(folder: Path, results: Results) -> Path:
    """Writes the page, the figures, and last `results.json`, which vouches for the rest; returns the page's file."""
    figures = write_figures(folder / "figures", results)
    file = folder / "results.md"
    write_atomically(file, markdown(results, [figure.relative_to(folder) for figure in figures]).encode())
    whole = json.dumps(json_ready(results), indent=1) + "\n"
    write_atomically(folder / "results.json", whole.encode())
    return file


def markdown(results: Results, figures: Sequence[Path] = ()) -> str:
    """The page of all parts."""
    lines = ["# Results", "", *(f"- {note.text}" for note in results.notes), "", "## Accuracy", ""]
    lines += [pass_at_k.markdown(results.accuracy), "## Uncertainty", "", uncertainty.markdown(results.uncertainty)]
    for source, found in results.adaptive.items():
        lines += [f"## Fewer samples where the answers agree: {escaped(source)}", "", *_adaptive_lines(found)]
    for source, sizes in results.monte_carlo.items():
        lines += [f"## Entropy by number of samples: {escaped(source)}", "", *_monte_carlo_lines(sizes)]
    lines += [f"![{figure.stem}]({figure})" for figure in figures]
    return "\n".join(lines) + "\n"


def _adaptive_lines(found: Curve) -> list[str]:
    rows = []
    shown = {*pass_at_k.sizes(int(found.fixed[-1].samples)), FIRST}
    for point, same in zip(found.fixed, found.matched, strict=True):
        if point.samples not in shown:
            continue
        rows.append(
            [
                f"{point.samples:.0f}",
                number(point.accuracy),
                "-" if same is None else f"{same.threshold:.2f}",
                "-" if same is None else number(same.accuracy),
                "-" if same is None else f"{same.samples:.1f}",
                "-" if same is None else f"{same.samples / point.samples:.0%}",
            ]
        )
    columns = ["answers, fixed", "accuracy", "threshold, nats", "accuracy", "answers, adaptive", "of the fixed"]
    return [
        "Accuracy of the majority of so many answers, and what the rule that goes on while the semantic entropy "
        f"exceeds a threshold gives and spends ({found.problems} problems, replayed in random orders; the threshold "
        "for as much accuracy, to half a point, at the least cost is chosen on one half of the problems and tried on "
        "the other):",
        "",
        *table(columns, rows),
    ]


def _monte_carlo_lines(by_size: Sequence[SizeResult]) -> list[str]:
    rows = [
        [f"`{each.estimator}`", str(each.size), number(each.truth), number(each.bias), number(each.rmse),
         number(each.rank_correlation)]
        for each in by_size
    ]  # fmt: skip
    columns = ["estimator", "G", "of all samples, nats", "bias", "RMSE", "rank correlation"]
    return [f"Against all samples of the same {by_size[0].problems} problems:", "", *table(columns, rows)]
