"""Sampled completions of a step, for a tracker's table.

Consumes rows of `rollout_table.rollout_rows`; produces lines of `tracker.COLUMNS`, whose texts are bounded.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from seed_grpo.records.trackers.tracker import Row

TEXT_CHARS = 4000
"""characters of a text; of a longer one its beginning and its end are kept"""


def choose(step: int, rows: Sequence[Mapping[str, Any]], number: int) -> list[Row]:
    """Lines of completions drawn from all of a step, the same ones whenever the step comes."""
    chosen = random.Random(step).sample(range(len(rows)), min(number, len(rows)))
    return [_line(rows[place]) for place in sorted(chosen)]


def _line(row: Mapping[str, Any]) -> Row:
    return [bounded(row["prompt"]), bounded(row["text"]), row["reward"], row["class_id"], row["verdict"]]


def bounded(text: str) -> str:
    """A text of `TEXT_CHARS` characters at most and a note on the rest; what is not Unicode gets question marks."""
    sound = text.encode("utf-8", "replace").decode("utf-8")
    half = TEXT_CHARS // 2
    if len(sound) <= TEXT_CHARS:
        return sound
    return f"{sound[:half]} [... {len(sound) - 2 * half:,} characters ...] {sound[-half:]}"
