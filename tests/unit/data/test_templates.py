"""Templates: the published ones, and chat templates of every kind, their dates, failures and what they leave out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from transformers.utils import chat_template_utils

from seed_grpo.arithmetic.model import build_tokenizer
from seed_grpo.config.sections import DataConfig
from seed_grpo.data.prompts import EncodedPrompts, encode_prompts
from seed_grpo.errors import ConfigError, DataError, ModelError
from seed_grpo.messages import Problem
from support.many_tokenizers import byte_level, characters
from support.rendering import render


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
    with pytest.raises(ModelError, match=r"leaves out the user's message .* set data.template to another"):
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


def test_templates_are_those_of_the_published_code():
    assert render("none", "1+1=", None) == "1+1="
    assert render("qwen_math", "Q {x} %s", None) == (
        "<|im_start|>system\nPlease reason step by step, and put your final answer within \\boxed{}.<|im_end|>\n"
        "<|im_start|>user\nQ {x} %s<|im_end|>\n<|im_start|>assistant\n"
    )
    r1 = render("r1", "Q", None)
    assert r1.startswith("A conversation between User and Assistant. The User asks a question, and the Assistant")
    assert r1.endswith("<answer> answer here </answer>.\nUser: Q\nAssistant: <think>")
    assert "  " not in r1 and r1.count("\n") == 2
    tokenizer = byte_level()
    tokenizer.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: "
    chat = render("chat", "Q", tokenizer)
    assert chat == "user: Q\nPlease reason step by step, and put your final answer within \\boxed{}.\nassistant: "


def test_chat_without_a_chat_template_says_what_to_set():
    with pytest.raises(ConfigError, match=r"has no chat template; set data.template to one of qwen_math, r1, none"):
        render("chat", "Q", build_tokenizer())


def test_encoding_leaves_out_and_counts_long_prompts():
    problems = [Problem(str(n), "x" * n, ("1",)) for n in (2, 3, 4)]
    config = DataConfig(source="toy", template="none", max_prompt_tokens=4)
    tokenizer = characters()
    tokenizer.special_tokens_pattern = "bos"
    (bos,) = tokenizer("")["input_ids"]
    encoded = encode_prompts(problems, config, tokenizer)
    # one special token each: 3, 4 and 5 tokens; counting without it would keep all three
    assert encoded == ([(problems[0], (bos, 120, 120)), (problems[1], (bos, 120, 120, 120))], 1, (), {})
    with pytest.raises(DataError, match=r"all 1 prompts .* data.max_prompt_tokens=4 \(the shortest has 5\)"):
        encode_prompts(problems[2:], config, tokenizer)
