r"""Reference answers, from the text of an answer column, that a completion's answer can equal.

Consumes one text; produces the alternatives that it holds. What an answer column holds besides bare answers:

    a list of quoted texts   `["28", "28.0"]` of JSON, `['28']` of Python or NumPy: alternatives, any one counts. A list
                             without quotes, such as `[28]` or `[1, 2]`, is mathematics and stays
    one quoted text          `"28"`
    prose or a solution      with `#### 21` (GSM8K), `\boxed{21}`, `<answer>21</answer>`, `the answer is 21`, a
                             label as in `Ans: 21`, or one clause such as `Thus the area is 21.`: what is so marked.
                             Other prose stays; `survey` counts it
    LaTeX without backslashes that an escape has eaten: see `escapes`

A program, as `verifier.relation=code` has for a reference, stays as it is. With `data.columns.verbatim` all texts do.
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
_MARKS = re.compile(r"####|box|<|\u2234|\\therefore|[A-Za-z]{2}[ .,:=*\uff1a]|^[A-Za-z] [a-z]{2}")
"""pattern that every text with a mark matches"""
_NO_ANSWER = re.compile(r"\bno answers?\b", re.I)
_LABEL = re.compile(
    r"(?i)[\s*_#]{0,9}(?:the\s+)?(?:final\s+|correct\s+)?(?:ans(?:wers?)?|sol(?:utions?)?|result|value|final|output)"
    r"[.*_]{0,3}\s*[:=\uff1a][\s*_]{0,9}(?P<answer>\S[^\n]*?)\s*"
)
_LEAD = r"(?:(?:therefore|thus|hence|so|then|finally|consequently|in conclusion)[,:]?\s+|(?:\u2234|\\therefore)\s*)"
_NOUN = (
    r"(?:(?:the|its|their|our)\s+(?:(?!(?:is|are|equals|if|or|and|when)\b)[a-z'-]+,?\s+){1,12}|it\s+|\$?[a-z]\$?\s+)"
)
_VERB = r"(?:is|are|equals)\s*:?\s+"
_SENTENCE = re.compile(
    rf"(?i)(?P<lead>{_LEAD}?)(?P<subject>(?:{_NOUN}{_VERB}|we\s+(?:get|have|obtain|find)\s+(?:that\s+)?)?)"
    r"(?P<answer>(?:[-+$\\(\d.]|[a-z]\s*=)(?:(?!\b(?:is|are|equals|if|when)\b|\n|\.\s|,\s*[a-z]{2}).)*?)\.?\s*"
)
"""clause that says that something is a number or a formula, or that concludes with one"""
_OPTION = re.compile(r"(?i)\s*(?:option|choice|answer)\s+(?P<answer>\(?[A-Z]\)?)\.?\s*")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
MAX_WORDS = 4
"""words, such as a unit, that may follow the mathematics of a clause"""
_PROGRAM = re.compile(
    r"\bprint\s*\(|\bsys\.stdout\b|^\s*(?:import\s+[\w.]+|from\s+[\w.]+\s+import\b.*|(?:def|class)\s+\w+\s*[(:].*)$",
    re.M,
)


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
    r"""Character that an escape stands for; others than these are LaTeX with one backslash, such as `\frac`."""
    return escape[1] or chr(int(escape[2], 16))


def _final(text: str) -> str:
    """The answer that a text marks as such, else all of it."""
    if not _MARKS.search(text):
        return text
    marked = boxed(text) or answer_tag(text)
    if marked is not None:
        return marked
    stated = None if _NO_ANSWER.search(text) else phrase(text)
    stated = stated or _said(text.strip())
    if not stated or (stated.count("$") % 2 and not stated.startswith("$")):  # `$5` is money
        return text
    return stated


def _said(text: str) -> str | None:
    """Answer that a short text states: behind a label, as an option, or in one clause."""
    short = _LABEL.fullmatch(text) or _OPTION.fullmatch(text)
    if short:
        return short["answer"]
    clause = _SENTENCE.fullmatch(text)
    if clause and (clause["lead"] or clause["subject"]) and len(_WORD.findall(clause["answer"])) <= MAX_WORDS:
        return clause["answer"]
    return None
