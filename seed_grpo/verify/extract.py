r"""Extraction of the final answer from a completion.

Consumes a completion's text and a style; produces the answer as written, or None. It does not parse the answer, and
nothing is evaluated. What was cut off is no answer: a box, a tag or a formula that is never closed. Only the end of a
long text is looked at, and every scan is linear, so hostile text costs no more than any other.
"""

from __future__ import annotations

import re
import textwrap
from bisect import bisect
from collections.abc import Callable
from typing import NamedTuple

MAX_COMPLETION_CHARS = 100_000  # at the end, that are looked at
MAX_GAP_CHARS = 120  # between two answers of one list
MAX_ANSWER_WORDS = 5  # of an answer in plain words
PROGRAM_TAGS = ("", "python", "python3", "py")  # of a fenced block

# what models write between turns and around thoughts, in the spellings of the known families
_CONTROL = (
    r"(?:<\|\w[\w \u2581./:-]{1,60}\|>|<\uff5c[\w \u2581./:-]{1,60}\uff5c>|</s>|</?think>|\[/?INST\]"
    r"|<(?:eos|bos|pad|unk|(?:start|end)_of_\w{1,20})>)"
)
CONTROL_TOKEN = re.compile(_CONTROL)
_CONTROL_AT_FENCE = re.compile(rf"(?<=```|~~~){_CONTROL}|{_CONTROL}(?=```|~~~)")
_JSON_COMMAND = re.compile(r"(?<!\\)(?:\\\\)+[A-Za-z]{2}")
_NO_JSON = re.compile(r"(?<!\\)(?:\\\\)*\\(?![\\n\"])")
_JSON_ESCAPE = re.compile(r"\\(.)")
_BRACES = re.compile(
    r"(?s)(?P<box>\\(?:f?boxed|fbox)\s{0,8}\{)|\\(?:f?boxed|fbox)\s{1,8}(?P<token>[^\s{}$\\]{0,99}[^\s{}$\\.,;:])"
    r"|\\.|[{}]"
)
_FORMULA_END = re.compile(r"\n|\$|\\[)\]]")
_TAG = re.compile(r"<answer>((?:(?!</?answer>).)*+)</answer>", re.I | re.S)
_IS = re.compile(r"\b(?:is|are|was|equals|(?:should|must|would|will) be)\b")
_ANSWER = rf"answers?(?: to (?:the|this) (?:question|problem))?(?:\**\s{{0,3}}[:=]|\s{{1,3}}{_IS.pattern})"
_PHRASE = re.compile(rf"####(?=\s{{0,8}}[-$\\\d(.])|\b{_ANSWER}|\bfinal answer\W{{0,4}}\n", re.I)
_FINAL = re.compile(rf"\bfinal {_ANSWER}", re.I)
_EQUALS = re.compile(rf"\s*(?:=|{_IS.pattern})")
_CLAUSE_END = re.compile(r"\.(?:\s|\Z)|\n|\s(?:because|since|which|where)\b|<\||</", re.I)
_LEAD = re.compile(r"""(?:[\s}*_:=`"“”]|\\")*+""")
_TRAIL = ' \t\n\r*_`"“”.,;:'
_TEXT_GROUP = re.compile(r"\\(?:text\w*|mbox|hbox|mathrm)\s?\{([^{}]*)\}")
# no command, no factor of a product such as 2xy, no name of a function
_PROSE_WORD = re.compile(
    r"(?i)(?<![\w\\^{])(?!(?:and|or|sin|cos|tan|log|sqrt|pi|mod|inf|infinity)\b)"
    r"(?:[^\W\d_]{3}|(?:is|it|of|to|as|if|at|by|we|so|an|on)\b)"
)
# `$` and `\(` are closed on their line; a dollar between a space and a digit closes nothing, and with prose is money
_FORMULA = re.compile(
    r"(?s)\$\$(?P<display>(?:\\.|\$(?!\$)|[^\\$])++)\$\$"
    r"|\$(?!\d[^$\n\\]*? (?!and|or)[A-Za-z]{3})(?P<inline>(?:\\[^\n]|[^\\$\n])++)(?:(?<=\S)\$|\$(?!\d))"
    r"|\\\((?P<round>(?:\\[^()\n]|[^\\\n])++)\\\)"
    r"|\\\[(?P<square>(?:\\[^\[\]]|[^\\])++)\\\]"
    r"|(?P<broken>\\\((?:\\[^()]|[^\\])*+(?:\\\))?|\\\[(?:\\[^\[\]]|[^\\])*+|\$\$(?:\\.|[^\\$])++\Z"
    r"|\$[^\S\n]*+\n[^$]*+\$?|(?<!\d)\$(?!\d)(?:\\.|[^\\$\n])*+\Z)"
    r"|\\."
)
_SEPARATOR = re.compile(r"\\[,;:! ()\[\]\\]|\\q?quad\b|[\s,;&~$*+]")
_NAME = re.compile(r"(?:\\?[A-Za-z]+(?:_(?:\w|\{\w{1,9}\}))?'?(?:\(\w\))?\s*=|\(\w{1,3}\):?)\s*\Z")
_JOINING_WORDS = re.compile(r"(?:(?:[A-Za-z][\w'-]*|\(\w{1,3}\)) ){0,4}(?:and|or)", re.I)
_FENCE = re.compile(r"[ \t]{0,9}(?P<marks>`{3,}|~{3,})[ \t]*(?P<tag>[^`\s]*)[^`]*")
_NUMBER = re.compile(
    r"(?a)(?<![\w^])(?<![\d^_][.{])(?<!\^-)(?<!\^\{-)(?:(?<![\w.)\]}])[-\u2212])?"
    r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+|/\d+)?|\.\d+)%?"
)


