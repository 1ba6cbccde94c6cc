"""Settings by name, from the words of a command: flags of argparse and tyro, and overrides of Hydra.

Consumes words; produces values as YAML would read them: numbers, booleans, None, lists, texts. It knows no library's
settings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
_WORDS = {"true": True, "false": False, "null": None, "none": None, "~": None}
_OVERRIDE = re.compile(r"\+{0,2}([A-Za-z_][\w.@/-]*)=(.*)", re.S)


MOST_DEPTH = 50


def is_deep(text: str) -> bool:
    """Tells whether more brackets stand open at once than settings have; PyYAML's time grows with their square."""
    depth = most = 0
    for character in text:
        depth = max(0, depth + {"[": 1, "{": 1, "]": -1, "}": -1}.get(character, 0))
        most = max(most, depth)
    return most > MOST_DEPTH


def scalar(text: str) -> Any:
    """The value that a text means: a number, a boolean, None, or the text itself.

    YAML alone would not do: PyYAML takes 1e-6, without a dot, for a text.
    """
    if _NUMBER.fullmatch(text):
        return int(text) if re.fullmatch(r"[-+]?\d+", text) and len(text) < 20 else float(text)
    return _WORDS.get(text.lower(), text)


def flags(words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Settings given as `--name value ...`, `--name=value` or `--name`; the last one counts, and `-` in a name is `_`.

    Returns:
        the settings, and the words that belong to none.
    """
    given: dict[str, list[str]] = {}
    strays: list[str] = []
    values = strays
    for word in words:
        if word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            values = given[name.replace("-", "_")] = [value] if equals else []
        else:
            values.append(word)
    return {name: _flag(values) for name, values in given.items()}, strays


def _flag(values: list[str]) -> Any:
    if not values:
        return True
    return scalar(values[0]) if len(values) == 1 else [scalar(value) for value in values]


def overrides(words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Settings given as Hydra's `name=value`, `+name=value` or `++name=value`; the last one counts.

    Returns:
        the settings, and the words that are none.
    """
    given: dict[str, Any] = {}
    strays = []
    for word in words:
        found = _OVERRIDE.fullmatch(word)
        if found is None:
            strays.append(word)
        else:
            given[found[1]] = _of_hydra(found[2])
    return given, strays


def _of_hydra(text: str) -> Any:
    """A value in Hydra's grammar, which is close to YAML's in what scripts use."""
    if text[:1] in ("[", "{", "'", '"') and not is_deep(text):
        try:
            return refined(yaml.safe_load(text))
        except (yaml.YAMLError, RecursionError, ValueError):
            return text
    return scalar(text)


def refined(value: Any) -> Any:
    """A value of YAML, in which texts that are written as numbers are numbers."""
    if isinstance(value, str):
        return scalar(value) if _NUMBER.fullmatch(value) else value
    if isinstance(value, list):
        return [refined(each) for each in value]
    if isinstance(value, dict):
        return {str(name): refined(each) for name, each in value.items()}
    return value
