"""A value of a record by its path, such as `reward_model.ground_truth` or `messages.-1.content`.

Between dots stand names of an object, or places in a list, from its end where negative. A name that itself contains
dots wins over a path. Where a path leads into a text, the text is read as JSON. Null is no value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from seed_grpo.data.values import BadRecordError
from seed_grpo.data.values.json_text import parse_written

SHOWN = 40
"""characters of a text in a message"""
_PLACE = re.compile(r"-?\d{1,9}")


class MissingError(BadRecordError):
    """A record has nothing at a path; says what there is."""


def value_at(record: Mapping[str, Any], path: str) -> Any:
    """The value at a path.

    Raises:
        MissingError: there is none.
        BadRecordError: the path leads into something that is no object, no list and no JSON.
    """
    return _below(record, path.split("."), path, [])


def value_or_none(record: Mapping[str, Any], path: str | None) -> Any:
    """The value at a path that a record need not have."""
    if path is None:
        return None
    try:
        return value_at(record, path)
    except MissingError:
        return None


def _below(holder: Any, parts: Sequence[str], path: str, passed: list[str]) -> Any:
    if not parts:
        return holder
    above = ".".join(passed)
    if isinstance(holder, str):
        holder = _parsed(holder, path, above)
    if isinstance(holder, Mapping):
        for length in range(len(parts), 0, -1):
            name = ".".join(parts[:length])
            if holder.get(name) is not None:
                return _below(holder[name], parts[length:], path, [*passed, name])
        if parts[0] in holder:
            raise MissingError(f"field {path!r} is missing ({'.'.join([*passed, parts[0]])!r} is null)")
        inside = f"in {above!r} " if passed else ""
        raise MissingError(f"field {path!r} is missing ({inside}there are: {', '.join(map(str, holder)) or 'none'})")
    if not isinstance(holder, list):
        raise BadRecordError(f"field {path!r} leads into {above!r}, which holds {type(holder).__name__}, no object")
    if not _PLACE.fullmatch(parts[0]):
        raise BadRecordError(f"field {path!r} leads into {above!r}, which is a list, by {parts[0]!r}, no number")
    place = int(parts[0])
    if not -len(holder) <= place < len(holder) or holder[place] is None:
        raise MissingError(f"field {path!r} is missing ({above!r} is a list of {len(holder)})")
    return _below(holder[place], parts[1:], path, [*passed, parts[0]])


def _parsed(text: str, path: str, above: str) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        raise BadRecordError(f"field {path!r} leads into {above!r}, which holds the text {text[:SHOWN]!r}, no object")
    try:
        return parse_written(text)
    except BadRecordError as error:
        raise BadRecordError(f"field {path!r} leads into {above!r}, whose text {error}") from error
