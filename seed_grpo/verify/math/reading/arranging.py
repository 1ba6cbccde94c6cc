r"""Tokens of notations that a grammar from left to right would misread, in the order and under the names that it reads.

Consumes and produces tokens:

    1 \over 2, 8 \choose 3              \frac{1}{2}, \binom{8}{3}; without braces of their own they end at `,` and `=`
    {}_8C_3, ^8C_3, C(8,3), 8C3, C_8^3  \binom{8}{3}; with P, and A_8^3, a number of arrangements
    AB, HHT, \angle ABC, \triangle ABC  one name each, in place of a product of letters

A name of two capitals is a segment, equal from both ends; one of three that stands alone is a word whose order counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from seed_grpo.verify.isolation.bounds import GrammarError, spend
from seed_grpo.verify.math.forms import names
from seed_grpo.verify.math.forms.units import is_unit
from seed_grpo.verify.math.reading.tokens import CLOSING, END, OPENING, Token
from seed_grpo.verify.math.reading.vocabulary import ACCENTS

INFIX = {r"\over": r"\frac", r"\choose": r"\binom"}
BOUNDARIES = (",", ";", "=", "<", ">", "<=", ">=", "!=", r"\in", r"\notin", r"\approx", "&", r"\\")
"""signs at which an item of an answer ends"""
ARRANGED = {"C": r"\binom", "P": r"\permutations", "A": r"\permutations"}
CALLED = {
    **dict.fromkeys(("C", "nCr", "binom", "comb"), r"\binom"),
    **dict.fromkeys(("P", "nPr"), r"\permutations"),
}
ANGLES = (r"\angle", r"\measuredangle", r"\sphericalangle")
SILENT = (*ANGLES, r"\triangle")
"""commands that only say what kind of thing a name names"""
_TOTALS, _CHOSEN = ("n", "m", "N"), ("k", "r", "m")
"""letters by which C(n, k) is known from a function of x and y"""
MOST_INFIX = 20
SMALLEST_TOTAL = 3
"""smallest total in `C_3^2`; C_1^2 is the square of a constant"""

MAY_BE_ARRANGED = re.compile(r"[A-Z]|\\(?:over|choose|hat|widehat|vec|\w*angle)|nCr|nPr|binom|comb")
"""pattern that every text with something to arrange matches"""
_TWO_CAPITALS = re.compile("(?<![A-Z])[A-Z]{2}(?![A-Z])")


def arranged(tokens: list[Token]) -> list[Token]:
    """The tokens in the order and under the names that the grammar reads.

    Raises:
        GrammarError: there are more infix commands than anybody writes.
    """
    if sum(token.value in INFIX for token in tokens) > MOST_INFIX:
        raise GrammarError(f"over {MOST_INFIX} infix commands")
    while place := next((place for place, token in enumerate(tokens) if token.value in INFIX), None):
        tokens = _prefixed(tokens, place)
    if any(token.value[-1:] in ARRANGED or token.value in CALLED for token in tokens):
        tokens = _counted(tokens)
    return _named(tokens)


def _braced(tokens: Sequence[Token]) -> list[Token]:
    return [Token("sign", "{"), *tokens, Token("sign", "}")]


def _prefixed(tokens: list[Token], place: int) -> list[Token]:
    r"""Puts an infix command before its two operands, in its brackets or in its item."""
    spend(len(tokens))
    start, end = place, place + 1
    depth = 0
    while start > 0:
        before = tokens[start - 1]
        depth += (before.value in CLOSING) - (before.value in OPENING)
        if depth < 0 or (depth == 0 and (before.value in BOUNDARIES or before.kind == "environment")):
            break
        start -= 1
    depth = 0
    while end < len(tokens):
        token = tokens[end]
        depth += (token.value in OPENING) - (token.value in CLOSING)
        if depth < 0 or (depth == 0 and (token.value in BOUNDARIES or token.kind in ("environment", "text"))):
            break
        end += 1
    command = Token("command", INFIX[tokens[place].value])
    above, below = tokens[start:place], tokens[place + 1 : end]
    if not above or not below or any(token.value in INFIX for token in below):
        raise GrammarError(f"{tokens[place].value} without what stands on both sides")
    return [*tokens[:start], command, *_braced(above), *_braced(below), *tokens[end:]]


Count = tuple[str, Sequence[Token], Sequence[Token], int]
"""command, total, chosen, and the end"""


def _counted(tokens: list[Token]) -> list[Token]:
    """Writes every notation of combinations and arrangements as a command of two arguments."""
    result: list[Token] = []
    at = 0
    while at < len(tokens):
        operand = _is_operand(result)
        count = _between_scripts(tokens, at, operand) or _of_call(tokens, at) or _glued(tokens, at)
        count = count or (None if operand and result[-1].value in "_^" else _of_scripts(tokens, at))
        if count is None:
            result.append(tokens[at])
            at += 1
        else:
            command, total, chosen, at = count
            result += [Token("command", command), *_braced(total), *_braced(chosen)]
    return result


def _at(tokens: list[Token], at: int) -> Token:
    return tokens[at] if at < len(tokens) else END


def _script(tokens: list[Token], at: int) -> tuple[list[Token], int] | None:
    """Tokens of the sub- or superscript at a place, in braces or as one token, and its end."""
    if _at(tokens, at).value not in ("_", "^"):
        return None
    if _at(tokens, at + 1).value != "{":
        one = _at(tokens, at + 1)
        return ([one], at + 2) if one.kind in ("number", "word") else None
    end = next((end for end in range(at + 2, min(at + 12, len(tokens))) if tokens[end].value in ("{", "}")), 0)
    return (tokens[at + 2 : end], end + 1) if end > at + 2 and tokens[end].value == "}" else None


def _between_scripts(tokens: list[Token], at: int, operand: bool) -> Count | None:
    """Reads {}_8C_3, ^8C_3 and {}_nC_r."""
    empty = _at(tokens, at).value == "{" and _at(tokens, at + 1).value == "}"
    before = _script(tokens, at + 2 if empty else at)
    if before is None or (operand and not empty):
        return None
    total, letter = before
    if len(total) == 1 and re.fullmatch("[a-zA-Z][CP]", total[0].value):  # nC is one word
        total, command = [Token("word", total[0].value[0])], ARRANGED[total[0].value[1]]
    elif _at(tokens, letter).value in ("C", "P"):
        command, letter = ARRANGED[_at(tokens, letter).value], letter + 1
    else:
        return None
    after = _script(tokens, letter) if _at(tokens, letter).value == "_" else None
    return (command, total, *after) if after else None


def _of_call(tokens: list[Token], at: int) -> Count | None:
    """Reads C(8,3) and C(n,2), which are the names of functions left of an equals sign."""
    if _at(tokens, at).value not in CALLED or _at(tokens, at + 1).value != "(" or _at(tokens, at + 3).value != ",":
        return None
    total, chosen = _at(tokens, at + 2), _at(tokens, at + 4)
    if _at(tokens, at + 5).value != ")" or _at(tokens, at + 6).value == "=":
        return None
    with_letter = total.value in _TOTALS and (chosen.value in _CHOSEN or chosen.kind == "number")
    if not with_letter and not _are_counts(total, chosen, 0):
        return None
    return CALLED[tokens[at].value], [total], [chosen], at + 6


def _glued(tokens: list[Token], at: int) -> Count | None:
    """Reads 8C3, and nCr as such."""
    if _at(tokens, at).value in ("nCr", "nPr") and _at(tokens, at + 1).value != "(":
        return CALLED[tokens[at].value], [Token("word", "n")], [Token("word", "r")], at + 1
    letter = _at(tokens, at + 1)
    if letter.value not in ("C", "P") or letter.kind != "word" or _at(tokens, at + 3).value == "_":
        return None
    total, chosen = _at(tokens, at), _at(tokens, at + 2)
    return (ARRANGED[letter.value], [total], [chosen], at + 3) if _are_counts(total, chosen, 0) else None


def _of_scripts(tokens: list[Token], at: int) -> Count | None:
    """Reads C_8^3, in which the larger number stands below, and C^8_3."""
    if _at(tokens, at).value not in ARRANGED or _at(tokens, at).kind not in ("word", "text"):
        return None
    first = _script(tokens, at + 1)
    second = _script(tokens, first[1]) if first else None
    if not first or not second or _at(tokens, at + 1).value == _at(tokens, first[1]).value:
        return None
    if len(first[0]) != 1 or len(second[0]) != 1 or not _are_counts(first[0][0], second[0][0], SMALLEST_TOTAL):
        return None
    return ARRANGED[tokens[at].value], first[0], second[0], second[1]


def _are_counts(total: Token, chosen: Token, least: int) -> bool:
    if not (total.kind == chosen.kind == "number" and total.value.isdigit() and chosen.value.isdigit()):
        return False
    return int(total.value) >= max(int(chosen.value), least)


def _named(tokens: list[Token]) -> list[Token]:
    """Writes words of capitals, angles, triangles and unit vectors as names."""
    result: list[Token] = []
    at = 0
    while at < len(tokens):
        named = _unit_vector(tokens, at) or _figure(tokens, at, _is_operand(result)) or _word_of_capitals(tokens, at)
        parts, at = named or ([tokens[at]], at + 1)
        result += parts
    return result


def _is_operand(tokens: Sequence[Token]) -> bool:
    """Checks whether the last token ends something that can be calculated with."""
    return bool(tokens) and (tokens[-1].kind not in ("sign", "environment") or tokens[-1].value in CLOSING)


def _unit_vector(tokens: list[Token], at: int) -> tuple[list[Token], int] | None:
    r"""Reads the unit vectors \hat{i}, \vec{\jmath} and \hat{\mathbf{k}}."""
    if tokens[at].value not in (r"\hat", r"\widehat", r"\vec", r"\overrightarrow"):
        return None
    letter = names.UNITS.get(_at(tokens, at + 2).value)
    return ([Token("name", letter)], at + 4) if letter is not None and _at(tokens, at + 3).value == "}" else None


def _figure(tokens: list[Token], at: int, operand: bool) -> tuple[list[Token], int] | None:
    r"""Reads \angle ABC, m\angle ABC and \triangle ABC; before one letter the sign says nothing."""
    if tokens[at].value == "m" and _at(tokens, at + 1).value in ANGLES:
        at += 1
    sign = tokens[at].value
    if sign not in SILENT or operand:
        return None
    letters, end = _capitals(tokens, at + 1)
    if len(letters) != 3:
        return [], at + 1
    return [Token("name", names.angle(letters) if sign in ANGLES else names.triangle(letters))], end


def _word_of_capitals(tokens: list[Token], at: int) -> tuple[list[Token], int] | None:
    """Reads AB, HHT, H H T, and RC in RCs."""
    token = tokens[at]
    if at > 1 and tokens[at - 1].value == "{" and tokens[at - 2].value[1:] in ACCENTS:
        return None
    letters, end = _capitals(tokens, at)
    if len(letters) > 1:
        name = _name(letters, tokens[at - 1] if at else END, _at(tokens, end), end - at)
        return ([Token("name", name)] if name is not None else tokens[at:end]), end
    run = _TWO_CAPITALS.search(token.value) if token.kind == "word" and len(token.value) == 3 else None
    if run is None:
        return None
    before, behind = token.value[: run.start()], token.value[run.end() :]
    parts = (("word", before), ("name", names.segment(run[0])), ("word", behind))
    return [Token(kind, part) for kind, part in parts if part], at + 1


def _capitals(tokens: list[Token], at: int) -> tuple[str, int]:
    """The word of capitals at a place, or single capitals side by side, and their end."""
    token = _at(tokens, at)
    if token.kind in ("word", "text") and re.fullmatch("[A-Z]{2,3}", token.value):
        return token.value, at + 1
    letters = ""
    while _at(tokens, at).kind == "word" and re.fullmatch("[A-Z]", _at(tokens, at).value):
        letters += tokens[at].value
        at += 1
    return letters, at


def _name(letters: str, before: Token, after: Token, length: int) -> str | None:
    """The name that letters between two tokens make, None where they are factors."""
    if len(letters) < 2 or after.value in ("^", "_", "'", "(", "!"):
        return None
    if (before.kind == "number" or before.value in CLOSING) and is_unit(letters):
        return None
    if len(letters) == 2:
        return names.segment(letters) if length == 1 else None
    opened = before.kind == "end" or before.value in (*BOUNDARIES, "(", r"\{") or before.value in ("and", "or")
    closed = after.kind == "end" or after.value in (*BOUNDARIES, ")", r"\}", "}") or after.value in ("and", "or")
    listed = before.value == "{" and after.value in BOUNDARIES
    return letters if (opened or listed) and closed else None
