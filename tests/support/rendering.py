"""A problem's text as a template renders it, and prompts as they are encoded."""

from __future__ import annotations

from typing import Any

from seed_grpo.config.sections import DataConfig
from seed_grpo.data.prompts import EncodedPrompts, encode_prompts
from seed_grpo.data.rendering.conversation import Conversation
from seed_grpo.data.templates import Renderer
from seed_grpo.messages import Problem

SUM = Problem("sum", "1+1=", ("2",))
"""a problem"""
TALK = Problem(
    "talk",
    "And 2+2?",
    ("4",),
    turns=(("system", "Be brief."), ("user", "1+1?"), ("assistant", "2"), ("user", "And 2+2?")),
)
"""a conversation"""


def render(template: str, text: str, tokenizer: Any, **settings: Any) -> str:
    """The prompt of a problem without a conversation of its own; `settings` are those of `DataConfig`."""
    config = DataConfig(source="x", template=template, **settings)
    return Renderer(config, tokenizer)(Conversation((("user", text),)))


def encoded(problem: Problem, tokenizer: Any, **settings: Any) -> EncodedPrompts:
    """One problem, encoded."""
    return encode_prompts([problem], DataConfig(source="x", **settings), tokenizer)


def prompt_of(problem: Problem, tokenizer: Any, **settings: Any) -> str:
    """The text of its token ids."""
    ((_, ids),) = encoded(problem, tokenizer, **settings).prompts
    return tokenizer.decode(ids)


def chat_with(tokenizer: Any, template: str) -> Any:
    """The tokenizer with another chat template."""
    tokenizer.chat_template = template
    tokenizer.name_or_path = "some/model"
    return tokenizer
