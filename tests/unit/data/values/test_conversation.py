"""Conversations in every notation; malformed ones stand in test_problem_files."""

from __future__ import annotations

import json

import pytest

from seed_grpo.data.values.conversation import conversation

TURNS = (("system", "Be brief."), ("user", "1+1="), ("assistant", "2"), ("user", r"$\frac{1}{2}$?"))
MESSAGES = [{"role": role, "content": content} for role, content in TURNS]
SHARE_GPT = [
    {"from": {"user": "human", "assistant": "gpt"}.get(role, role), "value": content} for role, content in TURNS
]
PARTS = [{"role": role, "content": [{"type": "text", "text": content[:3]}, {"type": "text", "text": content[3:]}]}
         for role, content in TURNS]  # fmt: skip
NOTATIONS = {
    "messages": MESSAGES,
    "ShareGPT": SHARE_GPT,
    "parts": PARTS,
    "parts and texts": [{"role": "system", "content": ["Be ", "brief."]}, *PARTS[1:]],
    "columns": {"role": [role for role, _ in TURNS], "content": [content for _, content in TURNS]},
    "JSON text": json.dumps(MESSAGES, indent=1),
    "Python text": str(SHARE_GPT),
    "null besides": [message | {"tool_calls": None, "name": None} for message in MESSAGES],
}


@pytest.mark.parametrize("value", NOTATIONS.values(), ids=NOTATIONS)
def test_every_notation_gives_the_same_turns(value: object) -> None:
    assert conversation(value, "prompt") == TURNS


def test_an_eaten_backslash_is_put_back_in_every_turn() -> None:
    eaten = [{"role": "user", "content": "$\frac{1}{2}$"}]
    assert conversation(eaten, "prompt") == (("user", r"$\frac{1}{2}$"),)


@pytest.mark.parametrize(
    "value",
    ["1+1=", "[1, 2] is a list", '[{"a": 1}] is JSON', "{x: role}", ["a", "b"], [], {"text": "p"}, 5, None],
    ids=repr,
)
def test_what_holds_no_messages_is_no_conversation(value: object) -> None:
    assert conversation(value, "prompt") is None
