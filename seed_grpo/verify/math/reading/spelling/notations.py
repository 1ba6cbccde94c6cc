r"""Notations of typists and of other countries, rewritten to the ones that the grammar reads.

Consumes and produces text; every scan is linear. A decimal that repeats becomes `0.1\overline{6}`, however it was
written: `0.1(6)`, `0.1\dot{6}`, `0.1666...`. Digits in brackets right behind the digits of a decimal are its period,
so `0.5(4)` is 49/90 and not 2; with a space between them, or with a power behind them, they are a factor.
"""

from __future__ import annotations

import re

_DOTS = r"(?:\.{3}|\\(?:[lc]?dots|dotsc)(?![a-zA-Z]))"
_MAY_REPEAT = re.compile(r"[.,}]\d*\(\d|\.\.\.|\\(?:overline|bar|dot|[lc]dots|overset)")
_IN_BRACKETS = re.compile(r"(?<![\w.])(\d*\.\d*)\((\d+)\)(?!\s*[\d(^!.])", re.A)
_OVERLINED = re.compile(
    r"(?<![\w.])(\d*\.\d*)\s?\\(?:overline|bar)\s*(?:\{\s*(\d+)\s*\}|(\d))(?:\s*" + _DOTS + ")?", re.A
)
_DOTTED = re.compile(r"(?<![\w.])(\d*\.)((?:\d|\\dot\s*(?:\{\d+\}|\d)|\s(?=\\dot))*+)", re.A)
_GOES_ON = re.compile(rf"(?<![\w.])(\d*\.)(\d{{2,60}})\s?{_DOTS}(?!\s?[\d.])", re.A)
_DECIMAL_COMMA = re.compile(r"([\s$]*-?\s*\d+)(?:,|\{,\})(?=\d*(?:\(\d+\)|\\(?:overline|bar|dot)(?![a-zA-Z])))", re.A)
_SET_DOT = re.compile(r"\\overset\s*(?:\.|\{\s*(?:\\cdot|\\bullet)\s*\})\s*(?=\{\d+\}|\d)", re.A)

_END = r"\s*(?!\s)(?:[^\[\](),;]|\([^\[\]()]*\))++"
_ENDS = rf"{_END}[,;]{_END}"
_OUTWARD = re.compile(rf"(\[[^\[\]]*\])|\[({_ENDS})\[|\]({_ENDS})([\[\]])")
_INCHES = re.compile(r"(?<=[\d']\d)[\"\u201d]|(?<='\s\d)[\"\u201d]")
_SHORT_UNIT = re.compile(r"(?<=[\da-z ])(ft|in|yd|mi|lbs?|oz|hrs?|mins?|secs?|cm|mm|km|kg)\.(?=\s|\Z|,)")
_SYMBOL_IS = re.compile(
    r"\A([a-zIK-Z])\s*(?:\\colon|:)(?=\s*-?(?:\d[\d.,]*(?:/\d+)?|\\[dt]?frac\s*\{\d+\}\s*\{\d+\})\s*\Z)", re.A
)
_NOUN = r"(?:the\s+)?(?:final\s+)?(?:answer|ans|result|solution)\.?"
_ANSWER = re.compile(
    rf"\s*(?:\\(?:text\w*|mathrm|mathbf|mbox)\s*\{{\s*{_NOUN}\s*(?:(?:is)?\s*[:=]\s*\}}|(?:is)?\s*\}}\s*[:=]|is\s*\}})"
    rf"|\**{_NOUN}\**\s*(?:is\s*)?[:=])\**"
    r"(?=\s*\S)",
    re.I,
)
_LEADS = re.compile(
    r"\s*(?::?=(?!=)|\\(?:therefore|thus|hence|implies|Rightarrow|Longrightarrow|rightarrow|longrightarrow|to|iff)"
    r"(?![a-zA-Z]))(?=\s*\S)"
)
_CONCLUSION = re.compile(
    r"(?:\\text\w*\s*\{\s*)?(?:so|thus|hence|therefore|then)\b\s*,?\s*\}?\s*(?=[-\d\\$(]|[a-zA-Z]\s?=)", re.I
)
_COMMA = re.compile(r"(?<=\d)\{,\}(?=\d{1,2}(?!\d))", re.A)
"""comma of a decimal; before three digits it is one of thousands"""
_MAY_LEAD = re.compile(r"[=\\*\"`]|(?:the|final|ans|res|sol|so|thus|hence|then)|[a-z]\s*[:\\]", re.I)
_QUOTED = re.compile('(["`])\\s*([^"`]+?)\\s*\\1[\\s.]*')
MOST_LEADS = 5
"""announcements before an answer"""


