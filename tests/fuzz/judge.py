"""Fuzzes the judge: `.venv/bin/python tests/fuzz --minutes 10 [--seed N]`.

Consumes the answers of the data folder; prints progress every ten seconds, at the end a table and every finding, and
exits with 1 if there are any. A finding is an exception, a fault of ours, a verdict that takes over a second (twice, as
other programs run too), one that depends on the order or the layout of the texts, or memory beyond the bounds.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.tables import default_data, heading, records, short, show, show_list
from fuzz.answers import LONGEST, AnswerMaker, Pair
from seed_grpo.config.sections import VerifierConfig
from seed_grpo.messages import Judgement, Verdict
from seed_grpo.verify.judge import Judge

LIMIT_SECONDS = 1.0
GROWTH_MIB = 300
"""MiB that this process may grow by, all the memories of the judge full"""
LOG_EVERY_SECONDS = 10.0
SHOWN_OF_A_KIND = 3
MINIMISING_SECONDS = 10.0
DECIDED = (Verdict.CORRECT, Verdict.INCORRECT)


class Finding(NamedTuple):
    """A fault of one pair."""

    check: str
    answer: str
    reference: str
    saw: str
    """mark of the kind; two findings of a check with equal marks are of one kind"""


@dataclass
class Tally:
    """Faults seen so far."""

    cases: int = 0
    slowest: float = 0.0
    slowest_pair: tuple[str, str] = ("", "")
    verdicts: Counter[str] = field(default_factory=Counter)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)


class LastFault(logging.Handler):
    """Remembers where the last exception that the judge logged came from, instead of printing it."""

    where = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging."""
        if record.exc_info and record.exc_info[2]:
            frame = traceback.extract_tb(record.exc_info[2])[-1]
            self.where = f"{record.exc_info[0].__name__} at {Path(frame.filename).name}:{frame.lineno} {frame.name}"


class Fuzzer:
    """Checks one pair after the other on one judge."""

    def __init__(self) -> None:
        self._judge = Judge(VerifierConfig())
        self._fault = LastFault()
        logger = logging.getLogger("seed_grpo.verify.judge")
        logger.addHandler(self._fault)
        logger.propagate = False
        self._says(r"\int_0^1 2x\,dx", "1")  # the bounded process is up
        self.tally = Tally()

    def check(self, pair: Pair) -> list[Finding]:
        """The findings of all checks on one pair."""
        return [finding for check in CHECKS for finding in check(self, pair.answer, pair.reference)]

    def verdict(self, answer: str, reference: str) -> tuple[Judgement, float]:
        """The verdict of the judge, nothing remembered, and the seconds it took."""
        self._judge.parsed.clear()
        self._judge.decided.clear()
        self._fault.where = ""
        started = time.monotonic()
        judgement = self._says(answer, reference)
        return judgement, time.monotonic() - started

    def fault(self, judgement: Judgement) -> str:
        """The fault of ours behind a verdict, or nothing."""
        if judgement.verdict is not Verdict.VERIFIER_ERROR:
            return ""
        return self._fault.where or ("" if "no reference" in judgement.rule else judgement.rule)

    def boxed(self, text: str, reference: str) -> Judgement:
        """The verdict on a completion with the answer in a box."""
        return self._judge.judge([rf"So $\boxed{{{text}}}$."], [reference])[0].judgement

    def serves(self) -> bool:
        """Tells whether it still tells right from wrong, with and without the bounded process."""
        pairs = ((r"\frac12", "0.5", True), ("1", "2", False), (r"\int_0^1 4x\,dx", "2", True))
        return all((self.verdict(one, other)[0].verdict is Verdict.CORRECT) == same for one, other, same in pairs)

    def close(self) -> None:
        """Ends the bounded process."""
        self._judge.close()

    def _says(self, answer: str, reference: str) -> Judgement:
        return self._judge.judge_answers([answer], [reference])[0].judgement


def serves_in_time(fuzzer: Fuzzer, answer: str, reference: str) -> Iterator[Finding]:
    """Each as the answer to the other: no fault of ours, within a second, and the order does not matter."""
    judgements = []
    for one, other in ((answer, reference), (reference, answer)):
        judgement, seconds = fuzzer.verdict(one, other)
        judgements.append(judgement)
        fuzzer.tally.verdicts[judgement.verdict] += 1
        if fuzzer.fault(judgement):
            yield Finding("fault", one, other, fuzzer.fault(judgement))
        if seconds > fuzzer.tally.slowest:
            fuzzer.tally.slowest, fuzzer.tally.slowest_pair = seconds, (one, other)
        if seconds > LIMIT_SECONDS:
            again = min(fuzzer.verdict(one, other)[1] for _ in range(2))
            if again > LIMIT_SECONDS:
                yield Finding("slow", one, other, judgement.rule)
        if judgement.verdict is Verdict.TIMED_OUT:
            return  # most of the time would go into waiting
    if {judgement.verdict for judgement in judgements} == set(DECIDED):
        yield Finding("order", answer, reference, ", ".join(f"{each.verdict} {each.rule}" for each in judgements))


