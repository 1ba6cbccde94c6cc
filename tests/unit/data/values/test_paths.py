"""Values of a record by their path."""

from __future__ import annotations

import pytest

from seed_grpo.data.values import BadRecordError
from seed_grpo.data.values.paths import MissingError, value_at, value_or_none

RECORD = {
    "a": {"b": {"c": 1}, "b.c": 2, "list": [{"x": 3}, {"x": 4}]},
    "a.b": {"c": 5},
    "json": '{"b": [10, 0.10]}',
    "python": "{'b': [True, None]}",
    "none": None,
    "zero": 0,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("zero", 0),
        ("a.b.c", 5),  # the name `a.b` wins over the path
        ("a.list.0.x", 3),
        ("a.list.-1.x", 4),
        ("json.b.0", 10),
        ("python.b.0", True),
    ],
)
def test_a_path_finds_its_value(path: str, value: object) -> None:
    assert value_at(RECORD, path) == value


def test_a_name_with_dots_wins_inside_an_object_too() -> None:
    assert value_at({"a": RECORD["a"]}, "a.b.c") == 2


def test_a_number_of_json_in_a_text_keeps_its_digits() -> None:
    assert str(value_at(RECORD, "json.b.1")) == "0.10"


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("q", "there are: a, a.b, json, python, none, zero"),
        ("none", "'none' is null"),
        ("none.b", "'none' is null"),
        ("a.q", "in 'a' there are: b, b.c, list"),
        ("a.list.2.x", "'a.list' is a list of 2"),
        ("a.list.-3.x", "'a.list' is a list of 2"),
        ("python.b.1", "'python.b' is a list of 2"),
    ],
)
def test_what_is_missing_is_said_with_what_is_there(path: str, there: str) -> None:
    with pytest.raises(MissingError, match="is missing") as caught:
        value_at(RECORD, path)
    assert f"field {path!r} is missing (" in str(caught.value) and there in str(caught.value)
    assert value_or_none(RECORD, path) is None and value_or_none(RECORD, None) is None


def test_a_path_into_a_number_is_malformed_and_not_missing() -> None:
    with pytest.raises(BadRecordError, match="leads into 'zero', which holds int"):
        value_or_none(RECORD, "zero.b")
