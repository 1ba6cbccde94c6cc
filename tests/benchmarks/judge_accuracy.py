"""Part of the judge's benchmark: how often it is right on pairs whose relation is known, beside Math-Verify.

Consumes `grader_cases_dev.jsonl`, `grader_cases_policy.jsonl` and the pairs of `answer_pairs`;
prints shares of equal and of unequal pairs found, and every failure. A verdict that a bound or a fault of a grader
decided has found neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.judge_peer import PREPARATIONS, MathVerify
from benchmarks.tables import heading, progress, records, share, show, show_list
from seed_grpo.config.sections import VerifierConfig
from seed_grpo.messages import Judgement, Verdict
from seed_grpo.verify.extract import extract_answer
from seed_grpo.verify.judge import Judge
from support.answer_pairs import PAIRS

TELLS = {Verdict.CORRECT: True, Verdict.INCORRECT: False, Verdict.NO_ANSWER: False}
"""statement of a verdict on a pair; the other two say nothing"""


@dataclass(frozen=True)
class Pair:
    """E.g. `Pair("1/2", "0.5", True, "answer", "math-verify-1")`."""

    gold: str
    pred: str
    expected: bool
    part: str
    """the row of the table: answer, text, or a category"""
    name: str


@dataclass(frozen=True)
class Outcome:
    """Verdicts on one pair: what each grader said."""

    pair: Pair
    ours: Judgement
    reversed: Judgement | None
    """the same with gold and pred exchanged; None of passages"""
    theirs: dict[str, bool | None]
    """verdict by preparation; None: not within the time"""

    @property
    def told(self) -> bool | None:
        """Our verdict on the pair."""
        return TELLS.get(self.ours.verdict)

    @property
    def symmetric(self) -> bool:
        """Tells whether the verdict is the same in the other order."""
        return self.reversed is None or self.reversed.verdict is self.ours.verdict


def accuracy(data: Path) -> None:
    """On the development cases, and on the suite's own pairs."""
    judge = Judge(VerifierConfig(extraction="auto"))
    cases = [
        Pair(row["gold"], row["pred"], row["expected"], row["form"], row["id"])
        for row in records(data / "grader_cases_dev.jsonl")
    ]
    with MathVerify() as math_verify:
        heading("Accuracy: grader_cases_dev.jsonl")
        _report([_outcome(judge, math_verify, pair) for pair in progress(cases, "pairs")], math_verify)
        own = list(_own_pairs())
        heading("Accuracy: the pairs of tests/support/answer_pairs.jsonl")
        _report([_outcome(judge, math_verify, pair) for pair in progress(own, "pairs")], math_verify)
    judge.close()


def policy(data: Path) -> None:
    """Our decision on the cases whose label is a choice of the suite."""
    heading("Policy: grader_cases_policy.jsonl")
    judge = Judge(VerifierConfig(extraction="auto"))
    rows = []
    for row in records(data / "grader_cases_policy.jsonl"):
        pair = Pair(row["gold"], row["pred"], row["expected"], row["form"], row["id"])
        ours = _judge(judge, pair.gold, pair.pred, pair.part)
        label = "equal" if pair.expected else "unequal"
        rows.append((pair.name, pair.gold, pair.pred, label, ours.verdict, ours.rule, row.get("note", "")))
    judge.close()
    show_list("Decisions", ("id", "gold", "pred", "label", "our verdict", "rule", "note"), rows, 40)


def _own_pairs() -> Iterator[Pair]:
    for category, (equal, unequal) in PAIRS.items():
        for expected, pairs in ((True, equal), (False, unequal)):
            for index, (first, second) in enumerate(pairs):
                yield Pair(first, second, expected, category, f"{category}-{'un' * (not expected)}equal-{index}")


def _judge(judge: Judge, gold: str, pred: str, form: str) -> Judgement:
    if form != "text":
        return judge.judge_answers([pred], [gold])[0].judgement
    reference = extract_answer(gold, "auto")
    if reference is None:
        return Judgement(Verdict.VERIFIER_ERROR, None, rule="nothing found in the reference passage")
    return judge.judge([pred], [reference])[0].judgement


def _outcome(judge: Judge, math_verify: MathVerify, pair: Pair) -> Outcome:
    passage = pair.part == "text"
    theirs: dict[str, bool | None] = {}
    for name, prepare in PREPARATIONS.items():
        gold, pred = (pair.gold, pair.pred) if passage else (prepare(pair.gold), prepare(pair.pred))
        known = passage and theirs
        theirs[name] = next(iter(theirs.values())) if known else math_verify.same(gold, pred)
    ours = _judge(judge, pair.gold, pair.pred, pair.part)
    return Outcome(pair, ours, None if passage else _judge(judge, pair.pred, pair.gold, pair.part), theirs)


def _found(outcomes: Sequence[Outcome], expected: bool, told: Callable[[Outcome], bool | None]) -> str:
    chosen = [outcome for outcome in outcomes if outcome.pair.expected is expected]
    return share(sum(told(outcome) is expected for outcome in chosen), len(chosen))


def _right(outcomes: Sequence[Outcome], preparation: str) -> int:
    return sum(outcome.theirs[preparation] is outcome.pair.expected for outcome in outcomes)


def _report(outcomes: Sequence[Outcome], math_verify: MathVerify) -> None:
    graders: dict[str, Callable[[Outcome], bool | None]] = {"ours": lambda outcome: outcome.told}
    # the preparation that serves Math-Verify better overall stands first
    for name in sorted(PREPARATIONS, key=lambda name: -_right(outcomes, name)):
        graders[f"Math-Verify {name}"] = lambda outcome, name=name: outcome.theirs[name]  # type: ignore[misc]
    parts = dict.fromkeys(outcome.pair.part for outcome in outcomes)
    rows = []
    for part in (*parts, "all"):
        chosen = [outcome for outcome in outcomes if part in (outcome.pair.part, "all")]
        found = [_found(chosen, expected, told) for expected in (True, False) for told in graders.values()]
        rows.append((part, *found))
    columns = [f"{kind}:\n{name}" for kind in ("equal", "unequal") for name in graders]
    show("Equal pairs found equal, unequal pairs found unequal", ("pairs", *columns), rows)
    print(f"Math-Verify was killed after 5 s {math_verify.kills} times so far.")
    _list_failures(outcomes)


def _list_failures(outcomes: Sequence[Outcome]) -> None:
    failures = []
    for outcome in outcomes:
        pair, ours = outcome.pair, outcome.ours
        if outcome.told is not pair.expected:
            expected = "equal" if pair.expected else "unequal"
            failures.append((pair.name, pair.gold, pair.pred, expected, ours.verdict, ours.rule))
    show_list("Our failures", ("id", "gold", "pred", "expected", "verdict", "rule"), failures, 70)
    asymmetric = [
        (outcome.pair.name, outcome.pair.gold, outcome.pair.pred, outcome.ours.verdict, outcome.reversed.verdict)
        for outcome in outcomes
        if outcome.reversed is not None and not outcome.symmetric
    ]
    columns = ("id", "gold", "pred", "verdict", "verdict in the other order")
    show_list("Our verdicts that depend on the order of the two answers", columns, asymmetric, 70)
