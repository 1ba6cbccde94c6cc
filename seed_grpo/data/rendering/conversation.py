"""Conversations: the data that a template renders, and the same as chat messages.

A record's conversation ends in its problem. A problem without one is a single turn of the user. Examples are solved
problems, the same before every problem. All of it is data, in which no control token counts; see `encoding`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from seed_grpo.errors import DataError
from seed_grpo.messages import Problem

PLAIN = "Compute {} plus 1"
"""a text without control tokens, which every template passes on as it is"""
SYSTEM_ROLES = ("system", "developer")
"""roles of the turn that may begin a conversation, in place of which `data.system_prompt` stands"""


@dataclass(frozen=True)
class Conversation:
    """Turns that end in the problem, and the examples before them, e.g. `Conversation((("user", "What is 2+2?"),))`."""

    turns: tuple[tuple[str, str], ...]
    """(role, content), the last of the user"""
    examples: tuple[tuple[str, str], ...] = ()
    """(problem, answer)"""
    is_given: bool = False
    """true if the record holds the turns"""
    problem_id: str = field(default="", compare=False)
    """for messages"""

    @property
    def problem(self) -> str:
        """Text of the last turn."""
        return self.turns[-1][1]

    @property
    def roles(self) -> str:
        """Roles of the turns, for messages."""
        return ", ".join(role for role, _ in self.turns)

    def mapped(self, change: Callable[[str, str], str]) -> Conversation:
        """The same with other texts; `change` gets the role and the text of each, those of the turns first."""
        turns = tuple((role, change(role, text)) for role, text in self.turns)
        examples = tuple((change("user", problem), change("assistant", answer)) for problem, answer in self.examples)
        return replace(self, turns=turns, examples=examples)

    def plain(self) -> Conversation:
        """The same with a plain text in place of each, all of them different; blank ones stay."""
        numbers = count(1)
        return self.mapped(lambda _, text: PLAIN.format(next(numbers)) if text.strip() else text)

    def messages(self, system_prompt: str | None, instruction: str) -> list[dict[str, str]]:
        """Chat messages of a conversation that is asked as its examples are.

        Args:
            system_prompt: of a turn before the others.
            instruction: stands on a line of its own behind the problem and those of the examples, unless it is empty.
        """
        behind = f"\n{instruction}" if instruction else ""
        opening, rest = self._split()
        turns = list(opening) if system_prompt is None else [("system", system_prompt), *opening]
        for problem, answer in self.examples:
            turns += [("user", problem + behind), ("assistant", answer)]
        turns += [*rest[:-1], ("user", self.problem + behind)]
        return [{"role": role, "content": content} for role, content in turns]

    def without_system_turn(self) -> Conversation:
        """The same but for a system turn that begins it."""
        return replace(self, turns=self._split()[1])

    def _split(self) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
        """The system turn that may begin it, and the others."""
        place = 1 if self.turns[0][0] in SYSTEM_ROLES else 0
        return self.turns[:place], self.turns[place:]


def conversation_of(problem: Problem, examples: Sequence[tuple[str, str]] = ()) -> Conversation:
    """The conversation of a problem, its record's own where it holds one.

    Raises:
        DataError: it does not end in a turn of the user.
    """
    if not problem.turns:
        return Conversation((("user", problem.text),), tuple(examples), problem_id=problem.id)
    if problem.turns[-1][0] != "user":
        raise DataError(
            f"the conversation of the problem {problem.id!r} ends in a turn of {problem.turns[-1][0]!r}, not of the "
            "user, so that nothing is asked; take the last turns out of the record"
        )
    turns = (*problem.turns[:-1], ("user", problem.text))
    return Conversation(turns, tuple(examples), is_given=True, problem_id=problem.id)
