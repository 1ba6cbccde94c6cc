"""Console of a run: a live line in a terminal, one line a step in a log, and the table at the end.

Consumes metrics and events; writes to one stream. In a terminal the progress line is redrawn in place, with events
above it. Anywhere else (a log file, a Ray job) every step is a line of its own, and fast steps are left out so that
there is one every few seconds. It computes no metric and writes no file.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from rich import box
from rich import console as rich_console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from seed_grpo.errors import SeedGrpoError
from seed_grpo.evaluate.metrics.intervals import EvaluationResult
from seed_grpo.evaluate.reports.formatting import printable

LOG_WIDTH = 110
RATE_STEPS = 20
"""steps over which the time left is estimated"""


@dataclass(frozen=True)
class Report:
    """Numbers of the final table."""

    before: EvaluationResult | None
    after: EvaluationResult | None
    steps: int
    """steps made by this process"""
    samples: float
    """completions sampled in these steps"""
    tokens: float
    """completion tokens in these steps"""
    step_seconds: float
    """wall-clock of these steps, which the rates are over"""
    seconds: Mapping[str, float]
    """wall-clock of this process by stage, with `total`"""
    directory: Path


class Console:
    """The only writer to a run's terminal. As a context manager it takes down the live line at the end."""

    def __init__(
        self,
        total_steps: int,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        log_interval: float = 2.0,
    ) -> None:
        """Shows nothing until the first event.

        Args:
            total_steps: of the whole run.
            stream: standard output by default.
            clock: seconds; tests hand in their own.
            log_interval: outside a terminal, seconds between two step lines at the least.
        """
        stream = stream or sys.stdout
        width = None if stream.isatty() else LOG_WIDTH
        self._rich = rich_console.Console(file=stream, width=width, highlight=False)
        self._live: Live | None = None
        self._total = total_steps
        self._clock = clock
        self._log_interval = log_interval
        self._last_line = -math.inf
        self._ends: deque[float] = deque(maxlen=RATE_STEPS + 1)

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Takes down the live line, leaving its last state."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def log(self, message: str) -> None:
        """Prints an event as a line of its own, without control characters that a terminal would obey."""
        self._rich.print(Text(printable(message)), soft_wrap=True)

    @contextmanager
    def waiting(self, what: str, every: float = 5.0) -> Iterator[None]:
        """Prints every so often what is waited for, until the block ends.

        Args:
            what: completes "waiting for ...", e.g. "Ray to start".
            every: seconds.
        """
        started, done = self._clock(), threading.Event()

        def speak() -> None:
            while not done.wait(every):
                self.log(f"waiting for {what}, {self._clock() - started:.0f} s")

        speaker = threading.Thread(target=speak, name=f"waiting for {what}", daemon=True)
        speaker.start()
        try:
            yield
        finally:
            done.set()
            speaker.join()

    def begin_steps(self) -> None:
        """Marks the time at which the first step of this process begins."""
        self._ends.clear()
        self._ends.append(self._clock())

    def step(self, step: int, metrics: Mapping[str, float], seconds: Mapping[str, float]) -> None:
        """Shows a step that has ended.

        Args:
            step: its number, from 1.
            metrics: as in `group_metrics`: reward, semantic_entropy, scale_mean, completion_tokens.
            seconds: with `total`, of the whole step.
        """
        now = self._clock()
        self._ends.append(now)
        line = Text(self._line(step, metrics, seconds))
        if self._rich.is_terminal:
            if self._live is None:
                self._live = Live(console=self._rich, auto_refresh=False)
                self._live.start()
            self._live.update(line, refresh=True)
        elif now - self._last_line >= self._log_interval or step == self._total:
            self._last_line = now
            self._rich.print(line, soft_wrap=True)

    def report(self, report: Report) -> None:
        """Prints the table at the end."""
        self.close()
        self._rich.print(_report_table(report))
        self.log(f"run directory: {report.directory}")

    def _line(self, step: int, metrics: Mapping[str, float], seconds: Mapping[str, float]) -> str:
        width = len(str(self._total))
        rate = metrics["completion_tokens"] / seconds["total"] if seconds["total"] else math.nan
        return (
            f"step {step:>{width}}/{self._total}  reward {metrics['reward']:.3f}  "
            f"semantic entropy {metrics['semantic_entropy']:.3f}  scale {metrics['scale_mean']:.4f}  "
            f"{rate:,.0f} tokens/s  {self._time_left(step)}"
        )

    def _time_left(self, step: int) -> str:
        if step >= self._total:
            return "done"
        if len(self._ends) < 2:
            return "time left unknown"
        per_step = (self._ends[-1] - self._ends[0]) / (len(self._ends) - 1)
        return f"{format_duration(per_step * (self._total - step))} left"


def format_duration(seconds: float) -> str:
    """Hours, minutes and seconds for people: `47 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def stage_seconds(seconds: Mapping[str, float]) -> dict[str, float]:
    """The stages that do not overlap, largest first, and as `other` what they leave of `total`."""
    stages = {name: value for name, value in seconds.items() if name != "total" and "/" not in name}
    stages["other"] = max(0.0, seconds["total"] - sum(stages.values()))
    return dict(sorted(stages.items(), key=lambda item: -item[1]))


def _report_table(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, title=f"{report.steps} steps", title_justify="left")
    for name, justify in (("", "left"), ("before", "right"), ("after", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    table.add_row("greedy accuracy", _accuracy(report.before), _accuracy(report.after))
    table.add_row("  problems", _number(report.before, "num_problems"), _number(report.after, "num_problems"))
    table.add_row("mean semantic entropy (nats)", _entropy(report.before), _entropy(report.after))
    problems = "num_entropy_problems"
    table.add_row("  problems", _number(report.before, problems), _number(report.after, problems), end_section=True)
    steps, total = report.step_seconds, report.seconds["total"]
    table.add_row("samples/s", "", f"{report.samples / steps:,.1f}" if steps else "-")
    table.add_row("completion tokens/s", "", f"{report.tokens / steps:,.0f}" if steps else "-")
    table.add_row("time", "", format_duration(total), end_section=True)
    for stage, seconds in stage_seconds(report.seconds).items():
        table.add_row(f"  {stage.replace('_', ' ')}", "", f"{seconds / total:.1%}" if total else "-")
    return table


def _accuracy(result: EvaluationResult | None) -> str:
    if result is None:
        return "-"
    return f"{result.accuracy:.1%} [{result.accuracy_low:.1%}, {result.accuracy_high:.1%}]"


def _entropy(result: EvaluationResult | None) -> str:
    if result is None or not result.num_entropy_problems:
        return "-"
    return f"{result.semantic_entropy:.3f} [{result.semantic_entropy_low:.3f}, {result.semantic_entropy_high:.3f}]"


def _number(result: EvaluationResult | None, field: str) -> str:
    return "-" if result is None else f"{getattr(result, field):g}"


INDENT = " " * 9
"""indent of a check's further lines"""


class Page:
    """Page of findings, printed line by line as they are found."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self.well = True

    def check(self, name: str, section: Callable[..., str], *arguments: Any) -> bool:
        """Prints the finding of a section, further lines indented below it; or its error, which is not raised. Returns
        whether there was none."""
        try:
            text = section(*arguments)
        except SeedGrpoError as error:
            self.fault(name, error)
            return False
        self._log(f"  ok     {name:<12} {text}".replace("\n", f"\n{INDENT}"))
        return True

    def fault(self, name: str, error: SeedGrpoError) -> None:
        """Prints a fault."""
        self.well = False
        self._log(f"  FAULT  {name:<12} {error}")
