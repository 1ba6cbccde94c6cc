"""Faults planted in a run's record: what is found, what is ranked first, and that a clean run has nothing contested."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest

from seed_grpo.errors import ConfigError
from seed_grpo.evaluate.metrics.intervals import wilson_interval
from seed_grpo.evaluate.studies.audit import MAX_KEPT, MAX_SHOWN, Audit, Finding, audit, markdown
from seed_grpo.evaluate.studies.signs import SIGNS, Rewarded
from seed_grpo.messages import Completion, FinishReason, Group, GroupTask, JudgedGroup, Judgement, Problem, Sampling
from seed_grpo.messages import Verdict as V
from seed_grpo.records.files import write_table
from seed_grpo.records.rollout_table import rollout_rows, schema

REASONED = "first this, then that, and so at last, after all is said and done, we have it: "


@dataclass(frozen=True)
class Said:
    """One completion and what the judge made of it; right by equality unless said otherwise."""

    answer: str
    verdict: V = V.CORRECT
    rule: str = "equal number"
    reasoning: str = REASONED
    tokens: int = 20
    finish: FinishReason = FinishReason.STOP


RIGHT, WRONG = Said("7"), Said("8", V.INCORRECT, "comparison number number")


def group(group_id: int, problem: Problem, said: Sequence[Said]) -> JudgedGroup:
    task = GroupTask(group_id, problem, (1,), Sampling(len(said), 1.0, 1.0, 64, 0))
    completions = tuple(
        Completion(s.reasoning + s.answer, *np.zeros((2, s.tokens), np.int32), np.zeros(s.tokens, np.int32), s.finish)
        for s in said
    )
    verdicts = [s.verdict for s in said]
    return JudgedGroup(
        group=Group(task, completions, "rollout-0", 0.1),
        judgements_G=tuple(Judgement(s.verdict, s.answer, f"number {s.answer}", s.rule) for s in said),
        rewards_G=np.array([v is V.CORRECT for v in verdicts], np.float32),
        valid_G=np.array([v.is_valid for v in verdicts]),
        class_ids_G=np.zeros(len(said), np.int32),
        semantic_entropy=0.0,
        entropy_max=1.0,
        entropy_clipped=False,
        seconds=0.1,
    )


def record(run: Path, said: dict[str, Sequence[Said]], step: int = 1, table: str = "rollouts") -> None:
    """A table with one group of each problem, whose references are all 7."""
    groups = [group(i, Problem(name, f"what is {name}?", ("7",)), each) for i, (name, each) in enumerate(said.items())]
    write_table(run / table / f"step_{step:06d}.parquet", list(rollout_rows(step, groups, {})), schema())


def of_kind(found: Audit, kind: str) -> list[Finding]:
    return [each for each in found.findings if each.kind == kind]


def test_a_wrong_label_that_all_answers_contradict_is_ranked_first(tmp_path: Path) -> None:
    # `hard` is mostly wrong too, but the answers differ; `habit` agrees less. Wilson's lower end of 16 of 16 is
    # 16 / (16 + 3.84) = 0.806, of 15 of 16 0.717. By the share right alone, `hard` would come first.
    scattered = [Said(str(n), V.INCORRECT, "comparison number number") for n in range(20, 28)]
    for step in (1, 2):
        said = {"hard": scattered, "habit": [*[WRONG] * 7, RIGHT if step == 1 else WRONG], "fine": [RIGHT] * 8}
        record(tmp_path, {**said, "mislabelled": [WRONG] * 8}, step)
    found = of_kind(audit(tmp_path), "contested")
    assert [each.problem_id for each in found] == ["mislabelled", "habit"]
    first = found[0]
    assert (first.score, first.count, first.of) == (pytest.approx(16 / (16 + 3.841459)), 16, 16)
    assert (first.references, first.mark, first.group, first.completion) == (("7",), "number 8", "rollouts/1/3", 0)
    assert [(a.answer, a.verdict, a.count) for a in found[1].answers] == [("8", "incorrect", 15), ("7", "correct", 1)]


def test_answers_are_joined_over_steps_and_evaluations(tmp_path: Path) -> None:
    # 3 of 3 wrong alike are no evidence yet (0.438), nor is one greedy completion; 7 of 7 are (0.646)
    record(tmp_path, {"p": [WRONG] * 3})
    assert audit(tmp_path).found["contested"] == 0
    record(tmp_path, {"p": [WRONG] * 3}, step=2)
    record(tmp_path, {"p": [WRONG]}, table="evaluations")
    (found,) = of_kind(audit(tmp_path), "contested")
    assert (found.count, found.of, audit(tmp_path).prompts) == (7, 7, 1)


def test_a_clean_run_has_nothing_contested(tmp_path: Path) -> None:
    scattered = [Said(str(n), V.INCORRECT, "comparison number number") for n in range(20, 24)]
    record(tmp_path, {"easy": [RIGHT] * 8, "half": [RIGHT] * 4 + [WRONG] * 4, "hard": scattered * 2})
    assert audit(tmp_path).found == {"contested": 0, "loose rule": 0, "undecided": 0, "odd reward": 0}


def test_undecided_completions_do_not_count_as_agreement_or_against_it(tmp_path: Path) -> None:
    # 6 of 6 valid ones agree: 0.610; of all 12 the lower end would be 0.254, and nothing found
    bound = Said("9", V.TIMED_OUT, "over 500000 units of work")
    record(tmp_path, {"p": [*[WRONG] * 6, *[bound] * 6]})
    (contested,) = of_kind(audit(tmp_path), "contested")
    (undecided,) = of_kind(audit(tmp_path), "undecided")
    assert (contested.count, contested.of) == (6, 6)
    assert (undecided.mark, undecided.count, undecided.of) == ("timed_out: over 500000 units of work", 6, 12)


def test_rewards_by_a_rare_rule_come_before_those_by_a_common_one(tmp_path: Path) -> None:
    # Of 24 valid completions 8 hang on the common rule, 4 on the rare one. Scores: Wilson's lower end of 4 of 8, which
    # is 0.215, times 1 - 8/24 or 1 - 4/24. By counts the common rule would be first.
    common = Said("7 cm", rule="comparison quantity number")
    rare = Said("700%", rule="oracle percent number")
    record(tmp_path, {"a": [common] * 4 + [WRONG] * 4, "b": [common] * 4 + [WRONG] * 4, "c": [rare] * 4 + [WRONG] * 4})
    found = audit(tmp_path)
    loose = of_kind(found, "loose rule")
    assert [each.mark for each in loose] == [rare.rule, common.rule, common.rule]
    low = wilson_interval(4, 8).low
    assert [each.score for each in loose] == pytest.approx([low * 20 / 24, low * 16 / 24, low * 16 / 24])
    assert [(m.mark, m.completions, m.prompts) for m in found.marks] == [(common.rule, 8, 2), (rare.rule, 4, 1)]


def test_a_wrong_answer_by_comparison_is_no_loose_reward(tmp_path: Path) -> None:
    record(tmp_path, {"p": [WRONG, RIGHT, RIGHT, RIGHT]})
    assert audit(tmp_path).found["loose rule"] == 0


def test_a_cut_off_and_a_short_completion_that_were_rewarded(tmp_path: Path) -> None:
    # the median is 20 tokens, so 4 are short and 5 are not
    cut_off, short = Said("7", finish=FinishReason.LENGTH), Said("7", tokens=4)
    record(tmp_path, {"p": [cut_off, short, Said("7", tokens=5), *[RIGHT] * 5], "q": [WRONG] * 3})
    marks = {each.mark: (each.count, each.of, each.completion) for each in of_kind(audit(tmp_path), "odd reward")}
    assert marks == {
        "the completion was cut off by the token limit": (1, 8, 0),
        "the completion is far shorter than others": (1, 8, 1),
    }


@pytest.mark.parametrize(
    ("answer", "text", "references", "signs"),
    [
        ("59", r"9+0=9 2+3=5 \boxed{59}", ("59",), []),
        ("59", r"The final answer is \boxed{59}", ("59",), ["an answer without reasoning"]),
        ("1,000", "", ("1000",), []),
        ("(1, 2)", "", ("(1,2)",), []),
        ("5 or 7", "", ("7",), ["the reference among several answers"]),
        ("7.0; 5", "", ("7",), ["several answers, none written as the reference"]),
        ("1, 2", "", ("1, 2", "3"), []),
        ("seven", "", ("7",), ["no digit in the answer, digits in the reference"]),
        (r"\pi", "", (r"\pi",), []),
        ("7" + " " * 30 + "x", "", ("7",), ["the answer is far longer than the reference"]),
    ],
)
def test_signs(answer: str, text: str, references: tuple[str, ...], signs: list[str]) -> None:
    right = Rewarded(text or REASONED + answer, answer, references, truncated=False, tokens=20, median_tokens=20.0)
    assert [sign for sign, shows in SIGNS.items() if shows(right)] == signs


def test_records_of_a_prompt_are_bounded_and_the_others_are_counted(tmp_path: Path) -> None:
    many = [Said(str(n), V.INCORRECT, "comparison number number") for n in range(100, 100 + MAX_KEPT + 8)]
    record(tmp_path, {"p": [*[WRONG] * 2, *many]})
    assert audit(tmp_path).left_out == 9  # 32 forms: 8, and 31 of the 40 others


def test_the_limit_is_of_each_kind_and_the_rest_is_counted(tmp_path: Path) -> None:
    record(tmp_path, {f"p{i}": [WRONG] * 8 for i in range(3)} | {"q": [Said("7", finish=FinishReason.LENGTH)]})
    found = audit(tmp_path, limit=2)
    assert (found.found["contested"], len(of_kind(found, "contested")), len(of_kind(found, "odd reward"))) == (3, 2, 1)
    assert "Contested: 3 findings, the first 2 of them here" in markdown(found)


def test_hostile_texts_stay_on_their_line_and_in_their_fence(tmp_path: Path) -> None:
    hostile = "`` ` <script>\x1b[2J\n# title\u202e" + "x" * 10_000
    record(tmp_path, {hostile: [Said(hostile, V.INCORRECT, "comparison string number")] * 8})
    found = audit(tmp_path)
    (finding,) = found.findings
    texts = [finding.problem_id, finding.prompt, finding.mark, finding.text, *(a.answer for a in finding.answers)]
    assert all(len(text) <= MAX_SHOWN and text.isprintable() for text in texts)
    page = markdown(found)
    assert all(line.isprintable() for line in page.split("\n"))
    assert not any(line.startswith("# title") for line in page.split("\n"))
    # the text has runs of one and two backticks: in a fence of two, it would break out
    assert "``` `` ` <script>\\x1b[2J\\n# title\\u202e" in page
    json.dumps(asdict(found), allow_nan=False)


def test_a_folder_without_completions_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no completions: neither rollouts/"):
        audit(tmp_path)
