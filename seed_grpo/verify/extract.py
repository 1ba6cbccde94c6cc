r"""Where the final answer stands in a completion.

Consumes a completion's text and a style; produces the answer as written, or None. It does not parse the answer. Only
the end of a long text is looked at, and every scan is linear, so hostile text costs no more than any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable

MAX_COMPLETION_CHARS = 100_000
"""characters at the end of a completion that are looked at"""

_BRACES = re.compile(r"(?P<box>\\f?boxed\s{0,8}\{)|(?P<bare>\\boxed\s{1,8}(?P<token>[^\s{}$\\]{1,100}))|\\.|[{}]", re.S)
_TAG = re.compile(r"</?answer>", re.I)
_PHRASE = re.compile(r"####|\banswer(?: is|\s?:)(?: :)?", re.I)
_MATH = re.compile(r"\$\$?([^$]+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]")
_NUMBER = re.compile(r"(?:(?<![\w.)\]}])-)?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+|/\d+)?%?", re.A)


def boxed(text: str) -> str | None:
    r"""The content of the `\boxed{...}` that is closed last, the outermost where they nest.

    A box that is never closed was cut off: what stands in it is no answer. Escaped braces do not count.
    """
    answer = None
    openings: list[int | None] = []
    for match in _BRACES.finditer(text):
        token = match.group()
        if match.group("box"):
            openings.append(match.end())
        elif match.group("bare"):
            answer = match.group("token")
        elif token == "{":
            openings.append(None)
        elif token == "}" and openings:
            start = openings.pop()
            answer = text[start : match.start()] if start is not None else answer
    return answer


def answer_tag(text: str) -> str | None:
    """The content of the last whole `<answer>...</answer>`, and of the box in it if there is one."""
    answer, start = None, None
    for match in _TAG.finditer(text):
        if match.group()[1] != "/":
            start = match.end()
        elif start is not None:
            answer, start = text[start : match.start()], None
    if answer is None:
        return None
    return boxed(answer) or answer


def last_number(text: str) -> str | None:
    """The last number: digits with thousands separators, decimals, a plain fraction; a sign that is no minus."""
    numbers = _NUMBER.findall(text)
    return numbers[-1] if numbers else None


def phrase(text: str) -> str | None:
    """What follows the last `#### ` or `answer is` on its line: the mathematics in it if there is any."""
    end = max((match.end() for match in _PHRASE.finditer(text)), default=None)
    if end is None:
        return None
    line = text[end:].strip().split("\n", 1)[0]
    mathematics = _MATH.search(line)
    if mathematics:
        return next(group for group in mathematics.groups() if group is not None)
    return re.split(r"\.(?:\s|$)", line, maxsplit=1)[0]


def auto(text: str) -> str | None:
    """The first of the other styles that finds an answer, the most explicit first."""
    for style in (boxed, answer_tag, phrase, last_number):
        answer = style(text)
        if answer is not None and answer.strip():
            return answer
    return None


STYLES: dict[str, Callable[[str], str | None]] = {
    "boxed": boxed,
    "answer_tag": answer_tag,
    "last_number": last_number,
    "auto": auto,
}
"""By `verifier.extraction`."""


def extract_answer(completion: str, style: str) -> str | None:
    """The final answer of a completion as written, or None; an empty one is none.

    Args:
        completion: the whole text; its last 100,000 characters are looked at.
        style: a key of `STYLES`.
    """
    answer = STYLES[style](completion[-MAX_COMPLETION_CHARS:])
    return (answer.strip() or None) if answer is not None else None
