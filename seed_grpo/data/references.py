r"""From the text of an answer column to reference answers that a completion's answer can equal.

Consumes one text; produces the alternatives that it holds. What an answer column holds besides bare answers:

    a list of quoted texts   `["28", "28.0"]` of JSON, `['28']` of Python or NumPy: alternatives, any one counts. A list
                             without quotes, such as `[28]` or `[1, 2]`, is mathematics and stays
    one quoted text          `"28"`
    prose or a solution      with `#### 21` (GSM8K), `\boxed{21}`, `<answer>21</answer>`, `the answer is 21`, or
                             one clause such as `Thus the area is 21.`: what is so marked. Other prose stays;
                             `survey` counts it
    LaTeX without backslashes that an escape has eaten: see `escapes`

A program, as `verifier.relation=code` has for a reference, stays as it is.
"""

from __future__ import annotations

import re

from seed_grpo.data.escapes import mended
from seed_grpo.verify.extract import answer_tag, boxed, phrase

_QUOTED = r"""(?:"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+')"""
_LIST = re.compile(rf"(?s)[\[({{]\s*{_QUOTED}(?:\s*,\s*{_QUOTED}|\s+{_QUOTED})*+\s*,?\s*[\])}}]")
_ITEM = re.compile(rf"(?s){_QUOTED}")
_ARRAY = re.compile(r"(?s)array\((.*?)(?:,\s*dtype=[^()]*)?\)")
_ESCAPE = re.compile(r"""\\(?:([\\/"'])|u([0-9a-fA-F]{4}))""")
_MARKS = re.compile(r"####|box|<|[A-Za-z]{2}[ :=*]")
"""something of what a text with a mark has"""
_NO_ANSWER = re.compile(r"\bno answers?\b", re.I)
_SENTENCE = re.compile(
    r"(?i)(?:(?:therefore|thus|hence|so|then|finally|in conclusion),?\s+)?(?:the|its|their|our)\s+"
    r"(?:(?!(?:is|are|equals|if|or|and|when)\b)[a-z'-]+,?\s+){1,12}(?:is|are|equals)\s*:?\s+"
    r"(?P<answer>[-+$\\(\d.](?:(?!\b(?:is|are|equals|if|or|when)\b|\n|\.\s).)*?)\.?\s*"
)
"""one clause that says that something is a number or a formula"""
_PROGRAM = re.compile(r"\bprint\s*\(|\bsys\.stdout\b|^\s*(?:import|from|def|class)\s+\w", re.M)


def references(text: str) -> list[str]:
    """The reference answers that a text holds, in its order; at least one."""
    if _PROGRAM.search(text):
        return [text]
    items = _items(text.strip())
    return [_final(mended(item)) for item in items or [text]]


def _items(text: str) -> list[str]:
    """The texts of a list of quoted texts, or the one text in quotes; none where it is neither."""
    array = _ARRAY.fullmatch(text)
    text = array[1] if array else text
    while text.startswith("[") and text.endswith("]") and text[1:-1].strip().startswith("["):
        text = text[1:-1].strip()  # a list of one list
    if not _LIST.fullmatch(text) and not _ITEM.fullmatch(text):
        return []
    return [_ESCAPE.sub(_unescaped, quoted[0][1:-1]) for quoted in _ITEM.finditer(text)]


def _unescaped(escape: re.Match[str]) -> str:
    r"""What an escape stands for; others than these are LaTeX with one backslash, such as `\frac`."""
    return escape[1] or chr(int(escape[2], 16))


def _final(text: str) -> str:
    """The answer that a text marks as such, else all of it."""
    if not _MARKS.search(text):
        return text
    marked = boxed(text) or answer_tag(text)
    if marked is not None:
        return marked
    stated = None if _NO_ANSWER.search(text) else phrase(text)
    if not stated and (sentence := _SENTENCE.fullmatch(text.strip())):
        stated = sentence["answer"]
    if not stated or (stated.count("$") % 2 and not stated.startswith("$")):  # `$5` is money
        return text
    return stated
