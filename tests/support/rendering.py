"""A problem's text as a template renders it."""

from __future__ import annotations

from typing import Any

from seed_grpo.config.sections import DataConfig
from seed_grpo.data.rendering.conversation import Conversation
from seed_grpo.data.templates import Renderer


def render(template: str, text: str, tokenizer: Any, **settings: Any) -> str:
    """The prompt of a problem without a conversation of its own; `settings` are those of `DataConfig`."""
    config = DataConfig(source="x", template=template, **settings)
    return Renderer(config, tokenizer)(Conversation((("user", text),)))
