"""JSON texts, parsed and written."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal

import numpy as np
import pytest

from seed_grpo.data.values import BadRecordError
from seed_grpo.data.values.json_text import parse_json, parse_written, write_json


@pytest.mark.parametrize(
    "text",
    ["0.10", "1.0", "1E+3", "-0.0", "1E-400", "123456789012345678901234567890", '"\\ud800 \\u00e4"', "true", "null"],
)
def test_what_is_parsed_is_written_as_it_was(text: str) -> None:
    whole = f'{{"a": [{text}, {{"b": {text}}}]}}'
    assert write_json(parse_json(whole)) == whole


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("nan"), "null"),
        (np.float32("nan"), "null"),
        (float("-inf"), '"<-infinity>"'),
        (np.float32(0.1), "0.1"),
        (np.array([1, 2]).tolist(), "[1, 2]"),
        (b"abc", '"<3 bytes>"'),
        (datetime.date(2011, 1, 2), '"2011-01-02"'),
        (datetime.timedelta(1), '"<timedelta>"'),
        (Decimal("12.50"), "12.50"),
        ({1: ()}, '{"1": []}'),
    ],
)
def test_what_json_has_not_becomes_a_short_text(value: object, text: str) -> None:
    assert write_json(value) == text
    json.loads(text)


def test_a_nesting_without_end_is_malformed() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(BadRecordError, match="nested too deep"):
        write_json(deep)
    while deep:
        (deep,) = deep  # type: ignore[assignment]


def test_a_name_twice_is_malformed_wherever_it_is() -> None:
    with pytest.raises(BadRecordError, match="has the field 'b' twice"):
        parse_json('{"a": [{"b": 1, "c": 2, "b": 1}]}')


def test_python_notation_is_data_and_never_a_program() -> None:
    assert parse_written("[{'role': 'user', 'content': \"it's\"}]") == [{"role": "user", "content": "it's"}]
    for text in ("[print('x')]", "[{'a': __import__('os')}]", "[" * 10_000):
        with pytest.raises(BadRecordError, match="JSON"):
            parse_written(text)
