"""Survey of a set of problems: oddities of well-formed problems, as hints and never as errors.

Consumes problems and the relation that will judge; produces a sentence each about references that are bare words and
texts that come twice. References are looked at with the relation's own parser.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from seed_grpo.errors import SeedGrpoError
from seed_grpo.messages import Problem
from seed_grpo.verify.math.parse import parse_answer

WORDS = ("words", "string", "undefined")
"""kinds of forms that are no mathematics"""
OF_SYMBOLS = ("expression", "list", "ratio", "equation", "assign", "tuple", "chain", "system")
"""kinds in which a word of prose may have been read as a symbol, or as a product of letters"""
_PROSE = re.compile(
    r"(?i)(?<![\\A-Za-z])(?:thus|hence|therefore|so|we|get|is|are|the|ans|answers?|solution|final|result|option|choice"
    r"|there|because|since|need|you|which|that|has|have|was|she|they)(?![A-Za-z])"
)
_TEXT_GROUP = re.compile(r"\\(?:text\w*|mbox|hbox|mathrm)\s?\{[^{}]*\}")
LOOKED_AT = 5_000
"""problems whose references are parsed, which takes about half a millisecond each"""
SHOWN = 60
"""characters of a text in a sentence"""


def survey(problems: Sequence[Problem], relation: str) -> list[str]:
    """The sentences, each with how many problems it is about and one of them.

    Args:
        relation: `verifier.relation`; only `math` reads more in a reference than its words.
    """
    sentences = [_repeated(problems)]
    if relation == "math":
        sentences.insert(0, _bare_words(problems[:LOOKED_AT], len(problems)))
    return [sentence for sentence in sentences if sentence]


def normal_text(problem: Problem) -> str:
    """The text of a problem with its white space normalised."""
    return " ".join(problem.text.split())


def _prompt(problem: Problem) -> tuple[str, ...]:
    """All that a prompt says, however it is laid out."""
    return tuple(" ".join(text.split()) for turn in problem.turns for text in turn) or (normal_text(problem),)


def _bare_words(problems: Sequence[Problem], total: int) -> str:
    found = [each for each in problems if each.answers and not any(map(_is_mathematics, each.answers))]
    if not found:
        return ""
    of = f"{total}" if total == len(problems) else f"the first {len(problems)}"
    return (
        f"{len(found)} of {of} problems have a reference of bare words, which verifier.relation=math compares as text, "
        f"such as {_shown(found[0].answers[0])} of {found[0].id!r}; where that is no word but a "
        "solution or a formula, no answer can equal it: correct it, or name another column in data.columns.answer"
    )


def _is_mathematics(answer: str) -> bool:
    try:
        kind = parse_answer(answer).kind
    except SeedGrpoError:  # beyond the parser's bounds
        return False
    return kind not in WORDS and not (kind in OF_SYMBOLS and _PROSE.search(_TEXT_GROUP.sub(" ", answer)))


def _repeated(problems: Sequence[Problem]) -> str:
    first: dict[tuple[str, ...], Problem] = {}
    pairs = [
        (problem, earlier)
        for problem in problems
        if (earlier := first.setdefault(_prompt(problem), problem)) is not problem
    ]
    if not pairs:
        return ""
    others = [pair for pair in pairs if set(pair[0].answers) != set(pair[1].answers)]
    again, earlier = (others or pairs)[0]
    conflict = (
        f"; {len(others)} of them with OTHER references, such as {_shown(again.answers[0])} and "
        f"{_shown(earlier.answers[0])}"
        if others
        else ""
    )
    return (
        f"{len(pairs)} of {len(problems)} problems have the text of an earlier one, such as {again.id!r} that of "
        f"{earlier.id!r}{conflict}: each is sampled as a prompt of its own"
    )


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")
