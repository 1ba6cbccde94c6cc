"""JSON texts: parsed to the last digit, and written from whatever a record holds.

A number with a fraction becomes a `Decimal`, and is written as it was. A name that an object has twice is refused:
nobody knows which of the two values counts. Python's own notation (`[{'role': 'user'}]`) is read too, since tables
write lists and objects into CSV so.
"""

from __future__ import annotations

import ast
import datetime
import json
from collections.abc import Mapping
from decimal import Decimal
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

import numpy as np

from seed_grpo.data.values import BadRecordError


class _Doubled(dict[str, Any]):
    """An object that had a field twice, which is told once it is known whose record it is."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.field = max(names, key=names.count)


def parse_json(text: str) -> Any:
    """Parses a JSON text.

    Raises:
        BadRecordError: it is not JSON, has a field twice, or is too deep or too long.
    """
    value = parse_records(text)
    check_fields(value)
    return value


def check_fields(value: Any) -> None:
    """Refuses what has a field twice, at any depth.

    Raises:
        BadRecordError: names the field.
    """
    try:
        _check_fields(value)
    except RecursionError as error:
        raise BadRecordError(f"is JSON that is too deep or too long to read ({error})") from error


def _check_fields(value: Any) -> None:
    if isinstance(value, _Doubled):
        raise BadRecordError(f"has the field {value.field!r} twice")
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, dict | list):
                _check_fields(item)


def parse_records(text: str) -> Any:
    """Parses a JSON text, whose records are yet to be checked with `check_fields`.

    Raises:
        BadRecordError: it is not JSON, or is too deep or too long.
    """
    try:
        return json.loads(text, parse_float=Decimal, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        raise BadRecordError(f"is not JSON ({error.msg}, {line}column {error.colno})") from error
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits, nesting without end
        raise BadRecordError(f"is JSON that is too deep or too long to read ({error})") from error


def parse_written(text: str) -> Any:
    """Parses a text that holds JSON, or a list or object in Python's notation.

    Raises:
        BadRecordError: it is neither; says why it is not JSON.
    """
    try:
        return parse_json(text)
    except BadRecordError as error:
        try:
            return ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise error from None


def write_json(value: Any) -> str:
    """Writes a value as JSON. Dates become text, NaN becomes null, and what JSON has not (bytes, infinity) becomes a
    placeholder such as `"<17 bytes>"`.

    Raises:
        BadRecordError: it is nested without end.
    """
    try:
        return _written(value)
    except RecursionError as error:
        raise BadRecordError(f"is nested too deep ({error})") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Doubled(pairs)


def _written(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{quoted(str(name))}: {_written(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple | set | np.ndarray):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, float | np.floating | Decimal):
        return _number(value)
    if value is None or isinstance(value, int):
        return json.dumps(value)
    if isinstance(value, datetime.date | datetime.time):
        return quoted(value.isoformat())
    if isinstance(value, bytes):
        return f'"<{len(value)} bytes>"'
    return quoted(f"<{type(value).__name__}>")


def _number(value: float | np.floating | Decimal) -> str:
    if value != value:
        return "null"
    if value in (float("inf"), float("-inf")):
        return '"<infinity>"' if value > 0 else '"<-infinity>"'
    return str(value)
