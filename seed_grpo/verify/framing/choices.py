r"""Options of multiple choice: `(D) 12`, `\textbf{(D)}\ 144`, `D) 12`, `option D`.

Consumes a tidy answer; produces the letter and the text of its value, empty where the letter stands alone. Letters are
A to H and J, as tests print them (an I would be taken for 1). A capital in front of a value is an option only where its
mark says so, a bracket, a full stop or a colon: `D 12` is a product. Parts of an answer, `(A) 3, (B) 4`, are none.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_LETTER = r"(?P<letter>[A-HJ])"
_TEXT = r"\\(?:text(?:bf|it|rm|sf|tt|up|normal)?|mbox|hbox|math(?:bf|rm|it|sf|tt)|boldsymbol|bm)\s?\{"
_GROUP = re.compile(rf"{_TEXT}(?P<content>(?:[^{{}}]|\{{[^{{}}]*\}})*)\}}")
_NAMED = re.compile(
    r"(?:the |my )?(?:(?:correct|right|final|best) )?(?:(?:answer|option|choice) ?)+(?:is )?[:=]? ?"
    r"(?:option |choice )?",
    re.I,
)
_MARK = re.compile(rf"\( ?{_LETTER} ?\)[:.]?")
_SET_OFF = re.compile(rf"{_LETTER}(?: ?\)|\.(?=\s|\Z)|:(?=\s+(?:[^a-zA-Z\s]|[a-zA-Z]{{2}})))")  # A: B is a ratio
_AFTER_NAME = re.compile(rf"{_LETTER}(?:[.:,](?=\s)|(?=\s|\Z))")
_ANY_MARK = re.compile(r"\( ?[A-HJ] ?\)|(?<![A-Za-z\\])[A-HJ][).:](?:\s|\Z)")
_GOES_ON = re.compile(
    r"[-+*/^_=<>!'|&%,;:)\]}]|and\b|or\b|\\(?:in|cup|cap|c?dot|times|to|le|ge|ne|lt|gt|text\{ ?(?:and|or)\b)"
)
"""pattern of text that goes on after the letter: it calculates with it, or continues a list"""
_BEHIND = re.compile(
    rf"(?P<value>.*\S)\s*,?\s*(?:\\(?:text|math)bf\s?\{{\s?\({_LETTER}\)\s?\}}"
    rf"|\((?i:option|choice|answer) {_LETTER.replace('letter', 'named')}\))"
)
"""bold, since 5 (J) is in joules"""


class Choice(NamedTuple):
    r"""An option that an answer names, e.g. `Choice("D", "144")` of `\textbf{(D)}\ 144`."""

    letter: str
    value: str
    """value of the choice; empty without one"""


def read_choice(tidied: str) -> Choice | None:
    """The option that an answer names, or None where it names none."""
    behind = _BEHIND.fullmatch(tidied)
    if behind is not None and not _ANY_MARK.search(behind["value"]):
        return Choice(behind["letter"] or behind["named"], behind["value"])
    text = _unwrapped(tidied)
    named = _NAMED.match(text)
    rest = text[named.end() :] if named else text
    mark = _MARK.match(rest) or _SET_OFF.match(rest) or (_AFTER_NAME.match(rest) if named else None)
    if mark is None:
        return None
    value = rest[mark.end() :]
    is_set_off = named is not None or mark.re is _SET_OFF or text != tidied or value[:1] == " "
    if _ANY_MARK.search(value) or not _is_value(value.strip(), is_set_off):
        return None
    return Choice(mark["letter"], value.strip())


def _unwrapped(text: str) -> str:
    r"""The text without the `\text{...}`, or one in another, that it begins with."""
    for _ in range(2):
        group = _GROUP.match(text)
        if group is not None:
            text = f"{group['content'].strip()} {text[group.end() :].strip()}".strip()
    return text


def _is_value(behind: str, is_set_off: bool) -> bool:
    """Checks whether what stands behind a letter's mark is the value of its option, or nothing."""
    if is_set_off and re.match(r"-[^\s-]", behind):  # (D) -12, but not (D) - 12
        return True
    return not _GOES_ON.match(behind)
