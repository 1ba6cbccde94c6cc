r"""Tokens that name functions: `\sin`, `\operatorname{cosec}`, `atan`, `max`.

Consumes tokens; produces them with the kinds `call` and `function` where a word, a text or a command names one, under
the name that `seed_grpo.verify.math.forms` knows. What else such a word may be, a unit or a product of letters, its
neighbours decide.
"""

from __future__ import annotations

from collections.abc import Sequence

from seed_grpo.verify.math.forms import calls, functions
from seed_grpo.verify.math.forms.units import is_unit
from seed_grpo.verify.math.reading.tokens import END, Token

_FUNCTIONS = {**{name: name for name in functions.FUNCTIONS}, "ceiling": "ceil"}
"""functions of several arguments, as written to their names in `seed_grpo.verify.math.forms.functions`"""
_NOT_AHEAD = ("", ",", ";", ")", "]", "}", "=", "+", "/")
"""signs that begin no argument"""


def mark_functions(tokens: Sequence[Token]) -> list[Token]:
    """The tokens, those that name a function with its name and kind."""
    neighbours = zip((END, *tokens), tokens, (*tokens[1:], END), strict=False)
    return [_marked(before, token, behind) for before, token, behind in neighbours]


def _marked(before: Token, token: Token, behind: Token) -> Token:
    if token.kind not in ("word", "text", "command"):
        return token
    name = token.value.lstrip("\\")
    if name in _FUNCTIONS and behind.value in ("(", "{", r"\{", "_"):
        counted = token.kind != "command" and before.kind == "number" and is_unit(name)
        return token if counted else Token("function", _FUNCTIONS[name])
    known = calls.NAMES.get(name)
    return Token("call", known) if known is not None and _is_applied(before, token, name, behind) else token


def _is_applied(before: Token, token: Token, name: str, behind: Token) -> bool:
    """Checks whether what may name a function stands where it does so."""
    if token.kind == "command":
        return True
    is_called = behind.value in ("(", "{", "^")
    is_formula = token.kind == "text" and before.kind != "number"
    starts = behind.kind in ("word", "command", "number", "text")
    if name in calls.ONLY_COMMANDS:
        return is_formula and (is_called or starts)
    if name in calls.ONLY_BEFORE_BRACKETS:
        return is_called or (is_formula and starts)
    return token.kind == "word" or behind.value not in _NOT_AHEAD
