"""Hints about a set of problems, where they are said, and the alarm of first steps without reward."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seed_grpo.commands import doctor
from seed_grpo.commands.console import Page
from seed_grpo.commands.train import check_unchanged
from seed_grpo.config import Config
from seed_grpo.data import mixture
from seed_grpo.data import survey as surveyed
from seed_grpo.data.mixture import prompt_source
from seed_grpo.data.prompts import PromptSet
from seed_grpo.data.survey import survey
from seed_grpo.errors import CheckpointError, ConfigError
from seed_grpo.evaluate.held_out import check_recorded
from seed_grpo.loop.batch import OpenGroups
from seed_grpo.messages import FinishReason, JudgedGroup, Problem, Verdict
from seed_grpo.records.files import write_table
from seed_grpo.records.first_rewards import FirstRewards
from seed_grpo.records.rollout_table import rollout_rows, schema
from seed_grpo.runtime.checkpoints import Checkpoints
from support.judged_group import judged_group


def problem(identity: str, text: str, *answers: str) -> Problem:
    return Problem(identity, text, answers or ("5",))


def config(**changes: Any) -> Config:
    tree: dict[str, Any] = {
        "run": {"directory": "unused", "steps": 20},
        "model": {"path": "unused"},
        "data": {"source": "mine.jsonl"},
        "rollout": {"prompts_per_step": 1, "completions_per_prompt": 3},
    }
    return Config.model_validate(tree | changes)


def test_a_set_without_oddities_needs_no_hint() -> None:
    good = [problem("a", "x", "5"), problem("b", "y", r"\frac{1}{2}"), problem("c", "z", "odd", "1")]
    assert survey(good, "math") == []


def test_references_of_bare_words_are_counted_and_one_is_named() -> None:
    # the last has one alternative that is mathematics
    texts = ["So she has 5 apples.", r"\text{Tuesday}", "5 apples", "7"]
    problems = [problem(f"p{i}", f"x{i}", text) for i, text in enumerate(texts)]
    (said,) = survey([*problems, problem("p9", "x9", "odd", "1")], "math")
    assert said.startswith("2 of 5 problems have a reference of bare words")
    assert "'So she has 5 apples.' of 'p0'" in said and "data.columns.answer" in said
    assert survey(problems, "text") == []


def test_prose_that_reads_as_a_product_of_letters_is_prose() -> None:
    # as mathematics: a list of `so` 3+4=7 and 7 `answer`; y times e times s would be mathematics
    problems = [problem("a", "x", "so 3+4=7, answer 7"), problem("b", "y", "yes"), problem("c", "z", "e^{it}")]
    (said,) = survey([*problems, problem("d", "w", r"x = 5 \text{ or } x = 6")], "math")
    assert said.startswith("2 of 4 problems have a reference of bare words")


def test_of_a_large_set_the_first_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surveyed, "LOOKED_AT", 2)
    problems = [problem(f"p{i}", f"x{i}", "odd") for i in range(3)]
    assert survey(problems, "math")[0].startswith("2 of the first 2 problems")


def test_a_text_that_comes_again_is_counted_and_named() -> None:
    problems = [problem("a", "one  and one"), problem("b", "one and\none"), problem("c", "other")]
    (said,) = survey(problems, "math")
    assert said.startswith("1 of 3 problems have the text of an earlier one, such as 'b' that of 'a':")
    hundred = [problem(str(i), "the same") for i in range(100)]
    assert survey(hundred, "math")[0].startswith("99 of 100 problems have the text of an earlier one")


def test_other_references_of_the_same_text_are_named_as_worse() -> None:
    problems = [problem("a", "x"), problem("b", "x"), problem("c", "x", "6")]
    (said,) = survey(problems, "math")
    assert "2 of 3" in said and "1 of them with OTHER references, such as '6' and '5'" in said
    assert "such as 'c' that of 'a'" in said


def test_one_question_in_two_conversations_is_two_prompts() -> None:
    asked = [replace(problem(name, "x"), turns=(("system", name), ("user", "x"))) for name in ("a", "b", "a ")]
    (said,) = survey(asked, "math")
    assert said.startswith("1 of 3 problems have the text of an earlier one, such as 'a ' that of 'a'")


class Set:
    """Prompts in the place of files and a tokenizer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *problems: Problem) -> None:
        prompts = PromptSet([(each, (1, 2)) for each in problems], 0, 0, taken="read as plain")
        monkeypatch.setattr(mixture, "load_prompts", lambda data, tokenizer: prompts)
        monkeypatch.setattr(doctor, "load_policy_tokenizer", lambda config: ["a", "b", "c"])
        monkeypatch.setattr(doctor, "check_model", lambda config, tokenizer: "")
        monkeypatch.setattr(doctor, "shown", lambda prompt_ids, tokenizer: ["the first prompt"])
        monkeypatch.setattr(doctor, "check_versions", lambda config: "")
        monkeypatch.setattr(doctor, "check_machine", lambda config: "")


