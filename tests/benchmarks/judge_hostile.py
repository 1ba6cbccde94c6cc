"""Part of the judge's benchmark: what answers made to hang, crash or be executed cost.

Consumes `grader_hostile.jsonl`; prints verdict and time of each text, the memory that this process and the bounded
process took, and whether anything was executed. It runs in an empty folder, so that planted code leaves its mark there.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.tables import heading, progress, records, show, show_list
from seed_grpo.config.sections import VerifierConfig
from seed_grpo.errors import SeedGrpoError
from seed_grpo.messages import Judgement
from seed_grpo.verify.judge import Judge
from seed_grpo.verify.math.parse import Parsed

LIMIT_SECONDS = 1.0
SAMPLE_SECONDS = 0.01


class Case(NamedTuple):
    """Outcome of one hostile text."""

    record: dict[str, Any]
    bare: Judgement
    bare_seconds: float
    boxed: Judgement
    boxed_seconds: float
    """seconds for the same text as a completion, in a box"""
    comparison_seconds: float
    """seconds for comparing it with the reference, as partitioning would"""

    @property
    def slowest(self) -> float:
        """Seconds of the longest of the three."""
        return max(self.bare_seconds, self.boxed_seconds, self.comparison_seconds)


class ChildrenMemory(threading.Thread):
    """Looks every few milliseconds for the peak memory of any process below this one.

    What the kernel has noted of those that ended in between is added at the end; it misses only processes whose parent
    was killed before them.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._peak_mib = 0.0
        self._ended = threading.Event()

    def run(self) -> None:
        """Until `end`."""
        while not self._ended.wait(SAMPLE_SECONDS):
            self._look("self")

    def end(self) -> float:
        """Stops looking; the largest peak of one process in MiB."""
        self._ended.set()
        self.join()
        return max(self._peak_mib, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)

    def _look(self, process: str) -> None:
        try:
            for task in Path(f"/proc/{process}/task").iterdir():
                for child in (task / "children").read_text().split():
                    self._peak_mib = max(self._peak_mib, _status_mib(child, "VmHWM"))
                    self._look(child)
        except (FileNotFoundError, ProcessLookupError):  # one that has just ended
            return


def hostile(data: Path) -> None:
    """All hostile texts, one after the other, on one judge."""
    heading("Hostile answers: grader_hostile.jsonl")
    rows = records(data / "grader_hostile.jsonl")
    with tempfile.TemporaryDirectory() as folder:
        before = Path.cwd()
        os.chdir(folder)
        _run(rows, Path(folder))
        os.chdir(before)


def _run(rows: Sequence[dict[str, Any]], folder: Path) -> None:
    config = VerifierConfig()
    judge = Judge(config)
    memory = ChildrenMemory()
    memory.start()
    _serves(judge)  # so that libraries are loaded and the bounded process is up, as in a run
    own = _status_mib("self", "VmRSS")
    cases = [_case(judge, record) for record in progress(rows, "texts")]
    grown = _status_mib("self", "VmHWM") - own
    serves = _serves(judge)
    judge.close()
    child = memory.end()
    _show_cases(cases)
    planted = sorted(path.name for path in folder.iterdir())
    facts = [
        (f"verdicts that took over {LIMIT_SECONDS:g} s", sum(case.slowest > LIMIT_SECONDS for case in cases)),
        ("slowest verdict, s", f"{max(case.slowest for case in cases):.3f}"),
        ("this process: resident before, MiB", f"{own:.0f}"),
        ("this process: peak above that, MiB", f"{grown:.0f}"),
        ("bounded process: peak resident, MiB", f"{child:.0f}"),
        ("bounded process: bound on its address space, MiB", config.memory_mib),
        ("left in the working directory by planted code", ", ".join(planted) or "nothing"),
        *((f"afterwards, {pair}", verdict) for pair, verdict in serves),
    ]
    show("Bounds", ("what", "found"), facts)


def _show_cases(cases: Sequence[Case]) -> None:
    table = [
        (
            case.record["id"],
            case.record["cat"],
            case.record["name"],
            case.bare.verdict,
            f"{case.bare_seconds:.3f}",
            case.boxed.verdict,
            f"{case.boxed_seconds:.3f}",
            f"{case.comparison_seconds:.3f}",
            case.bare.rule,
        )
        for case in cases
    ]
    columns = ("id", "kind", "text", "bare", "s", "in a box", "s", "compared s", "rule")
    show_list("Texts", columns, table, 40)
    slowest = sorted(range(len(cases)), key=lambda index: -cases[index].slowest)[:10]
    show_list("The slowest", columns, [table[index] for index in slowest], 40)
    counts = Counter(case.bare.verdict for case in cases)
    show("Verdicts on the bare texts", ("verdict", "texts"), sorted(counts.items()))


def _case(judge: Judge, record: dict[str, Any]) -> Case:
    text = "".join(part if isinstance(part, str) else part[0] * part[1] for part in record["parts"])
    gold = _gold(record["gold"])
    started = time.monotonic()
    boxed = judge.judge([rf"\boxed{{{text}}}"], [gold])[0].judgement
    boxed_at = time.monotonic()
    bare = judge.judge_answers([text], [gold])[0].judgement
    bare_at = time.monotonic()
    forms = [judged.form for judged in judge.judge_answers([text, gold], [gold])]
    return Case(record, bare, bare_at - boxed_at, boxed, boxed_at - started, _compare(judge, forms))


def _compare(judge: Judge, forms: Sequence[Parsed | None]) -> float:
    """Seconds of the longer of the two comparisons, one in each order, that partitioning may ask for."""
    first, second = forms
    longest = 0.0
    if first is None or second is None:
        return longest
    for pair in ((first, second), (second, first)):
        started = time.monotonic()
        with contextlib.suppress(SeedGrpoError):  # a bound, which in a partition leaves two classes
            judge.same(*pair)
        longest = max(longest, time.monotonic() - started)
    return longest


def _gold(written: str) -> str:
    """The reference; `@ab*3` stands for `ababab`."""
    repeated = re.fullmatch(r"@(.*)\*(\d+)", written, re.S)
    return repeated[1] * int(repeated[2]) if repeated else written


def _serves(judge: Judge) -> list[tuple[str, str]]:
    """Verdicts of the judge on two easy pairs."""
    pairs = ((r"\frac{1}{2}", "0.5"), (r"\int_0^1 2x\,dx", "1"))
    return [(f"{one} = {other}", judge.judge_answers([one], [other])[0].judgement.verdict) for one, other in pairs]


def _status_mib(process: str, field: str) -> float:
    """A figure of a process' memory: VmRSS is what is resident, VmHWM the most that ever was."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return 0.0  # of a process that has ended and is not yet waited for
