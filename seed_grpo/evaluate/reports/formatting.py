"""A metric with its interval, and how reports show such metrics: as JSON and in Markdown tables.

Consumes numbers and names (of sets, levels, subjects: text from data files, which is escaped). It measures nothing.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any


@dataclass(frozen=True)
class Measured:
    """A metric with its interval, e.g. `Measured(0.5, 0.3, 0.7, 20)`: the mean of 20 problems."""

    value: float
    low: float
    high: float
    problems: int
    """number of problems behind the value"""


def json_ready(value: Any) -> Any:
    """The value with dataclasses and mappings as objects, tuples as arrays, and null for what is not finite."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {str(key): json_ready(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table whose first column is text and whose others are numbers."""
    rule = ["---", *["---:"] * (len(columns) - 1)]
    return ["| " + " | ".join(cells) + " |" for cells in [columns, rule, *rows]] + [""]


def escaped(text: str) -> str:
    """Text as one line of at most 80 characters that Markdown and a terminal show as it is."""
    line = printable(" ".join(text.split()))[:80]
    return re.sub(r"([\\`*_{}\[\]()#+!|<>&~$])", r"\\\1", line)


def printable(text: str) -> str:
    """Text in which control characters that a terminal would obey, all but line ends, are question marks."""
    return "".join(c if c == "\n" or unicodedata.category(c)[0] != "C" else "?" for c in text)


def number(value: float) -> str:
    """Three decimals, or - for nan."""
    return "-" if math.isnan(value) else f"{value:.3f}"


def percent(metric: Measured | None, of: int) -> str:
    """A share with its interval, and the number of problems behind it if that is not `of`; - if there is none."""
    if metric is None or math.isnan(metric.value):
        return "-"
    interval = "" if math.isnan(metric.low) else f" [{100 * metric.low:.1f}, {100 * metric.high:.1f}]"
    return f"{100 * metric.value:.1f}%{interval}" + ("" if metric.problems == of else f" ({metric.problems})")
