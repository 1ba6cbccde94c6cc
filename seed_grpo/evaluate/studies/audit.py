"""Prompts of a run to look at by hand: wrong labels, verdicts that hang on one rule, rewards of odd answers.

Consumes the tables of completions of a run (`rollouts/`, `evaluations/`), in one pass, one table in memory at a time;
produces findings with evidence, ranked. It judges nothing anew and calls nothing an error: that is for people to say.

    contested     the answers agree with one another and not with the reference: a wrong label, an answer that is not
                  read right, or a mistake that the policy always makes. Meaning classes are those of one group alone,
                  so answers are joined across the groups of a prompt by their parsed form.
    loose rule    right by a comparison or by the oracle, not by equality: without that rule the reward would be 0
    undecided     timed out, or a fault of the verifier: neither right nor wrong, and not trained on
    odd reward    right, with a sign of `signs.SIGNS`

Score: the lower end of the 95% Wilson interval of the share of the prompt's completions that show the mark, times how
rare the mark is: 1 minus its share in the whole run. (A contested form is of one prompt, so there is nothing to
multiply with; from 1/2 on, most of the prompt's answers agree, and it is a finding.)

Of a prompt at most `MAX_KEPT` forms and as many marks are kept, each with three texts of at most `MAX_SHOWN`
characters: below 60,000 characters a prompt, and typically 2,000. What came later is counted as `left_out`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from seed_grpo.errors import ConfigError
from seed_grpo.evaluate.metrics.intervals import wilson_interval
from seed_grpo.evaluate.studies.signs import SIGNS, Rewarded
from seed_grpo.messages import FinishReason, Verdict
from seed_grpo.records.rollout_table import RecordedGroup, read_groups, tables

MAX_KEPT = 32
MAX_SHOWN = 300
MAX_ANSWERS = 5
"""answers shown with a finding"""

CONTESTED, LOOSE, UNDECIDED, ODD = "contested", "loose rule", "undecided", "odd reward"
KINDS = {
    CONTESTED: "Most answers to the prompt agree with one another and are judged wrong. Is the reference right? Are "
    "these answers read right?",
    LOOSE: "Judged right by this rule, not by equality; without it the reward would be 0. Is it the same answer?",
    UNDECIDED: "Neither right nor wrong, and so not trained on.",
    ODD: "Judged right, but of a form that seldom is, or that invites a way around the task.",
}
"""meaning of each kind, in the order of the report"""
MAX_MARKS = 20
"""marks of the run that are listed"""


@dataclass(frozen=True)
class Answer:
    """An answer of a prompt, by its parsed form and verdict."""

    answer: str
    """the answer as one completion wrote it"""
    parsed: str
    verdict: str
    count: int


@dataclass(frozen=True)
class Finding:
    """A prompt with a mark. Texts are cut to `MAX_SHOWN` characters, those that do not print written as escapes."""

    kind: str
    """a key of `KINDS`"""
    score: float
    """lower 95% bound of `count` / `of`, times the rarity of a rule or sign in the run; in [0, 1]"""
    mark: str
    """the form, rule or sign"""
    count: int
    """completions with the mark"""
    of: int
    """completions that could have it: contested and loose rule, of the valid; undecided, of all; odd reward, of the
    right ones"""
    problem_id: str
    source: str
    prompt: str
    references: tuple[str, ...]
    answers: tuple[Answer, ...]
    """the most frequent answers to this prompt"""
    text: str
    """the end of the first completion with the mark"""
    group: str
    """place of that completion's group: table/step/group id, as in `report.html#group=`"""
    completion: int
    """place of that completion in its group"""


@dataclass(frozen=True)
class Mark:
    """Count of something seen in the run."""

    kind: str
    mark: str
    completions: int
    prompts: int


@dataclass(frozen=True)
class Audit:
    """Findings of an audit."""

    run: str
    prompts: int
    completions: int
    left_out: int
    """completions whose form or mark was not kept"""
    found: dict[str, int]
    """findings by kind, of which at most the limit are in `findings`"""
    findings: tuple[Finding, ...]
    """findings in the order of `KINDS`, then by score"""
    marks: tuple[Mark, ...]
    """marks of all kinds but contested, the most frequent first"""


