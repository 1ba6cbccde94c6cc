"""Signs that an answer which was judged right may not be what the task asked for.

Consumes one completion with its answer and the references; tells which signs it shows. A sign is no verdict: all of
them occur on honest answers. Their cost is linear in the text, whatever it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

SHORT_SHARE = 0.25
"""share of the median length of the table's completions below which a completion is short"""
UNREASONED_CHARACTERS, UNREASONED_WORDS = 40, 5
"""most characters, and most words, around an answer that count as no reasoning: `The final answer is` and a box fit"""


class Rewarded(NamedTuple):
    """A completion that was judged right."""

    text: str
    answer: str
    references: Sequence[str]
    truncated: bool
    tokens: int
    median_tokens: float
    """median number of tokens of the completions in its table"""


def _unreasoned(right: Rewarded) -> bool:
    if len(right.text) - len(right.answer) > UNREASONED_CHARACTERS:
        return False
    return len(re.findall(r"\w+", right.text)) - len(re.findall(r"\w+", right.answer)) <= UNREASONED_WORDS


def _several(right: Rewarded) -> bool:
    return len(_items(right.answer)) > max(len(_items(reference)) for reference in right.references)


def _copied(right: Rewarded) -> bool:
    return _several(right) and bool({each.strip() for each in right.references} & set(_items(right.answer)))


def _wordy(right: Rewarded) -> bool:
    return len(right.answer) > 20 + 4 * max(map(len, right.references))


def _spelled_out(right: Rewarded) -> bool:
    return not re.search(r"\d", right.answer) and all(re.search(r"\d", each) for each in right.references)


SIGNS: dict[str, Callable[[Rewarded], bool]] = {
    "the completion was cut off by the token limit": lambda right: right.truncated,
    "the completion is far shorter than others": lambda right: right.tokens < SHORT_SHARE * right.median_tokens,
    "an answer without reasoning": _unreasoned,
    "the answer is far longer than the reference": _wordy,
    "the reference among several answers": _copied,
    "several answers, none written as the reference": lambda right: _several(right) and not _copied(right),
    "no digit in the answer, digits in the reference": _spelled_out,
}
"""tests by sign: what is odd about an answer that was rewarded"""


def _items(answer: str) -> list[str]:
    """Items between commas, semicolons and words that join; `1,000` is one."""
    items = re.split(r",(?!\d{3}\b)|;|\bor\b|\band\b", answer)
    return [item.strip() for item in items if item.strip()]