def rewritten(text: str) -> str:
    """The text in the notations of the grammar."""
    if "{" in text or ":" in text:
        text = text.replace("{:}", ":").replace("{.}", ".").replace(":=", "=")
        text = _COMMA.sub(",", text) if "{,}" in text else text
    if "brack" in text:
        text = text.replace(r"\lbrack", "[").replace(r"\rbrack", "]")
    if _MAY_REPEAT.search(text):
        text = _repeating(text)
    if "[" in text or "]" in text:
        text = _OUTWARD.sub(_inward, text)
    if '"' in text or "\u201d" in text:
        text = _INCHES.sub("''", text)
    return _SHORT_UNIT.sub(r"\1", text) if ". " in text else text


def without_lead(text: str) -> str:
    r"""The text without what only announces the answer: `Answer:`, `=`, `\therefore`; `x: 5` is `x=5`."""
    if not _MAY_LEAD.match(text):
        return text
    for _ in range(MOST_LEADS):
        lead = _LEADS.match(text) or _ANSWER.match(text) or _CONCLUSION.match(text)
        if lead is None:
            break
        text = text[lead.end() :].lstrip()
    if quoted := _QUOTED.fullmatch(text):
        text = quoted[2]
    return _SYMBOL_IS.sub(r"\1=", text, count=1) if ":" in text or "\\colon" in text else text


def _repeating(text: str) -> str:
    """Writes every decimal that repeats as `0.1\\overline{6}`."""
    if comma := _DECIMAL_COMMA.match(text):
        text = f"{comma[1]}.{text[comma.end() :]}"
    text = _IN_BRACKETS.sub(lambda match: _written(match[1], match[2]), text)
    text = _GOES_ON.sub(_going_on, text)
    if "\\" in text:
        text = _DOTTED.sub(_dotted, _SET_DOT.sub(r"\\dot", text))
        text = _OVERLINED.sub(lambda match: _written(match[1], match[2] or match[3]), text)
    return text


def _written(before: str, period: str) -> str:
    return f"{'0' if before[0] == '.' else ''}{before}\\overline{{{period}}}"


def _dotted(match: re.Match[str]) -> str:
    """Writes a decimal whose period goes from the first digit with a dot to the last, which ends the number."""
    digits, marked = "", list[int]()
    for dotted, plain in re.findall(r"\\dot\s*\{?(\d+)\}?|(\d)", match[2], re.A):
        marked += range(len(digits), len(digits) + len(dotted))
        digits += dotted + plain
    if not marked or marked[-1] != len(digits) - 1:
        return match[0]
    return _written(match[1] + digits[: marked[0]], digits[marked[0] :])


def _going_on(match: re.Match[str]) -> str:
    """Writes `0.1666...`: the period is one digit that ends it three times, or several that do so twice."""
    digits = match[2]
    for length in range(1, len(digits) // 2 + 1):
        period = digits[-length:]
        if digits.endswith(period * (3 if length == 1 else 2)):
            return _written(match[1] + digits[:-length], period)
    return match[0]


def _inward(match: re.Match[str]) -> str:
    """Writes `]1,2[` as (1,2) and `[1,2[` as [1,2)."""
    if match[1]:
        return match[1]
    if match[2]:
        return f"[{match[2]})"
    return f"({match[3]}{')' if match[4] == '[' else ']'}"
