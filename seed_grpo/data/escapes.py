r"""LaTeX whose backslashes an escape of JSON or of a programming language has eaten.

Where `\frac` was written into a string with one backslash, `\f` became a form feed, and `rac` is left; so `\theta`
became a tab and `heta`, `\neq` a newline and `eq`. Consumes text; produces it with the backslashes that are certain,
and names what is in doubt.

A bell, a backspace or a vertical tab before a letter is never meant. A form feed may begin a page; a carriage return, a
newline and a tab are white space. Behind these has to follow the rest of a command that is no word by itself (`rac`,
`ight`, `abla`, `imes`), or, where it could be a word (`an`, `o`), mathematics has to follow it.
"""

from __future__ import annotations

import re

LETTERS = {"\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r"}
"""letter of each escape"""

_MATH = r"(?=\s*(?:[-\d\\(^{]|[A-Za-z](?![A-Za-z'-])))"
"""lookahead for mathematics, which no word begins with: a digit, a command, a single letter"""
_EATEN = re.compile(
    rf"[\a\b\v](?=[A-Za-z])"
    rf"|\f(?=(?:rac|orall|box|lat|rown|rak|int|ill|ootnotesize)(?![a-z]))"
    rf"|\r(?=(?:ight[a-z]*|ho|angle|floor|ceil|brace|brack|[vV]ert)(?![a-z]))"
    rf"|\t(?=(?:imes|heta|riangle[a-z]*|herefore|ilde|frac|binom|hinspace|hick[a-z]+|au|anh|ag(?=\*?{{)|(?:an|op|o){_MATH}"
    rf"|ext(?:degree|style|color|(?:bf|it|rm|sf|tt|sc|md|up|normal)?(?=\s*[{{\\])))(?![a-z]))"
    rf"|\n(?=(?:eq|abla|otin|[lg]eq|cong|[se][ew]?arrow|ewline|onumber|(?:sub|sup)seteq"
    rf"|(?:[Ll]eft|[Rr]ight|[Ll]eftright)arrow|ot(?=\s*\\)|mid{_MATH}|e(?=\s+[-\d\\]))(?![a-z.]))"
)
_CONTROL = r"[\x00-\x08\x0b\x0e-\x1f\x7f]|\f(?=[a-z])|\r(?!\n|\Z)"
_IN_PROBLEM = re.compile(_CONTROL)
_IN_ANSWER = re.compile(rf"{_CONTROL}|[\t\n](?=[a-z]{{1,3}}(?![a-z]))")


def mended(text: str) -> str:
    """The text with the backslashes that were eaten."""
    return _EATEN.sub(lambda eaten: "\\" + LETTERS[eaten[0]], text)


def doubtful(text: str, is_answer: bool) -> str | None:
    """The first control character that no text contains on purpose, with the text after it; None without one.

    It may be what is left of a command, which `mended` cannot tell from other text. In an answer, a tab or a newline
    before up to three small letters is one too.
    """
    found = (_IN_ANSWER if is_answer else _IN_PROBLEM).search(text)
    return None if found is None else text[found.start() : found.start() + 20]
