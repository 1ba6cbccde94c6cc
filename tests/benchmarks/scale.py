"""Part `scale`: how far one controller reaches, in engines and in groups a second.

The real controller, on Ray, over simulated workers (`scale_run`): what it takes of a core for a group, whether that and
its memory stay flat over the run, and where it would be the bottleneck. The recorder, which reads the payloads and
writes the rollout tables in the controller's process, is left out: it costs by the token, not by the engine.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers import started
from benchmarks.scale_run import COMPLETIONS, ENGINES_PER_VERIFIER, PROMPTS_PER_ENGINE, STEPS_AROUND, TENTHS
from benchmarks.tables import heading, progress, show


@dataclass(frozen=True)
class Case:
    """A number of engines, with what each of their completions may have of tokens."""

    engines: int
    tokens: int
    steps_per_tenth: int

    @property
    def steps(self) -> int:
        return TENTHS * self.steps_per_tenth + STEPS_AROUND

    @property
    def groups(self) -> int:
        return self.steps * self.engines * PROMPTS_PER_ENGINE


CASES = (Case(16, 16, 40), Case(64, 16, 11), Case(256, 16, 7), Case(64, 2000, 4))
"""1,003,520 completions within the tenths of all but the last, whose groups are large enough to go through the object
store rather than in Ray's messages; for a quick look, one step in a tenth will do"""
ENGINE_GROUPS_PER_SECOND = 2.0
"""assumed of a real engine: one H100 with groups of 8 x 2000 tokens, so 32,000 tokens a second"""


def scale(_data: Path) -> None:
    """A run for each case, then one table."""
    completions = sum(case.groups for case in CASES) * COMPLETIONS
    heading(f"One controller: {completions:,} completions in groups of {COMPLETIONS}, simulated workers")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for case in progress(CASES, "runs"):
            name = f"{case.engines}-{case.tokens}"
            sizes = {"engines": case.engines, "prompts": case.engines * PROMPTS_PER_ENGINE, "tokens": case.tokens}
            arguments = {"name": name, "directory": f"{folder}/{name}", "steps": case.steps, "groups_at_once": None}
            arguments |= sizes
            with started("scale_run", arguments, Path(folder), threads=1) as peer:
                rows.append(_row(case, [peer.reply() for _ in range(TENTHS)]))
    columns = (
        "engines", "verifier\nworkers", "tokens,\nmost", "groups", "groups\na second",
        "core s a\n1000 groups,\nfirst / last\ntenth", "in the main\nthread", "resident MiB at\n10 / 50 / 100 %",
        "object store,\nmost, MiB", "a core is full\nat groups a s", "which is\nengines",
    )  # fmt: skip
    show("The controller's process", columns, rows)
    print(
        f"engines: of {ENGINE_GROUPS_PER_SECOND:g} groups a second each, which one H100 makes of {COMPLETIONS} x 2000 "
        "tokens (assumed). Beyond that, several pipelines with a share of the engines each under one controller, or "
        "several groups in a call.\n"
    )


def _row(case: Case, tenths: Sequence[dict[str, Any]]) -> tuple[object, ...]:
    groups = sum(tenth["groups"] for tenth in tenths)
    core_seconds = sum(tenth["core_seconds"] for tenth in tenths)
    first, last = (f"{1000 * tenth['core_seconds'] / tenth['groups']:.2f}" for tenth in (tenths[0], tenths[-1]))
    resident = [f"{tenths[index]['resident']:.0f}" for index in (0, TENTHS // 2 - 1, -1)]
    full = groups / core_seconds
    return (
        case.engines,
        case.engines // ENGINES_PER_VERIFIER,
        case.tokens,
        case.groups,
        f"{groups / sum(tenth['seconds'] for tenth in tenths):.0f}",
        f"{first} / {last}",
        f"{sum(tenth['thread_seconds'] for tenth in tenths) / core_seconds:.0%}",
        " / ".join(resident),
        f"{max(tenth['store'] for tenth in tenths):.1f}",
        f"{full:.0f}",
        f"{full / ENGINE_GROUPS_PER_SECOND:.0f}",
    )
