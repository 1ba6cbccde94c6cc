"""`seed-grpo report`: one HTML page of a run."""

from __future__ import annotations

from pathlib import Path

from seed_grpo.evaluate.reports.page import has_completions, write_report


def report(run: Path, out: Path | None) -> None:
    """Writes the page, and prints its path.

    Args:
        out: file to write; None for `report.html` in the run's directory.
    """
    print(f"the report is in {write_report(run, out)}")
    if not has_completions(run):
        print("it shows no completions: the run has made neither a step nor an evaluation yet")
