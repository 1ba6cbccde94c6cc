r"""LaTeX without what only changes how it looks: `\textcolor{blue}{5}`, `{\bf 5}`, `5\tag{1}` are 5.

Consumes and produces LaTeX; every scan is linear. Commands that are not in these tables stay: the grammar knows them,
or the answer is no mathematics to it.
"""

from __future__ import annotations

import re

_COLOURS = ("blue", "red", "green", "orange", "purple", "pink", "gray", "teal", "gold", "maroon")
SHOWN = {
    **dict.fromkeys(("underline", "uline", "ul", "hl", "emph", "boxed", "fbox", "framebox", "makebox", "bbox"), 0),
    **dict.fromkeys(("ensuremath", "mathop", "mathbin", "mathrel", "mathord", "mathopen", "mathclose", "mathpunct"), 0),
    **dict.fromkeys(("mathinner", "smash", "centerline", "underbrace", "overbrace", "underbracket"), 0),
    **{colour + shade: 0 for colour in _COLOURS for shade in ("", *"ABCDE")},
    **dict.fromkeys(("textcolor", "mathcolor", "colorbox", "href", "style", "class", "cssId", "raisebox"), 1),
    **dict.fromkeys(("scalebox", "parbox"), 1),
    **dict.fromkeys(("fcolorbox", "resizebox"), 2),
}
"""commands to the number of arguments before the one that is shown as it is"""
HIDDEN = {
    **dict.fromkeys(("displaystyle", "textstyle", "scriptstyle", "scriptscriptstyle", "limits", "nolimits"), 0),
    **dict.fromkeys(("tiny", "scriptsize", "footnotesize", "small", "normalsize", "large", "Large", "LARGE"), 0),
    **dict.fromkeys(("huge", "Huge", "bf", "it", "rm", "sf", "tt", "sc", "sl", "em", "bfseries", "itshape"), 0),
    **dict.fromkeys(("rmfamily", "sffamily", "ttfamily", "normalfont", "boldmath", "unboldmath", "mathstrut"), 0),
    **dict.fromkeys(("quad", "qquad", "enspace", "thinspace", "medspace", "thickspace", "negthinspace"), 0),
    **dict.fromkeys(("enskip", "hfill", "vfill", "strut", "par", "newline", "linebreak", "noindent", "centering"), 0),
    **dict.fromkeys(("allowbreak", "nobreak", "relax", "null", "protect", "nonumber", "notag", "footnotemark"), 0),
    **dict.fromkeys(("displaylimits", "nobreakspace", "space", "hline"), 0),
    **dict.fromkeys(("tag", "label", "phantom", "hphantom", "vphantom", "hspace", "vspace", "index", "footnote"), 1),
    **dict.fromkeys(("color", "pagecolor", "cline"), 1),
    "rule": 2,
}
"""commands to the number of arguments that are shown no more than they are"""
FONTS = {"rm": "mathrm", "bf": "mathbf", "it": "mathit", "sf": "mathsf", "tt": "mathtt"}
r"""font switches to their commands: `{\rm cm}` is \mathrm{cm}"""
LABELLED = ("underbrace", "overbrace", "underbracket")
"""commands whose sub- or superscript is a remark"""
OPTIONAL = ("color", "textcolor", "mathcolor", "colorbox", "fcolorbox", "bbox", "framebox", "makebox", "raisebox")
"""commands that may have an argument in square brackets"""