def test_doctor_and_the_start_of_a_run_say_the_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    Set(monkeypatch, problem("a", "x", "So she has 5 apples."), problem("b", "x", "6"))
    notes = doctor.prepare(config()).notes
    assert [note.partition(" problems ")[0] for note in notes] == ["mine.jsonl: 1 of 2"] * 2
    out = io.StringIO()
    page = Page(lambda line: print(line, file=out))
    doctor.diagnose(config(), page)
    lines = out.getvalue().splitlines()
    (data,) = [number for number, line in enumerate(lines) if line.startswith("  ok     data")]
    assert page.well
    taken = ["         read as plain", *(f"         note: {note}" for note in notes)]
    assert lines[data + 1 : data + 4] == taken


@pytest.mark.parametrize("name", ["file", "file/below", "x" * 300], ids=["file", "below", "long"])
def test_a_run_directory_that_cannot_be_is_refused_before_anything(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"run\.directory=.*choose another"):
        doctor.check_directory(config(run={"directory": tmp_path / name, "steps": 1}))
    there = config(run={"directory": tmp_path / "neu ü" / "deep", "steps": 1})
    assert doctor.check_directory(there) == str(tmp_path / "neu ü" / "deep")


def unrewarded(group_id: int = 0, verdict: Verdict = Verdict.INCORRECT, end: FinishReason = FinishReason.STOP) -> Any:
    """Three completions that earned nothing."""
    made = judged_group(group_id)
    completions = tuple(replace(each, finish_reason=end) for each in made.group.completions_G)
    return replace(
        made,
        group=replace(made.group, completions_G=completions),
        judgements_G=tuple(replace(each, verdict=verdict, answer=None) for each in made.judgements_G),
        rewards_G=np.zeros(3, dtype=np.float32),
    )


def said(watch: FirstRewards, *groups: JudgedGroup, steps: int = 1) -> list[str | None]:
    return [watch.step(groups) for _ in range(steps)]


def test_unrewarded_first_steps_are_reported_and_again_at_twice_as_many() -> None:
    messages = said(FirstRewards(config()), unrewarded(), steps=13)
    assert [step for step, message in enumerate(messages, 1) if message] == [3, 6, 12]
    assert messages[2] is not None and messages[2].startswith("NO GRADIENT YET: in no group of the first 3 steps")
    assert "rewards of 9 completions: 0 to 0" in messages[2]
    assert "verdicts: 9 incorrect" in messages[2] and "ends: 9 stop" in messages[2]
    assert "references that no answer can equal" in messages[2]


def test_one_group_of_different_rewards_silences_the_alarm_for_good() -> None:
    watch = FirstRewards(config())
    assert said(watch, unrewarded(), steps=2) == [None, None]
    assert said(watch, unrewarded(), judged_group(1)) == [None]
    assert said(watch, unrewarded(), steps=50) == [None] * 50


