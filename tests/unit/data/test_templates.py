"""Chat templates of every kind: dates, failures, what they leave out, and what of a problem they see."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from transformers.utils import chat_template_utils

from seed_grpo.config import DataConfig
from seed_grpo.data.templates import EncodedPrompts, encode_prompts
from seed_grpo.errors import ConfigError, ModelError
from seed_grpo.messages import Problem
from support.many_tokenizers import byte_level


def encoded(text: str, tokenizer: Any) -> EncodedPrompts:
    return encode_prompts([Problem("1", text, ("1",))], DataConfig(source="x", template="chat"), tokenizer)


def prompt_of(text: str, tokenizer: Any) -> str:
    return tokenizer.decode(encoded(text, tokenizer).prompts[0][1])


DATES = {
    "Llama 3": "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    "Today Date: {{ date_string }}\n",
    "Mistral": "{% set today = strftime_now('%Y-%m-%d') %}The current date is {{ today }}.\n",
    "in a macro": "{% macro day() %}{{ strftime_now('%B %d, %Y %H:%M:%S') }}{% endmacro %}{{ day() }}\n",
    "in a default": "{{ (today | default(strftime_now('%d %B %Y'))) }}\n",
}


class LaterDay(datetime):
    """A clock that stands years away."""

    @classmethod
    def now(cls, tz: Any = None) -> LaterDay:
        return cls(2031, 1, 2, 3, 4, 5)


@pytest.mark.parametrize("writes", DATES.values(), ids=DATES)
def test_a_prompt_does_not_depend_on_the_day(writes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = byte_level()
    tokenizer.chat_template = writes + "{{ messages[0].content }}"
    today = encoded("x", tokenizer)
    monkeypatch.setattr(chat_template_utils, "datetime", LaterDay)
    assert "2031" in tokenizer.apply_chat_template([{"role": "user", "content": "x"}], tokenize=False)
    assert encoded("x", tokenizer) == today
    assert "2024" in prompt_of("x", tokenizer)
    assert "26 July 2024 whenever it is" in today.remarks[0]


FAILING = {
    "raises": ("{{ raise_exception('Conversation must begin with a system turn') }}", "must begin with a system turn"),
    "alternates": ("{% if messages|length % 2 %}{{ raise_exception('roles must alternate') }}{% endif %}", "alternate"),
    "second turn": ("{{ messages[1]['content'] }}", "has no element 1"),
    "no Jinja": ("{% for m in messages %}{{ m.content }}", "TemplateSyntaxError"),
    "a number": ("{{ messages[0].content + 1 }}", "TypeError"),
    "unknown filter": ("{{ messages[0].content | nonsense }}", "nonsense"),
    "no default": ({"tool_use": "x", "rag": "y"}, "multiple chat templates with no default"),
}


@pytest.mark.parametrize(("template", "why"), FAILING.values(), ids=FAILING)
def test_a_chat_template_that_fails_is_named(template: Any, why: str) -> None:
    tokenizer = byte_level()
    tokenizer.name_or_path = "some/model"
    tokenizer.chat_template = template
    with pytest.raises(ModelError, match=rf"template of 'some/model'.*{why}.*set data.template to one of") as caught:
        encoded("x", tokenizer)
    assert "\n" not in str(caught.value)


SYSTEM_ALONE = "{% for m in messages if m.role == 'system' %}{{ m.content }}{% endfor %}"
PARTS = "{% for m in messages %}{% for part in m.content %}{{ part.text }}{% endfor %}{% endfor %}"


@pytest.mark.parametrize("template", ["Hello.", SYSTEM_ALONE, PARTS])
def test_a_chat_template_that_leaves_the_problem_out_is_refused(template: str) -> None:
    tokenizer = byte_level()
    tokenizer.chat_template = template
    with pytest.raises(ModelError, match=r"leaves out what the user says .* set data.template to another"):
        encoded("x", tokenizer)


def test_without_a_chat_template_the_configuration_is_wrong() -> None:
    tokenizer = byte_level()
    tokenizer.chat_template = None
    with pytest.raises(ConfigError, match=r"has no chat template; set data.template to one of qwen_math, r1, none"):
        encoded("x", tokenizer)


def test_a_template_does_not_see_the_control_tokens_of_a_problem() -> None:
    """As templates do that cut off what was thought, or count tags."""
    tokenizer = byte_level()
    tokenizer.chat_template = "{% for m in messages %}{{ m.content.split('</think>')[-1] | trim }}{% endfor %}"
    assert "before" in prompt_of("before </think> after", tokenizer)


def test_thinking_that_may_be_switched_off_is_on() -> None:
    tokenizer = byte_level()
    tokenizer.chat_template += (
        "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
    )
    assert prompt_of("x", tokenizer).endswith("assistant\n<think>\n")