_OTHERS = r"m?kern|m?skip|[hv]skip|blacksquare|qed\w*|checkmark|q?quad[a-zA-Z]*"
MAY_BE_STYLED = re.compile(rf"\\(?:{'|'.join(SHOWN | HIDDEN)}|{_OTHERS})(?![a-zA-Z])")
"""pattern that every text with styling matches"""
_MARK = re.compile(r"\{\s*\\(?P<font>rm|bf|it|sf|tt)(?![a-zA-Z])\s*|\\(?P<name>[a-zA-Z]+)\*?|\\.|[{}]", re.S)
_KERN = re.compile(r"\\(?:m?kern|m?skip|[hv]skip)\s*-?\s*[\d.]+\s*(?:mu|em|ex|pt|cm|mm|in)(?![a-zA-Z])")
_END_MARKS = re.compile(r"(?:\\(?:blacksquare|qed|qedhere|qedsymbol|checkmark)(?![a-zA-Z])[\s$.]*)+\Z")
MOST_GROUPS = 40
"""groups whose braces are taken off; nobody nests more for a reader"""
_OPTION = re.compile(r"\s*\[[^\[\]]*\]")
_GLUED = re.compile("q?quad([a-zA-Z]{1,3})")
_DIGITS = re.compile(r"\{([0-9]+)\}")
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_SEVERAL = re.compile(r"[,;|:]|\\(?:mid|colon)")
_ARGUMENT = re.compile(r"\s*(?:\\[a-zA-Z]+|\\.|[^\\\s])", re.S)


def unstyled(text: str) -> str:
    """The text without styling; as it is where a brace or an argument is missing."""
    text = _END_MARKS.sub("", _KERN.sub(" ", text))
    ends = _matched(text)
    parts: list[str] = []
    skipped: dict[int, int] = {}  # from where to where nothing is shown
    at = 0
    while match := _MARK.search(text, at):
        parts.append(text[at : match.start()])
        at = match.end()
        name = match["name"]
        if name and name not in HIDDEN and (glued := _GLUED.fullmatch(name)):  # \quadx, which has lost its space
            parts.append(f" {glued[1]}")
        elif match["font"]:
            parts.append(rf"\{FONTS[match['font']]}{{")
        elif name in HIDDEN:
            at = _after(text, ends, at, HIDDEN[name], name)
            parts.append(" ")
        elif name in SHOWN:
            at = _after(text, ends, at, SHOWN[name], name)
            if name in LABELLED:
                skipped |= _label(text, ends, at)
            digits = _DIGITS.match(text, at)
            if digits and parts and parts[-1][-1:].isdigit():  # 1\underline{2} shows 12
                parts.append(digits[1])
                at = digits.end()
        else:
            parts.append(match[0])
        at = skipped.get(at, at)
    return _ungrouped("".join([*parts, text[at:]]))


def _matched(text: str) -> dict[int, int]:
    """The place at which each opened brace is closed."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    for match in re.finditer(r"\\.|[{}]", text, re.S):
        if match[0] == "{":
            opened.append(match.start())
        elif match[0] == "}" and opened:
            ends[opened.pop()] = match.start()
    return ends


def _after(text: str, ends: dict[int, int], at: int, arguments: int, name: str) -> int:
    """The end of the arguments that are not shown."""
    if name in OPTIONAL and (option := _OPTION.match(text, at)):
        at = option.end()
    for _ in range(arguments):
        argument = _ARGUMENT.match(text, at)
        if argument is None:
            break
        at = ends.get(argument.end() - 1, argument.end() - 1) + 1 if argument[0][-1] == "{" else argument.end()
    return at


def _label(text: str, ends: dict[int, int], at: int) -> dict[int, int]:
    """The sub- or superscript behind the argument at a place."""
    end = _after(text, ends, at, 1, "")
    script = re.compile(r"\s*[_^]").match(text, end)
    return {end: _after(text, ends, script.end(), 1, "")} if script else {}


def _ungrouped(text: str) -> str:
    """Removes the braces around a whole item of a list or a whole side, which may have a unit: `{5 \\text{ cm}}`."""
    gone: set[int] = set()
    for start, end in sorted(_matched(text).items()):
        before = start - 1
        while before >= 0 and (text[before].isspace() or before in gone):
            before -= 1
        after = end + 1
        while after < len(text) and (text[after].isspace() or after in gone):
            after += 1
        if len(gone) >= 2 * MOST_GROUPS:
            break
        alone = (before < 0 or text[before] in ",;=") and (after == len(text) or text[after] in ",;=.")
        if alone and not _SEVERAL.search(_BRACKETS.sub("", text[start:end])):
            gone |= {start, end}
    return "".join(character for place, character in enumerate(text) if place not in gone) if gone else text
