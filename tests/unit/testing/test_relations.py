"""`check_relation` passes relations that keep the contract, and says of others what does not hold."""

import re
from pathlib import Path
from typing import Any

import pytest

from seed_grpo.testing import check_relation

OWN = """
import time

def caseless(answer):
    return answer.casefold()

def near(first, second):
    return first == second or abs(len(first) - len(second)) == 1

def bare(answer):
    return answer.strip("$") if answer != "(" else 1 / 0

def number(answer):
    return 7

def never(first, second):
    return False

def slow(first, second):
    time.sleep(60)

def three(first, second, third):
    return True
"""
SHORT = {"judge_timeout": 2.0}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that this process alone can import, as with pytest's own `pythonpath`."""
    (tmp_path / "checked_relations.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)


def test_sound_relations_pass(own: None) -> None:
    check_relation("exact", equal=[("a  b", "a b")], unequal=[("1/2", "0.5")])
    import checked_relations  # type: ignore[import-not-found]

    check_relation(checked_relations.caseless, equal=[("Fe", "FE")], unequal=[("Fe", "Fa")])
    check_relation("checked_relations:near", equal=[("a", "ab")], unequal=[("a", "abc")])


@pytest.mark.parametrize(
    ("name", "further", "message"),
    [
        (
            "caseless",
            {"equal": [("a", "b")]},
            r"says incorrect of 'a' against 'b' \(.*; read as 'form a'\), and correct is right",
        ),
        ("caseless", {"unequal": [("a", "A")]}, r"says correct of 'a' against 'A' .* and incorrect is right"),
        ("bare", {}, r"failed on '\(': .*ZeroDivisionError.*return the text itself where it is no answer"),
        ("number", {}, "returned int, not a text, as a form"),
        ("slow", {"texts": ["a", "b"]}, "has no verdict on '.*' against '.*': timed_out"),
        ("three", {}, "takes 3 positional arguments; write a function of one answer"),
        ("gone", {}, "checked_relations has no 'gone'"),
    ],
)
def test_a_broken_relation_is_told_by_what_it_did(own: None, name: str, further: dict[str, Any], message: str) -> None:
    with pytest.raises(AssertionError) as raised:
        check_relation(f"checked_relations:{name}", SHORT, **further)
    assert re.search(message, str(raised.value)), raised.value


def test_a_function_that_no_other_process_finds_is_refused() -> None:
    with pytest.raises(
        AssertionError, match=r"cannot be imported by its name: .* write it into a file, at the top level"
    ):
        check_relation(lambda answer: answer)
