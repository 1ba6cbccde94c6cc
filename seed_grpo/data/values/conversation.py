"""Conversations: lists of chat messages, in the notations that data sets have.

    [{"role": "user", "content": "1+1="}]                                the common one
    [{"role": "user", "content": [{"type": "text", "text": "1+1="}]}]    its content in parts
    [{"from": "human", "value": "1+1="}]                                 ShareGPT
    {"role": ["user"], "content": ["1+1="]}                              a `Sequence` of older `datasets`
    any of these as a JSON text

Consumes a value of a record; produces (role, content) of each turn, with LaTeX mended as in any text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from seed_grpo.data.escapes import mended
from seed_grpo.data.values import BadRecordError, check_unicode
from seed_grpo.data.values.json_text import parse_written

Turns = tuple[tuple[str, str], ...]
"""(role, content) of each turn"""
ROLES = ("system", "developer", "user", "assistant", "tool")
SPEAKERS = {"human": "user", "gpt": "assistant"}
"""roles of ShareGPT's speakers, where the two differ"""
_KEYS = (("role", "content"), ("from", "value"))
_WRITTEN = re.compile(r"""\s*(?:\[\s*)?\{\s*['"](?:role|content|from|value)['"]\s*:""")
"""beginning of a conversation as a text"""


def conversation(value: Any, field: str) -> Turns | None:
    """The turns of a value; None where it is no conversation.

    Raises:
        BadRecordError: it is one, and malformed.
    """
    if isinstance(value, str) and _WRITTEN.match(value):
        try:
            value = parse_written(value)
        except BadRecordError as error:
            raise BadRecordError(f"field {field!r} holds messages as a text that {error}") from error
    if isinstance(value, Mapping):
        value = _transposed(value)
    if not isinstance(value, list) or not any(isinstance(item, Mapping) for item in value):
        return None
    return tuple(_turn(item, f"{field}.{place}") for place, item in enumerate(value))


def _transposed(columns: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Messages of an object of lists; None where it is none."""
    for keys in _KEYS:
        lists = [each for key in keys if isinstance(each := columns.get(key), list)]
        if len(lists) == len(keys) and len(set(map(len, lists))) == 1:
            return [dict(zip(keys, message, strict=True)) for message in zip(*lists, strict=True)]
    return None


def _turn(message: Any, field: str) -> tuple[str, str]:
    if not isinstance(message, Mapping):
        raise BadRecordError(f"field {field!r} holds {type(message).__name__}, not a message of role and content")
    role_key, content_key = next((keys for keys in _KEYS if message.get(keys[0]) is not None), _KEYS[0])
    for key in (role_key, content_key):
        if message.get(key) is None:
            raise BadRecordError(f"field '{field}.{key}' is missing (there are: {', '.join(map(str, message))})")
    role = SPEAKERS.get(message[role_key], message[role_key]) if isinstance(message[role_key], str) else None
    if role not in ROLES:
        raise BadRecordError(
            f"field '{field}.{role_key}' is {message[role_key]!r:.80}, which is no role ({', '.join(ROLES)}; "
            f"{', '.join(SPEAKERS)})"
        )
    if message.get("tool_calls"):
        raise BadRecordError(f"field '{field}.tool_calls' holds calls of tools, which prompts cannot have")
    return role, mended(_content(message[content_key], f"{field}.{content_key}"))


def _content(value: Any, field: str) -> str:
    parts = value if isinstance(value, list) else [value]
    texts = [_part(part, f"{field}.{place}") if isinstance(part, Mapping) else part for place, part in enumerate(parts)]
    for text in texts:
        if not isinstance(text, str):
            raise BadRecordError(f"field {field!r} holds {type(text).__name__}, not text")
        check_unicode(text, field)
    return "".join(texts)


def _part(part: Mapping[str, Any], field: str) -> Any:
    if part.get("type", "text") != "text" or part.get("text") is None:
        raise BadRecordError(f"field {field!r} is a part of type {part.get('type')!r}; only parts of text are read")
    return part["text"]