def test_rewards_that_are_all_the_same_give_no_gradient_and_alarm() -> None:
    made = unrewarded(verdict=Verdict.CORRECT)
    right = replace(made, rewards_G=np.ones(3, dtype=np.float32), valid_G=np.ones(3, dtype=bool))
    message = said(FirstRewards(config()), right, steps=3)[-1]
    assert message and "rewards of 9 completions: 1 to 1" in message and "too easy" in message


def test_a_run_of_one_step_is_watched_too() -> None:
    (message,) = said(FirstRewards(config(run={"directory": "unused", "steps": 1})), unrewarded())
    assert message


def test_the_alarm_names_the_likely_cause() -> None:
    causes = {
        (Verdict.NO_ANSWER, FinishReason.STOP): "verifier.extraction=boxed",
        (Verdict.NO_ANSWER, FinishReason.LENGTH): "rollout.max_completion_tokens=3000",
        (Verdict.TIMED_OUT, FinishReason.STOP): "judging fails",
    }
    for (verdict, end), cause in causes.items():
        message = said(FirstRewards(config()), unrewarded(verdict=verdict, end=end), steps=3)[-1]
        assert message and cause in message and "references that no answer" not in message
        assert "For example problem" in message and "a completion has no answer and ends in" in message


def test_the_alarm_names_rewards_that_fail_or_say_nothing() -> None:
    made = unrewarded(verdict=Verdict.VERIFIER_ERROR)
    message = said(FirstRewards(config()), replace(made, fault="the reward judge failed: down"), steps=3)[-1]
    assert message and "rewards fail, on 3 of 3 groups" in message and "judging fails" not in message
    label_free = config(verifier={"rewards": [{"use": "agreement"}, {"use": "own:brief"}]})
    message = said(FirstRewards(label_free), unrewarded(verdict=Verdict.CORRECT), steps=3)[-1]
    assert message and "agreement, brief reward all completions of a problem alike" in message
    assert "too easy" not in message and "references" not in message


class Unwriting:
    """A trainer with nothing to save."""

    def save(self, folder: Path) -> None:
        (folder / "rank_0").write_text("")


def test_changed_training_problems_are_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = config(run={"directory": tmp_path, "steps": 20})
    Set(monkeypatch, problem("a", "x"), problem("b", "y"))
    prepared = doctor.prepare(own)
    check_unchanged(own, prepared)  # no checkpoint yet
    state = {"prompts": prompt_source(prepared.train, seed=0).state()}
    Checkpoints(tmp_path / "checkpoints", 1).save(1, state, OpenGroups([], []), Unwriting())  # type: ignore[arg-type]
    check_unchanged(own, prepared)
    Set(monkeypatch, problem("a", "x"), problem("b", "y", "6"))
    with pytest.raises(CheckpointError, match="changed under its name"):
        check_unchanged(own, doctor.prepare(own))


def of(asked: Problem, judged: JudgedGroup) -> JudgedGroup:
    return replace(judged, group=replace(judged.group, task=replace(judged.group.task, problem=asked)))


def test_a_changed_held_out_problem_is_refused_after_an_evaluation(tmp_path: Path) -> None:
    groups = [of(problem(f"p{i}", f"x{i}"), judged_group(i)) for i in range(2)]
    prompts = [(group.group.task.problem, group.group.task.prompt_ids) for group in groups]
    check_recorded(tmp_path, prompts)  # nothing on record
    write_table(tmp_path / "step_000000.parquet", list(rollout_rows(0, groups, {})), schema())
    check_recorded(tmp_path, prompts)
    # the same problem under another template, as when a Jinja file was edited
    with pytest.raises(ConfigError, match=r"p1 is now, or another text or prompt of it: .* data\.template"):
        check_recorded(tmp_path, [prompts[0], (prompts[1][0], (*prompts[1][1], 9))])
    changed = (replace(prompts[1][0], answers=("another",)), prompts[1][1])
    with pytest.raises(ConfigError, match=r"at place 1 of evaluation\.data.*changed under its name.*run\.directory"):
        check_recorded(tmp_path, [prompts[0], changed])
    with pytest.raises(ConfigError, match="nothing is now"):
        check_recorded(tmp_path, prompts[:1])