class Span(NamedTuple):
    r"""An answer and its place with its marks: in `so \boxed{5}` that is `Span(3, 12, "5")`."""

    start: int
    end: int
    answer: str


def _joined(gap: str) -> bool:
    """Checks whether the text between two answers makes them one list: separators, a name, a few words and `and`."""
    if len(gap) > MAX_GAP_CHARS:
        return False
    words = " ".join(_NAME.sub("", _SEPARATOR.sub(" ", _TEXT_GROUP.sub(r" \1 ", gap))).split())
    return not words or _JOINING_WORDS.fullmatch(words) is not None


def _lists(text: str, spans: list[Span]) -> list[Span]:
    """The answers, those that are joined as one; what is written twice in a list counts once."""
    lists: list[list[Span]] = []
    for span in spans:
        if lists and _joined(text[lists[-1][-1].end : span.start]):
            lists[-1].append(span)
        else:
            lists.append([span])
    return [Span(each[0].start, each[-1].end, ", ".join(dict.fromkeys(s.answer for s in each))) for each in lists]


def _boxes(text: str) -> tuple[list[Span], list[int]]:
    """The outermost whole boxes that are not empty, and where those that are never closed begin, both in order."""
    boxes: list[tuple[int, int, int, int]] = []  # start, start and end of the content, end
    openings: list[re.Match[str]] = []
    for match in _BRACES.finditer(text):
        if match["token"]:
            boxes.append((match.start(), *match.span("token"), match.end()))
        elif match["box"] or match[0] == "{":
            openings.append(match)
        elif match[0] == "}" and openings and (opening := openings.pop())["box"]:
            while boxes and boxes[-1][0] > opening.start():
                boxes.pop()
            boxes.append((opening.start(), opening.end(), match.start(), match.end()))
    spans = [Span(start, end, text[first:last].strip()) for start, first, last, end in boxes]
    return [span for span in spans if span.answer], [opening.start() for opening in openings if opening["box"]]


def _last_box(text: str) -> Span | None:
    """The last list of boxes; none where that list was cut off."""
    boxes, unclosed = _boxes(text)
    ends = [(match.start(), False) for match in _FORMULA_END.finditer(text)]
    marks = [(-1, False), *sorted([*ends, *((start, True) for start in unclosed)])]
    # within an unclosed box it is a part of an answer, unless a formula ended since: there only a brace was forgotten
    boxes = [box for box in boxes if not marks[bisect(marks, (box.start, False)) - 1][1]]
    if not boxes:
        return None
    last = _lists(text, boxes)[-1]
    cut_off = [start for start in unclosed if start > last.start][:1]
    return None if cut_off and _joined(text[last.end : cut_off[0]]) else last


def boxed(text: str) -> str | None:
    r"""The content of the last whole `\boxed{...}`, the outermost where they nest; of a list of boxes all contents."""
    box = _last_box(text)
    return box.answer if box else None


def _last_tag(text: str) -> Span | None:
    """The last whole `<answer>...</answer>` that is not empty; if a box or a phrase is in it, the answer is theirs."""
    tags = [match for match in _TAG.finditer(text) if match[1].strip()]
    if not tags:
        return None
    return Span(*tags[-1].span(), boxed(tags[-1][1]) or phrase(tags[-1][1]) or tags[-1][1])


def answer_tag(text: str) -> str | None:
    """The content of the last whole `<answer>...</answer>`, or of the box in it."""
    tag = _last_tag(text)
    return tag.answer if tag else None


def _trimmed(text: str) -> str:
    r"""Removes the marks, the punctuation and the `and` at the end of an answer; `\,` is no comma."""
    end = text.rstrip(_TRAIL)
    if end.endswith("\\") and len(end) < len(text):
        end = end[:-1] if text[len(end)] == '"' else text[: len(end) + 1]
    return re.sub(r"[\s,](?:and|or)\Z", "", end)


def _formulas(text: str) -> tuple[list[Span], str]:
    r"""The formulas, and the text in its length with `$` for each, NUL for what is broken, and `_` for `\text{...}`."""
    formulas: list[Span] = []
    pieces: list[str] = []
    copied = 0
    for match in _FORMULA.finditer(text):
        if (kind := match.lastgroup) and match[kind].strip():
            pieces += [text[copied : match.start()], ("\0" if kind == "broken" else "$") * len(match.group())]
            copied = match.end()
            if kind != "broken":
                formulas.append(Span(*match.span(), _trimmed(match[kind].strip())))
    return formulas, _TEXT_GROUP.sub(lambda group: "_" * len(group[0]), "".join([*pieces, text[copied:]]))


