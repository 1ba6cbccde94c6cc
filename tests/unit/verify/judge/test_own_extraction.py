"""An extraction of the user's own, in the bounded process: whatever it does is a verdict on one completion."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seed_grpo.config.sections import VerifierConfig
from seed_grpo.errors import VerifierError
from seed_grpo.messages import Verdict
from seed_grpo.verify.judge import Judge

TESTS = Path(__file__).parents[3]


def test_what_it_finds_is_the_answer_and_its_faults_are_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS), prepend=os.pathsep)
    judge = Judge(VerifierConfig(extraction="support.own_functions:last_word", judge_timeout=1.0))
    texts = ["it is 2", "it is 3", "", "  ", "hang", "raise", "a number", "x" * 1_000_000 + " 2", "\ud800 2"]
    judged = [each.judgement for each in judge.judge(texts, ["2"])]
    judge.close()
    assert [each.verdict for each in judged] == [
        Verdict.CORRECT, Verdict.INCORRECT, Verdict.NO_ANSWER, Verdict.NO_ANSWER, Verdict.TIMED_OUT,
        Verdict.VERIFIER_ERROR, Verdict.VERIFIER_ERROR, Verdict.CORRECT, Verdict.CORRECT,
    ]  # fmt: skip
    assert [each.answer for each in judged] == ["2", "3", None, None, None, None, None, "2", "2"]
    assert "KeyError: 'own fault' (own_functions.py, line" in judged[5].rule
    assert "returned int, not a text or None" in judged[6].rule


def test_one_that_cannot_be_imported_is_told_by_name() -> None:
    judge = Judge(VerifierConfig(extraction="absent_module:f"))
    with pytest.raises(VerifierError, match=r"absent_module:f: there is no module 'absent_module'; add its file"):
        judge.judge(["2"], ["2"])
    judge.close()
