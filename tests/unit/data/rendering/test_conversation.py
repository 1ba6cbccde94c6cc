"""Conversations, and the templates that render none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seed_grpo.data.rendering.conversation import Conversation, conversation_of
from seed_grpo.errors import DataError
from support.many_tokenizers import byte_level
from support.rendering import SUM, TALK, encoded, prompt_of


def test_messages_are_asked_as_their_examples_are() -> None:
    conversation = conversation_of(TALK, [("3+3?", "6")])
    assert [(m["role"], m["content"]) for m in conversation.messages(None, "Go.")] == [
        ("system", "Be brief."), ("user", "3+3?\nGo."), ("assistant", "6"),
        ("user", "1+1?"), ("assistant", "2"), ("user", "And 2+2?\nGo."),
    ]  # fmt: skip
    assert conversation_of(SUM).messages(None, "") == [{"role": "user", "content": "1+1="}]
    assert conversation_of(SUM).messages("S", "")[0] == {"role": "system", "content": "S"}


def test_plain_texts_stand_in_for_all_but_blank_ones() -> None:
    conversation = Conversation((("system", " "), ("user", "a"), ("user", "b")), (("c", "d"),))
    assert conversation.plain() == Conversation(
        (("system", " "), ("user", "Compute 1 plus 1"), ("user", "Compute 2 plus 1")),
        (("Compute 3 plus 1", "Compute 4 plus 1"),),
    )


def test_a_conversation_that_asks_nothing_is_refused() -> None:
    with pytest.raises(DataError, match=r"problem 'talk' ends in a turn of 'assistant', not of the user"):
        conversation_of(replace(TALK, turns=TALK.turns[:3]))


@pytest.mark.parametrize("template", ["qwen_math", "r1", "none"])
def test_only_chat_templates_render_several_turns(template: str) -> None:
    tokenizer = byte_level()
    lone = replace(SUM, turns=(("user", SUM.text),))
    assert (
        encoded(lone, tokenizer, template=template).prompts[0][1]
        == (encoded(SUM, tokenizer, template=template).prompts[0][1])
    )
    with pytest.raises(DataError, match=rf"'talk' is a conversation \(system, user, .*={template} .*to chat or to a J"):
        encoded(TALK, tokenizer, template=template)


def test_a_lone_turn_of_a_record_gets_no_instruction_in_a_chat() -> None:
    lone = replace(SUM, turns=(("user", SUM.text),))
    assert prompt_of(lone, byte_level(), template="chat").startswith("<|im_start|>user\n1+1=<|im_end|>\n")
