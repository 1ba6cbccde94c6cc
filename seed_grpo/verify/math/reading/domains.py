r"""Remarks behind or around an answer on the letters in it: `, k \in \mathbb{Z}`, `where k is an integer`.

Consumes tokens; produces the tokens of the answer itself, and of which letters it says what they are.
A set `\{k\pi : k \in \mathbb{Z}\}` is read as the family of its members.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from seed_grpo.verify.math.reading.tokens import Token

LONGEST = 24
"""tokens of a remark"""
_BEGINNINGS = (",", ";", ":", "|", "(", "where", "for", "with", r"\forall")
_NAMES = r"(?P<names>[a-zA-Z](?: , [a-zA-Z])*)"
_LEAD = r"(?:[,;:|] )?(?:\( )?(?:(?:where|for|with|and|all|any|every|each|some|\\forall) )*"
_DOMAIN = r"(?:\\mathbb \{ (?P<blackboard>[ZNQRC]) \}|(?P<letter>[ZNQRC])|\\(?P<command>Z|N|Q|Reals)|(?:the )?integers)"
_INTEGER = r"(?:an? |any |all )?(?:arbitrary )?integers?"
_FREE = r"(?:an? |any |all )?(?:arbitrary )?(?P<free>real(?: numbers?)?|constants?)"
_REMARKS = (
    re.compile(rf"{_LEAD}{_NAMES} \\in {_DOMAIN}(?: \))?"),
    re.compile(rf"{_LEAD}{_NAMES} (?:is |are )?(?:{_INTEGER}|{_FREE})(?: \))?"),
    re.compile(rf"{_LEAD}(?:{_INTEGER}|{_FREE}) {_NAMES}(?: \))?"),
)


_WORDS = re.compile("integer|real|constant", re.I)


class Stated(NamedTuple):
    """An answer and its letters, e.g. of `2k\\pi, k \\in \\mathbb{Z}`: the tokens of `2k\\pi`, k, and Z."""

    tokens: list[Token]
    names: tuple[str, ...]
    domain: str
    """the domain: Z, N, Q, R or C; constants may be any real number"""


def split_domain(tokens: Sequence[Token]) -> Stated | None:
    """The answer and what is said of its letters; None where nothing is."""
    if not any(token.value == r"\in" or (len(token.value) > 3 and _WORDS.search(token.value)) for token in tokens):
        return None
    opening, closing = (tokens[0].value, tokens[-1].value) if len(tokens) > 2 else ("", "")
    is_set = (opening, closing) == (r"\{", r"\}")
    inside = tokens[1:-1] if is_set else tokens
    for start in range(max(1, len(inside) - LONGEST), len(inside)):
        first = inside[start].value.partition(" ")[0].lower()
        if first not in _BEGINNINGS:
            continue
        separates = first in ("|", ":")
        matched = _matched(inside[start:])
        if matched is not None and (separates or not is_set or inside[1].value in ("|", ":")):
            names = tuple(sorted(matched["names"].split(" , ")))
            found = matched.groupdict()
            domain = found.get("blackboard") or found.get("letter") or found.get("command") or "Z"
            domain = "R" if domain == "Reals" or found.get("free") else domain
            return Stated(_without_member(inside[:start]) if is_set else list(inside[:start]), names, domain)
    return None


def _matched(tail: Sequence[Token]) -> re.Match[str] | None:
    text = " ".join(token.value for token in tail).strip(" .")
    text = re.sub(r"\b(?:Integers?|Where|For|Any|All)\b", lambda word: word.group().lower(), text)
    return next((match for remark in _REMARKS if (match := remark.fullmatch(text))), None)


def _without_member(inside: Sequence[Token]) -> list[Token]:
    r"""Removes what says the same twice: `x | x = 2k` of `\{x | x = 2k, k \in Z\}` without what says the same twice."""
    is_named = len(inside) > 3 and inside[1].value in ("|", ":") and inside[0] == inside[2]
    return list(inside[2:] if is_named else inside)