def is_reflexive(fuzzer: Fuzzer, answer: str, reference: str) -> Iterator[Finding]:
    """A text means what it says."""
    judgement = fuzzer.verdict(answer, answer)[0]
    if judgement.verdict is Verdict.INCORRECT:
        yield Finding("reflexive", answer, answer, judgement.rule)


def ignores_layout(fuzzer: Fuzzer, answer: str, reference: str) -> Iterator[Finding]:
    """Layout changes nothing: neither the meaning, nor the verdict on another text."""
    if "$" in answer or answer.strip().endswith("\\") or not answer.strip() or len(answer) > LONGEST:
        return  # it would not be layout
    if answer.count("{") != answer.count("}"):
        return  # what is around an open group is inside of it
    plain = fuzzer.verdict(answer, reference)[0]
    if plain.verdict not in DECIDED:
        return
    for name, layout in LAYOUTS.items():
        if fuzzer.verdict(layout(answer), answer)[0].verdict is Verdict.INCORRECT:
            yield Finding(f"layout {name}", layout(answer), answer, plain.rule)
        other = fuzzer.verdict(layout(answer), reference)[0]
        if {plain.verdict, other.verdict} == set(DECIDED):
            yield Finding(f"layout {name}", layout(answer), reference, f"{plain.rule} v {other.rule}")


def reads_boxes(fuzzer: Fuzzer, answer: str, reference: str) -> Iterator[Finding]:
    """A completion with the answer in a box raises nothing, and is judged as the answer if that is whole."""
    boxed = fuzzer.boxed(answer, "5")
    if fuzzer.fault(boxed):
        yield Finding("fault in a box", answer, "5", fuzzer.fault(boxed))
    if boxed.answer == answer.strip() and "box" not in answer:
        bare = fuzzer.verdict(answer, "5")[0]
        if {bare.verdict, boxed.verdict} == set(DECIDED):
            yield Finding("box", answer, "5", f"{bare.rule} v {boxed.rule}")


LAYOUTS: dict[str, Callable[[str], str]] = {
    "spaces": lambda text: f"  {text} \n",
    "dollars": lambda text: f"${text}$",
    "full stop": lambda text: f"{text}.",
    "thin space": lambda text: rf"{text}\,",
}
CHECKS = (serves_in_time, is_reflexive, ignores_layout, reads_boxes)


def fuzz(fuzzer: Fuzzer, maker: AnswerMaker, seconds: float) -> None:
    """Until the time is over."""
    tally = fuzzer.tally
    started = said = time.monotonic()
    while time.monotonic() - started < seconds:
        pair = maker.pair()
        tally.cases += 1
        try:
            findings = fuzzer.check(pair)
        except Exception as error:  # the judge let one through: the worst finding
            frame = traceback.extract_tb(error.__traceback__)[-1]
            saw = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno} {frame.name}"
            findings = [Finding("exception", pair.answer, pair.reference, saw)]
        for finding in findings:
            note(fuzzer, finding)
        if time.monotonic() - said > LOG_EVERY_SECONDS:
            said = time.monotonic()
            rate = tally.cases / (said - started)
            print(
                f"  {said - started:.0f} of {seconds:.0f} s: {tally.cases} cases, {rate:.1f} a second, slowest verdict "
                f"{tally.slowest:.2f} s, {sum(tally.kinds.values())} findings of {len(tally.kinds)} kinds, "
                f"{own_mib():.0f} MiB",
                flush=True,
            )


def note(fuzzer: Fuzzer, finding: Finding) -> None:
    """Counts a finding, and keeps the first of its kind, made smaller."""
    kind = (finding.check, finding.saw)
    fuzzer.tally.kinds[kind] += 1
    if fuzzer.tally.kinds[kind] <= SHOWN_OF_A_KIND:
        finding = minimised(fuzzer, finding)
        fuzzer.tally.findings.append(finding)
        print("  FOUND " + json.dumps(finding._asdict()), flush=True)


