"""A position in a list of tokens: what both halves of the grammar read through.

Consumes tokens of `seed_grpo.verify.math.reading.tokens`; it knows brackets and separators and no mathematics.
"""

from __future__ import annotations

from seed_grpo.verify.isolation.bounds import MAX_DEPTH, BoundReachedError, GrammarError, spend
from seed_grpo.verify.math.reading.tokens import CLOSING, END, OPENING, Token


def is_separator(token: Token) -> bool:
    """Whether a token stands between the items of a list."""
    return token.value in (",", ";") or (token.kind in ("text", "word") and token.value.strip() in ("and", "or"))


class TokenReader:
    """A list of tokens, the next one to read, and how deep the reading is nested."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0

    def _peek(self, ahead: int = 0) -> Token:
        try:
            return self._tokens[self._next + ahead]
        except IndexError:
            return END

    def _take(self) -> Token:
        token = self._peek()
        self._next += 1
        return token

    def _accept(self, value: str) -> bool:
        if self._peek().value != value or self._peek() == END:
            return False
        self._next += 1
        return True

    def _expect(self, value: str) -> None:
        if not self._accept(value):
            raise GrammarError(f"{self._peek().value!r} where {value!r} should be")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BoundReachedError(f"an answer is nested over {MAX_DEPTH} deep")

    def _has_inside(self, *values: str) -> bool:
        """Whether one of the values stands in the bracket that comes next, and in no bracket within it."""
        depth = 0
        for token in self._tokens[self._next :]:
            spend(3)
            depth += (token.value in OPENING) - (token.value in CLOSING)
            if depth == 0:
                return False
            if depth == 1 and token.value in values:
                return True
        return False

    def _raw(self) -> str:
        """A subscript, or what an accent stands over, as it is written."""
        if not self._accept("{"):
            token = self._take()
            if token.kind == "word" and len(token.value) == 2:  # m_pc is m_p times c
                self._next -= 1
                self._tokens[self._next] = Token("word", token.value[1])
            return token.value[0] if token.kind == "word" and len(token.value) == 2 else token.value
        parts = []
        while not self._accept("}"):
            if self._peek() == END:
                raise GrammarError("a subscript is not closed")
            parts.append(self._take().value)
        return "".join(parts)

    def _is_separator(self, token: Token) -> bool:
        return is_separator(token)
