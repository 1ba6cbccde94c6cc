"""Part `elastic`: whether throughput follows when engines are added to a run and drained, and whether anything is lost.

The real controller, pools and `seed-grpo scale` over simulated engines (`scale_run`), each of which works on one group
at a time: two cores would show nothing of real ones. The run's process checks that every group was trained once.
"""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.peers import started
from benchmarks.scale_run import COMPLETIONS
from benchmarks.tables import heading, show
from seed_grpo.runtime.workers.scaling import request

SIZES = (1, 3, 1)
"""engines, one after the other"""
STEPS = 20
"""steps with each number of engines"""
PROMPTS = 24
"""prompts of a step"""


def elastic(_data: Path) -> None:
    """One run, and what each of its sizes gave."""
    heading(f"Engines {' -> '.join(map(str, SIZES))} in one run, {PROMPTS} groups of {COMPLETIONS} a step")
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"engines": SIZES[0], "prompts": PROMPTS, "tokens": 16, "steps": STEPS * len(SIZES)}
        directory = Path(folder, "run")
        arguments = {"name": "elastic", "directory": str(directory), "groups_at_once": 1, **sizes}
        steps: list[dict[str, Any]] = []
        with started("scale_run", arguments, Path(folder), threads=1) as peer:
            for number in range(1, STEPS * len(SIZES) + 1):
                steps.append(peer.reply())
                size, within = divmod(number, STEPS)
                if not within and size < len(SIZES):
                    request(directory, {"rollout": SIZES[size]})
            trained = peer.reply()["trained"]
    rows = [_row(size, steps[i * STEPS : (i + 1) * STEPS]) for i, size in enumerate(SIZES)]
    show("Throughput", ("engines", "steps with all of them", "groups a second, median", "of one engine"), [
        (*row, f"{row[2] / rows[0][2]:.2f}") for row in rows
    ])  # fmt: skip
    print(f"{trained} groups trained, each once; none lost, none dropped.\n")


def _row(engines: int, steps: list[dict[str, Any]]) -> tuple[int, int, float]:
    """Figures of the steps that began and ended with so many engines."""
    rates = [
        now["groups"] / (now["at"] - before["at"])
        for before, now in pairwise(steps)
        if before["engines"] == now["engines"] == engines
    ]
    return engines, len(rates), round(median(rates), 1)
