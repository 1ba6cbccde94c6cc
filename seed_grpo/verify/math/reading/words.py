r"""Answers that are no mathematics: words, dates, times of day.

Consumes a tidy answer; produces a node, or None where it is none of these. Words are equal but for case, articles and
punctuation; a date is equal in every order that names its month.
"""

from __future__ import annotations

import re

from seed_grpo.verify.math.forms.nodes import Node

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTH = r"(?P<month>[a-z]{3})[a-z]{0,6}\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,?\s*(?P<year>\d{4}))?"
_DATES = (
    re.compile(rf"{_MONTH}\s+{_DAY}{_YEAR}"),
    re.compile(rf"(?:the )?{_DAY}\s+(?:of )?{_MONTH}{_YEAR}"),
    re.compile(r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})"),
)
_CLOCK = re.compile(
    r"(?P<hour>\d{1,2}) ?(?:\{:\}|:) ?(?P<minute>\d{2})(?: ?: ?(?P<second>\d{2}))? ?(?P<half>[ap])?\.? ?(?(half)m)\.?"
)
_HOUR = re.compile(r"(?P<hour>\d{1,2}) ?(?P<half>[ap])\.? ?m\.?")
_TEXT = re.compile(r"\\(?:text|mbox|mathrm|operatorname)[a-z]*\s?\{([^{}]*)\}|\\text[a-z]*(?![a-zA-Z])")
NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_SHORT = {"yes", "no", "true", "false", "dne", "odd", "even"}
"""words that letter by letter would be products"""
_NO_SOLUTION = {
    "no solution",
    "no solutions",
    "no solution exists",
    "no solutions exist",
    "no real solutions",
    "no real solution",
    "empty set",
    "none",
}
_REALS = {"all real numbers", "all reals", "real numbers"}


def plain(text: str) -> str:
    r"""A text with `\text{...}` and the like taken off, white space, case and article aside: what a reader sees."""
    return re.sub(r"^(?:the|an|a) ", "", " ".join(_TEXT.sub(r" \1 ", text).split()).casefold().strip(" .,;:"))


def read_words(text: str) -> Node | None:
    """The node of an answer in words, a date or a time, or None where it is something else."""
    seen = plain(text)
    if not re.search(r"[a-z]{2}|[ap]\.|\d ?(?::|\{:\}) ?\d|\d-\d", seen):
        return None
    date = _date(seen)
    if date is not None:
        return "date", date
    clock = _clock(seen)
    if clock is not None:
        return "clock", clock
    if seen.strip("!") in _SHORT:
        return "words", seen.strip("!")
    if seen in NUMBERS:
        return "count", NUMBERS.index(seen)
    if seen in _NO_SOLUTION:
        return "set", ()
    if seen in _REALS:
        return "reals", ()
    for day in _WEEKDAYS:
        if seen in (day, day[:3]):
            return "words", day
    return None


def as_words(text: str) -> Node | None:
    """The node of a text that is words and nothing else."""
    seen = plain(text)
    if not re.fullmatch(r"[^\W\d_][\w\s',.()!?/&-]*", seen) or not re.search(r"[^\W\d_]{2}", seen):
        return None
    return "words", re.sub(r"\s+", " ", seen)


def _date(seen: str) -> tuple[int, int, int] | None:
    for pattern in _DATES:
        match = pattern.fullmatch(seen)
        if match is None:
            continue
        month, year = match["month"], int(match["year"] or 0)
        if month.isdigit():
            return year, int(month), int(match["day"])
        if month in _MONTHS:
            return year, 1 + _MONTHS.index(month), int(match["day"])
    return None


def _clock(seen: str) -> tuple[int, int, int, str] | None:
    match = _CLOCK.fullmatch(seen) or _HOUR.fullmatch(seen)
    if match is None:
        return None
    groups = match.groupdict()
    hour, minute, second = (int(groups.get(part) or 0) for part in ("hour", "minute", "second"))
    return hour, minute, second, groups["half"] or ""
