"""The relation `exact`, and relations of the user's own."""

import itertools
import os
from pathlib import Path

import pytest

from seed_grpo.config.sections import VerifierConfig
from seed_grpo.errors import ConfigError
from seed_grpo.messages import Verdict
from seed_grpo.semantics.partition import partition
from seed_grpo.verify.judge import Judge
from support.judging import said, same

LONG = 20.0
"""seconds that nothing here needs"""


def test_the_exact_relation_keeps_spellings_apart():
    judge = Judge(VerifierConfig(relation="exact"))
    assert same(judge, " 0.5 ", "0.5") and same(judge, "a  b", "a b")
    assert not same(judge, "0.5", "1/2")


@pytest.fixture
def judge(monkeypatch):
    """Makes judges whose bounded processes can import the tests' own functions, and closes them."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=os.pathsep)
    judges = []

    def make(name, **settings):
        config = VerifierConfig(relation=f"support.own_functions:{name}", **{"judge_timeout": LONG, **settings})
        judges.append(Judge(config))
        return judges[-1]

    yield make
    for each in judges:
        each.close()


def classes(judge, *answers):
    judged = judge.judge_answers(answers, ["reference"])
    return partition([each.form for each in judged], judge.same).tolist()


def test_answers_of_equal_forms_mean_the_same(judge):
    own = judge("lower")
    assert said(own, "AbC", "aBc") is Verdict.CORRECT and said(own, "ab", "abc") is Verdict.INCORRECT
    assert classes(own, "A", "b", "a", "B", "c") == [0, 1, 0, 1, 2]


def test_a_relation_of_two_answers_is_made_symmetric(judge):
    """`begins` says that ab means abc, and not the reverse. Asked in one order alone, half of these would differ."""
    own = judge("begins")
    assert said(own, "abc", "ab") is said(judge("begins"), "ab", "abc") is Verdict.CORRECT
    assert said(own, "abc", "abd") is Verdict.INCORRECT
    for order in itertools.permutations(["ab", "abc", "x", "xy"]):
        ids = dict(zip(order, classes(judge("begins"), *order), strict=True))
        assert ids["ab"] == ids["abc"] != ids["x"] == ids["xy"], order


@pytest.mark.parametrize("name", ["form_by_text", "begins"])
def test_an_own_relation_that_fails_is_a_verdict_of_its_own(judge, name):
    own = judge(name, judge_timeout=0.3)
    assert said(own, "hang", "a") is Verdict.TIMED_OUT
    assert said(own, "raise", "a") is Verdict.VERIFIER_ERROR
    assert said(own, "a", "ab") is (Verdict.CORRECT if name == "begins" else Verdict.INCORRECT)  # it serves on
    # in a partition, they stay apart from others
    assert said(own, "a", "a") is Verdict.CORRECT


def test_a_form_that_is_no_text_is_a_fault(judge):
    (judged,) = judge("form_by_text").judge_answers(["number"], ["a"])
    assert judged.judgement.verdict is Verdict.VERIFIER_ERROR
    assert "returned int, not a text, as a form" in judged.judgement.rule


@pytest.mark.parametrize(
    ("name", "message"),
    [("three", "takes 3 positional arguments"), ("absent", "has no 'absent'"), ("time", "which is no function")],
)
def test_what_is_no_relation_is_refused(judge, name, message):
    with pytest.raises(ConfigError, match=message):
        judge(name)