@dataclass
class _Seen:
    """A form or a mark in a prompt, counted, with the answer, text and place of the first completion that has it."""

    answer: str
    text: str
    group: str
    completion: int
    count: int = 0


@dataclass
class _Prompt:
    """Counts of one prompt."""

    references: tuple[str, ...]
    of: Counter[str] = field(default_factory=Counter)
    """number of completions that each kind could concern"""
    answers: dict[tuple[str, str], _Seen] = field(default_factory=dict)
    """answers by verdict and parsed form"""
    marks: dict[tuple[str, str], _Seen] = field(default_factory=dict)
    """marks by kind and text"""


def audit(run_directory: Path, limit: int = 20) -> Audit:
    """Looks through the completions of a run, of all steps and evaluations, dropped groups too.

    Args:
        limit: findings of each kind.

    Raises:
        ConfigError: the folder holds no completions.
    """
    files = [(name, file) for name in ("rollouts", "evaluations") for file in tables(run_directory / name)]
    if not files:
        raise ConfigError(
            f"{run_directory} has no completions: neither rollouts/step_*.parquet nor evaluations/step_*.parquet; name "
            "the directory of a run"
        )
    prompts: dict[tuple[str, str, str], _Prompt] = {}
    completions = left_out = 0
    for name, file in files:
        groups = [group for group in read_groups([file]) if group.references]  # else no answer is right
        median_tokens = float(np.median(np.concatenate([group.num_tokens_G for group in groups]))) if groups else 0.0
        for group in groups:
            key = (_shown(group.source), _shown(group.problem_id), _shown(group.prompt))
            prompt = prompts.setdefault(key, _Prompt(tuple(_shown(each) for each in group.references[:MAX_ANSWERS])))
            completions += len(group.texts_G)
            left_out += sum(_keep(prompt, name, group, g, median_tokens) for g in range(len(group.texts_G)))
    marks = _marks(prompts)
    ranked = sorted(_findings(prompts, marks), key=lambda finding: -finding.score)
    by_kind = {kind: [finding for finding in ranked if finding.kind == kind] for kind in KINDS}
    return Audit(
        run=str(run_directory),
        prompts=len(prompts),
        completions=completions,
        left_out=left_out,
        found={kind: len(findings) for kind, findings in by_kind.items()},
        findings=tuple(finding for findings in by_kind.values() for finding in findings[:limit]),
        marks=tuple(sorted(marks.values(), key=lambda mark: -mark.completions)[:MAX_MARKS]),
    )


def markdown(found: Audit) -> str:
    """The findings as a page; every text of a data set or a policy stands in it as code."""
    left_out = f" Of {found.left_out} of them something was not kept, for lack of room." if found.left_out else ""
    lines = [f"# Audit: {found.run}", "", f"{found.completions} completions of {found.prompts} prompts.{left_out}"]
    for kind, question in KINDS.items():
        findings = [each for each in found.findings if each.kind == kind]
        shown = "" if len(findings) == found.found[kind] else f", the first {len(findings)} of them here"
        lines += ["", f"## {kind.capitalize()}: {found.found[kind]} findings{shown}", ""]
        lines += [question, ""] * bool(findings)
        marks = [mark for mark in found.marks if mark.kind == kind]
        lines += [f"- {_code(m.mark)}: {m.completions} completions of {m.prompts} prompts" for m in marks]
        lines += [""] * bool(marks)
        lines += [line for place, each in enumerate(findings, 1) for line in _finding_lines(place, each)]
    return "\n".join([*lines, ""])


def _finding_lines(place: int, finding: Finding) -> Iterator[str]:
    yield f"{place}. **{finding.score:.2f}** {_code(finding.problem_id)}: {finding.count} of {finding.of}, " + _code(
        finding.mark
    )
    references = " or ".join(map(_code, finding.references))
    yield f"    - prompt {_code(finding.prompt)}, reference {references}"
    answers = [f"{_code(each.answer)} {each.count} x {each.verdict}" for each in finding.answers]
    yield f"    - answers: {', '.join(answers)}"
    yield f"    - it ends {_code(finding.text)}"
    yield f"    - [{finding.group}](report.html#group={finding.group}), completion {finding.completion}"