def minimised(fuzzer: Fuzzer, finding: Finding) -> Finding:
    """The finding on shorter texts, as far as cutting pieces out of one of them leads in a few seconds."""
    until = time.monotonic() + MINIMISING_SECONDS
    same_text = finding.answer == finding.reference
    for which in ("answer", "reference"):
        size = max(1, len(getattr(finding, which)) // 2)
        while size and time.monotonic() < until:
            text, start, shorter = getattr(finding, which), 0, False
            while start < len(text) and time.monotonic() < until:
                cut = text[:start] + text[start + size :]
                texts = {"answer": cut, "reference": cut} if same_text else {which: cut}
                smaller = finding._replace(**texts)
                if still(fuzzer, smaller):
                    finding, text, shorter = smaller, cut, True
                else:
                    start += size
            size = size if shorter and size > 1 else size // 2
    return finding


def still(fuzzer: Fuzzer, finding: Finding) -> bool:
    """Tells whether the same check finds the same fault with these texts; of layouts that they differ in a verdict."""
    if finding.check.startswith("layout"):
        layout = LAYOUTS[finding.check.removeprefix("layout ")]
        bare = next(
            (text for text in bare_of(finding, layout) if "$" not in text and not text.strip().endswith("\\")), None
        )
        if bare is None or not bare.strip():
            return False
        return any(found.check == finding.check for found in ignores_layout(fuzzer, bare, finding.reference))
    try:
        found = [each for check in CHECKS for each in check(fuzzer, finding.answer, finding.reference)]
    except Exception:
        return finding.check == "exception"
    return any(each.check == finding.check and each.saw == finding.saw for each in found)


def bare_of(finding: Finding, layout: Callable[[str], str]) -> Iterator[str]:
    """The text that the layout of the answer was put around."""
    for start in range(4):
        for end in range(4):
            bare = finding.answer[start : len(finding.answer) - end]
            if layout(bare) == finding.answer:
                yield bare


def own_mib() -> float:
    """The most memory that this process ever took."""
    (peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(peak.split()[1]) / 1024


def real_answers(data: Path) -> list[str]:
    """The answers and references of the data folder, the short hostile texts among them."""
    answers: list[str] = []
    for row in records(data / "grader_cases_dev.jsonl"):
        if row["form"] == "answer":
            answers += [row["gold"], row["pred"]]
    for row in records(data / "grader_workload.jsonl.gz"):
        answers.append(row["gold"])
    for row in records(data / "grader_hostile.jsonl"):
        answers.append("".join(part if isinstance(part, str) else part[0] * min(part[1], 50) for part in row["parts"]))
    return [text for text in answers if isinstance(text, str) and len(text) < 1000]


def report(fuzzer: Fuzzer, seed: int, seconds: float, before_mib: float, folder: Path) -> bool:
    """Prints the tables; whether all is well."""
    tally, serves = fuzzer.tally, fuzzer.serves()
    fuzzer.close()
    child_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    memory_mib, grown = VerifierConfig().memory_mib, own_mib() - before_mib
    planted = sorted(path.name for path in folder.iterdir())
    facts = [
        ("seed", seed),
        ("cases", tally.cases),
        ("cases a second", f"{tally.cases / seconds:.1f}"),
        ("verdicts", ", ".join(f"{count} {verdict}" for verdict, count in tally.verdicts.most_common())),
        ("slowest verdict, s", f"{tally.slowest:.3f}"),
        ("on", short(" v ".join(tally.slowest_pair), 90)),
        ("this process grew by, MiB", f"{grown:.0f} of {GROWTH_MIB}"),
        ("largest process below it, MiB", f"{child_mib:.0f} of {memory_mib}"),
        ("left by planted code", ", ".join(planted) or "nothing"),
        ("serves afterwards", "yes" if serves else "NO"),
        ("findings", f"{sum(tally.kinds.values())} of {len(tally.kinds)} kinds"),
    ]
    heading("Fuzzing the judge")
    show("", ("what", "found"), facts)
    rows = [(f.check, json.dumps(f.answer)[:70], json.dumps(f.reference)[:70], f.saw[:60]) for f in tally.findings]
    if rows:
        show_list("Findings, made smaller", ("check", "answer", "reference", "saw"), rows, 70)
    return serves and not tally.kinds and not planted and grown <= GROWTH_MIB and child_mib <= memory_mib


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Fuzzes the judge.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--data", type=Path, default=default_data())
    options = parser.parse_args()
    fuzzer = Fuzzer()
    maker = AnswerMaker(options.seed, real_answers(options.data))
    before_mib = own_mib()
    with tempfile.TemporaryDirectory() as folder:
        before = Path.cwd()
        os.chdir(folder)  # planted code leaves its mark here
        fuzz(fuzzer, maker, 60 * options.minutes)
        well = report(fuzzer, options.seed, 60 * options.minutes, before_mib, Path(folder))
        os.chdir(before)
    return 0 if well else 1