def last_number(text: str) -> str | None:
    """The last number: digits with thousands separators, decimals, a plain fraction; no exponent, no index."""
    numbers = _NUMBER.findall(text)
    return numbers[-1] if numbers else None


def _begins(text: str, prose: str, lists: list[Span], place: int) -> str | None:
    """The mathematics that begins at a place: a list of formulas, or a number and what belongs to it."""
    start = next(_LEAD.finditer(text, place)).end()
    word = _PROSE_WORD.search(prose, start)
    following = next((formulas for formulas in lists if formulas.start >= start), None)
    if following and following.start == start:
        return following.answer
    end = min(word.start() if word else len(prose), following.start if following else len(prose))
    answer = _trimmed(text[start:end]).lstrip("$")
    return answer if any(map(str.isdecimal, answer)) else None


def _stated(text: str, phrase: re.Pattern[str]) -> tuple[str | None, str]:
    """The mathematics of the clause after the last match, and the whole clause; nothing where it was cut off.

    The mathematics is what it begins with, else what follows its last `is`, else the first formula or number.
    """
    text = text[max((match.end() for match in phrase.finditer(text)), default=len(text)) :]
    text = text[next(_LEAD.finditer(text)).end() :]
    formulas, prose = _formulas(text)
    prose = _CLAUSE_END.split(prose, maxsplit=1)[0]
    if "\0" in prose:
        return None, ""
    lists = _lists(text, [formula for formula in formulas if formula.end <= len(prose)])
    places = [0, *[match.end() for match in _IS.finditer(prose)][-1:]]
    if lists and lists[0].start == 0 and (equals := _EQUALS.match(prose, lists[0].end)):
        places.insert(0, equals.end())
    answers = [_begins(text, prose, lists, place) for place in places]
    answers += [formula.answer for formula in lists[:1]] + _NUMBER.findall(prose)[:1]
    return next(filter(None, answers), None), _trimmed(text[: len(prose)])


def phrase(text: str) -> str | None:
    """The answer behind the last `#### `, `answer is` or `answer:`: its mathematics, else its few words."""
    mathematics, words = _stated(text, _PHRASE)
    return mathematics or (words if len(words.split()) <= MAX_ANSWER_WORDS else None)


def _guess(text: str) -> str | None:
    """The whole of a line without prose, else the last mathematics or, if one comes later, number."""
    formulas, prose = _formulas(text)
    if prose.endswith("\0"):
        return None
    line = prose.strip()
    if not formulas and not re.search(r"[\n\0]", line) and (" " not in line or not _PROSE_WORD.search(line)):
        return _trimmed(text)
    number = last_number(prose[formulas[-1].end if formulas else 0 :])
    return number or (_lists(text, formulas)[-1].answer if formulas else None)


def auto(text: str) -> str | None:
    """The last box or tag, or what is called the final answer after it; else the last phrase; else a guess."""
    explicit = [span for span in (_last_box(text), _last_tag(text)) if span]
    if explicit:
        last = max(explicit, key=lambda span: span.end)
        return _stated(text[last.end :], _FINAL)[0] or last.answer
    answer = phrase(text)
    cut_off = _boxes(text)[1] or "<answer>" in text.lower() or (answer == "" and _PHRASE.search(text))
    return answer or (None if cut_off else _guess(text))


def code_block(text: str) -> str | None:
    """The last fenced block that is Python or has no tag; none where one is open at the end."""
    last, fence, tag = None, "", ""
    lines: list[str] = []
    for line in text.split("\n"):
        mark = _FENCE.fullmatch(line.rstrip())
        if not fence:
            fence, tag, lines = (mark["marks"], mark["tag"].lower(), []) if mark else ("", "", [])
        elif mark and not mark["tag"] and mark["marks"].startswith(fence):
            last, fence = (textwrap.dedent("\n".join(lines)) if tag in PROGRAM_TAGS else last), ""
        else:
            lines.append(line)
    return None if fence else last


STYLES: dict[str, Callable[[str], str | None]] = {
    "boxed": boxed,
    "answer_tag": answer_tag,
    "phrase": phrase,
    "last_number": last_number,
    "auto": auto,
    "code_block": code_block,
}
"""extraction functions by `verifier.extraction`"""


def extract_answer(completion: str, style: str) -> str | None:
    r"""The final answer of a completion as written, or None; an empty one is none.

    A completion that was written as a JSON string, with two backslashes before every command, is read without them.
    Control tokens (`<|im_end|>`, `</think>`) end a line and are no part of an answer; in programs they are text.

    Args:
        completion: the whole text; its last 100,000 characters are looked at.
        style: a key of `STYLES`.
    """
    control = _CONTROL_AT_FENCE if style == "code_block" else CONTROL_TOKEN
    text = control.sub("\n", completion[-MAX_COMPLETION_CHARS:]).strip()
    if style != "code_block" and _JSON_COMMAND.search(text) and not _NO_JSON.search(text):
        text = _JSON_ESCAPE.sub(lambda match: match[1].replace("n", "\n"), text)
    return (STYLES[style](text) or "").strip() or None