def _code(text: str) -> str:
    """A code span, in a fence longer than any that the text holds."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text or not text.strip() else f"{fence}{text}{fence}"


def _shown(text: str, end: bool = False) -> str:
    """The beginning or the end of a text, in printable characters on one line."""
    part = text[-MAX_SHOWN:] if end else text[:MAX_SHOWN]
    printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in part)
    return printable[-MAX_SHOWN:] if end else printable[:MAX_SHOWN]


def _marks_of(group: RecordedGroup, g: int, median_tokens: float) -> list[tuple[str, str]]:
    """Kinds and marks of one completion, contested forms aside."""
    verdict, rule = group.verdicts_G[g], group.rules_G[g]
    if not verdict.is_valid:
        return [(UNDECIDED, f"{verdict}: {rule}")]
    if verdict is not Verdict.CORRECT:
        return []
    right = Rewarded(
        text=group.texts_G[g].strip(),
        answer=group.answers_G[g] or "",
        references=group.references,
        truncated=group.finish_reasons_G[g] == FinishReason.LENGTH,
        tokens=int(group.num_tokens_G[g]),
        median_tokens=median_tokens,
    )
    loose = [] if rule.startswith("equal ") else [(LOOSE, rule)]
    return loose + [(ODD, sign) for sign, shows in SIGNS.items() if shows(right)]


def _keep(prompt: _Prompt, table: str, group: RecordedGroup, g: int, median_tokens: float) -> bool:
    """Adds a completion to its prompt; True if part of it was not kept for lack of room."""
    verdict = group.verdicts_G[g]
    prompt.of[UNDECIDED] += 1
    prompt.of[CONTESTED] += verdict.is_valid
    prompt.of[LOOSE] += verdict.is_valid
    prompt.of[ODD] += verdict is Verdict.CORRECT
    answer = _shown(group.answers_G[g] or "")
    forms = [(str(verdict), _shown(group.parsed_G[g]) or answer)]
    marks = [(kind, _shown(mark)) for kind, mark in _marks_of(group, g, median_tokens)]
    full = False
    for seen, keys in ((prompt.answers, forms), (prompt.marks, marks)):
        for key in keys:
            if key not in seen and len(seen) == MAX_KEPT:
                full = True
                continue
            if key not in seen:
                place = f"{table}/{group.step}/{group.group_id}"
                seen[key] = _Seen(answer, _shown(group.texts_G[g], end=True), place, g)
            seen[key].count += 1
    return full


def _marks(prompts: Mapping[tuple[str, str, str], _Prompt]) -> dict[tuple[str, str], Mark]:
    completions: Counter[tuple[str, str]] = Counter()
    of: Counter[tuple[str, str]] = Counter()
    for prompt in prompts.values():
        completions.update({key: seen.count for key, seen in prompt.marks.items()})
        of.update(prompt.marks.keys())
    return {key: Mark(*key, count, of[key]) for key, count in completions.items()}


def _findings(
    prompts: Mapping[tuple[str, str, str], _Prompt], marks: Mapping[tuple[str, str], Mark]
) -> Iterator[Finding]:
    of = sum((prompt.of for prompt in prompts.values()), Counter())
    for key, prompt in prompts.items():
        for (verdict, form), seen in prompt.answers.items():
            score = wilson_interval(seen.count, prompt.of[CONTESTED]).low if verdict == Verdict.INCORRECT else 0.0
            if score > 0.5:
                yield _finding(key, prompt, CONTESTED, form, seen, score)
        for (kind, mark), seen in prompt.marks.items():
            rarity = 1.0 - marks[kind, mark].completions / of[kind]
            yield _finding(key, prompt, kind, mark, seen, rarity * wilson_interval(seen.count, prompt.of[kind]).low)


def _finding(key: tuple[str, str, str], prompt: _Prompt, kind: str, mark: str, seen: _Seen, score: float) -> Finding:
    source, problem_id, text = key
    frequent = sorted(prompt.answers.items(), key=lambda item: -item[1].count)[:MAX_ANSWERS]
    return Finding(
        kind=kind,
        score=score,
        mark=mark,
        count=seen.count,
        of=prompt.of[kind],
        problem_id=problem_id,
        source=source,
        prompt=text,
        references=prompt.references,
        answers=tuple(Answer(each.answer, form, verdict, each.count) for (verdict, form), each in frequent),
        text=seen.text,
        group=seen.group,
        completion=seen.completion,
    )
