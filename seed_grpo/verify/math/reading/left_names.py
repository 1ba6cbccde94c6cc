r"""Names left of an equals sign that are no expressions: P(X = 2), \mathbb{E}[X], |A \cup B|, \text{area of } ABC.

Consumes tokens; produces the name as written and where it ends. A name is never calculated with; an ordinary f(x) is
left to the grammar.
"""

from __future__ import annotations

from collections.abc import Sequence

from seed_grpo.verify.isolation.bounds import spend
from seed_grpo.verify.math.reading.tokens import CLOSING, OPENING, Token
from seed_grpo.verify.math.reading.vocabulary import FUNCTION_NAMES, SYMBOLS

STATEMENTS = ("=", "<", ">", "<=", ">=", "!=", "|", r"\cap", r"\cup", r"\in", r"\setminus", ":", r"\neg", r"\dots")
"""signs that stand in an event or a set, and in no argument of a function"""
ENDS = (",", ";", ":", "<", ">", "<=", ">=", "!=", "+", "-", "*", "/")
"""signs that stand in no name outside of brackets"""
HEADS = ("mathbb", "mathcal", "mathrm", "Pr", "det", "dim", "deg", "arg", "Re", "Im", "ker", "sup", "inf", "max", "min")
"""commands that begin such a name"""
LONGEST = 60
"""tokens of a name"""


def left_name(tokens: Sequence[Token], start: int) -> tuple[str, int] | None:
    """The name that begins at a place and has an equals sign behind it, None where there is none."""
    end = _equals_sign(tokens, start)
    if end is None or end == start:
        return None
    written = tokens[start:end]
    if not (_is_event(written) or _is_words(written)):
        return None
    return " ".join(token.value for token in written if token.value not in ("{", "}")), end


def _equals_sign(tokens: Sequence[Token], start: int) -> int | None:
    """The place of the first sign between two sides, if it is an equals sign."""
    depth = 0
    for at in range(start, min(start + LONGEST, len(tokens))):
        spend(1)
        value = tokens[at].value
        depth += (value in OPENING) - (value in CLOSING)
        if depth == 0 and value in ("=", r"\approx"):
            return at
        if depth < 0 or (depth == 0 and (value in ENDS or (value == "|" and tokens[start].value != "|"))):
            return None
    return None


def _is_event(written: Sequence[Token]) -> bool:
    """Checks for a letter or a command whose bracket holds more than arguments, and for bars around sets."""
    head, last = written[0], written[-1]
    inside = [token for token in written[1:-1] if token.value in STATEMENTS or token.kind == "text"]
    if head.value == last.value == "|":
        return bool(inside)
    name = head.value.lstrip("\\")
    if head.kind == "command" and name in HEADS:
        return True
    if head.kind not in ("word", "text", "command") or (head.kind == "command" and name not in SYMBOLS):
        return False
    is_inverse = len(written) > 4 and "-" in (written[2].value, written[3].value)
    if is_inverse and written[1].value == "^" and name in FUNCTION_NAMES and last.value == ")":
        return True
    opening = next((token.value for token in written if token.value in ("(", "[")), None)
    if opening is None or last.value not in (")", "]"):
        return False
    return bool(inside) or opening == "[" or head.kind == "text"


def _is_words(written: Sequence[Token]) -> bool:
    """Checks for words, and letters or names that they speak of."""
    texts = [token for token in written if token.kind == "text" and len(token.value) > 1]
    return len(written) > 1 and bool(texts) and all(token.kind in ("text", "word", "name") for token in written)
