"""Chat templates of well-known kinds, and templates in Jinja files: hand-written renderings, and what is told."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from seed_grpo.config.checks import NOT_FOR_TEMPLATES
from seed_grpo.errors import ConfigError, ModelError
from support.chat_templates import GEMMA, QWEN_2_5, QWEN_3
from support.many_tokenizers import byte_level, characters
from support.rendering import SUM, TALK, chat_with, encoded, prompt_of

BOX = "Please reason step by step, and put your final answer within \\boxed{}."


@pytest.fixture(scope="module", params=[byte_level, characters], ids=["fast", "slow"])
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return request.param()


def chatml(*turns: str) -> str:
    """ChatML, in which a reply of the assistant begins."""
    return "".join(f"<|im_start|>{turn}<|im_end|>\n" for turn in turns) + "<|im_start|>assistant\n"


QWEN = "system\nYou are Qwen. You are a helpful assistant."
RENDERED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a default system turn stays": (QWEN_2_5, {}, chatml(QWEN, f"user\n1+1=\n{BOX}")),
    "a system prompt takes its place": (
        QWEN_2_5, {"system_prompt": "Be exact."}, chatml("system\nBe exact.", f"user\n1+1=\n{BOX}"),
    ),
    "an empty system prompt too": (QWEN_2_5, {"system_prompt": ""}, chatml("system\n", f"user\n1+1=\n{BOX}")),
    "no instruction": (QWEN_3, {"instruction": ""}, chatml("user\n1+1=")),
    "another instruction": (QWEN_3, {"instruction": "Answer in a tag."}, chatml("user\n1+1=\nAnswer in a tag.")),
    "no thinking": (
        QWEN_3,
        {"chat_template_kwargs": {"enable_thinking": False}},
        chatml(f"user\n1+1=\n{BOX}") + "<think>\n\n</think>\n\n",
    ),
    "roles by other names": (GEMMA, {}, f"<s>[INST]user\n1+1=\n{BOX}</s>\n[INST]model\n"),
}  # fmt: skip


@pytest.mark.parametrize(("template", "settings", "expected"), RENDERED.values(), ids=RENDERED)
def test_a_problem_under_a_chat_template(tokenizer: Any, template: str, settings: Any, expected: str) -> None:
    assert prompt_of(SUM, chat_with(tokenizer, template), template="chat", **settings) == expected


EARLIER = ("user\n1+1?", "assistant\n2")
CONVERSATIONS: dict[str, tuple[dict[str, Any], str]] = {
    # no instruction is appended: what is asked stands in the conversation
    "as it is": ({}, chatml("system\nBe brief.", *EARLIER, "user\nAnd 2+2?")),
    "an instruction that is set": (
        {"instruction": "In a box."}, chatml("system\nBe brief.", *EARLIER, "user\nAnd 2+2?\nIn a box."),
    ),
    "another system prompt": ({"system_prompt": "Be long."}, chatml("system\nBe long.", *EARLIER, "user\nAnd 2+2?")),
}  # fmt: skip


@pytest.mark.parametrize("in_file", [False, True], ids=["chat", "file"])
@pytest.mark.parametrize(("settings", "expected"), CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_a_conversation_is_rendered_as_it_is(
    tokenizer: Any, settings: Any, expected: str, in_file: bool, tmp_path: Path
) -> None:
    chat_with(tokenizer, QWEN_2_5)
    (tmp_path / "qwen.jinja").write_text(QWEN_2_5)
    template = str(tmp_path / "qwen.jinja") if in_file else "chat"
    found = encoded(TALK, tokenizer, template=template, **settings)
    assert tokenizer.decode(found.prompts[0][1]) == expected
    replaced = [remark for remark in found.remarks if "in place of which data.system_prompt stands" in remark]
    assert len(replaced) == ("system_prompt" in settings)


def test_a_chat_template_that_knows_no_system_turn_is_named() -> None:
    tokenizer = chat_with(byte_level(), GEMMA)
    with pytest.raises(ModelError, match=r"turns system, user of .*System role not supported.*out data.system_prompt,"):
        encoded(SUM, tokenizer, template="chat", system_prompt="Be exact.")
    with pytest.raises(ModelError, match=r"the turns system, user, assistant, user of the problem 'talk' \(.*not supp"):
        encoded(TALK, tokenizer, template="chat")


def test_a_turn_that_a_chat_template_leaves_out_is_named() -> None:
    users_only = "{% for m in messages if m.role == 'user' %}{{ m.content }}\n{% endfor %}"
    tokenizer = chat_with(byte_level(), users_only)
    assert prompt_of(SUM, tokenizer, template="chat", instruction="") == "1+1=\n"
    with pytest.raises(ModelError, match=r"'some/model' leaves out data.system_prompt \(it gives 'Compute 1 plus 1"):
        encoded(SUM, tokenizer, template="chat", system_prompt="Be exact.")
    with pytest.raises(ModelError, match="leaves out the turn of system of the problem 'talk'"):
        encoded(TALK, tokenizer, template="chat")


def test_a_variable_that_the_chat_template_does_not_read_is_told() -> None:
    given = {"enable_thinking": False, "thinking": True}
    remarks = encoded(SUM, chat_with(byte_level(), QWEN_3), template="chat", chat_template_kwargs=given).remarks
    assert remarks == (
        "the chat template does not read thinking, which data.chat_template_kwargs sets: it has no effect",
    )


def test_every_argument_of_chat_templates_is_refused_or_a_variable() -> None:
    arguments = set(inspect.signature(PreTrainedTokenizerBase.apply_chat_template).parameters) - {"self", "kwargs"}
    assert arguments - NOT_FOR_TEMPLATES == {"tools", "documents"}


# Jinja files


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], str]:
    def written(text: str) -> str:
        (tmp_path / "mine.jinja").write_text(text)
        return str(tmp_path / "mine.jinja")

    return written


OWN = """{{ bos_token }}{% if system_prompt %}{{ system_prompt }}
{% endif %}
{% for example in examples %}
Q: {{ example.problem }}
A: {{ example.answer }}
{% endfor %}
Q: {{ problem }}
{% if instruction %}({{ instruction }}){% endif +%}
A:
"""


def test_a_jinja_file_gets_the_parts_of_a_prompt(tokenizer: Any, file: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "shots.jsonl").write_text('{"problem": "3+4=", "answer": "7"}\n')
    shots = {"source": str(tmp_path / "shots.jsonl")}
    settings: dict[str, Any] = {"system_prompt": "Sums.", "instruction": "Be exact.", "examples": shots}
    # the newline at the end of a file is no part of it, as in chat_template.jinja of the hub
    assert prompt_of(SUM, tokenizer, template=file(OWN), **settings) == (
        "<s>Sums.\nQ: 3+4=\nA: 7\nQ: 1+1=\n(Be exact.)\nA:"
    )
    assert prompt_of(SUM, tokenizer, template=file(OWN)) == "<s>Q: 1+1=\n\nA:"


@pytest.mark.parametrize("template", [QWEN_2_5, QWEN_3, GEMMA], ids=["qwen_2_5", "qwen_3", "gemma"])
def test_the_chat_template_of_a_model_works_as_a_file(
    template: str, tokenizer: Any, file: Callable[[str], str]
) -> None:
    """Though it asks for what is not given, such as `message.tool_calls`."""
    chat_with(tokenizer, template)
    asked = {"instruction": "In a box."}
    expected = encoded(SUM, tokenizer, template="chat", **asked).prompts
    assert encoded(SUM, tokenizer, template=file(template), **asked).prompts == expected


BROKEN = {
    "syntax": ("{{ problem }}\n{% for %}", ", line 2: .*; mend it"),
    "unknown filter": ("{{ problem }}\n\n{{ problem | nonsense }}", ", line 3: .*nonsense"),
    "undefined": ("{{ problem }}\n{{ problme }}", ", line 2 .*'problme' is undefined.* given .*problem"),
    "undefined attribute": ("{{ problem }}\n{{ messages[0].text }}", ", line 2 .*no attribute 'text'"),
    "raised": ("{{ problem }}\n{{ raise_exception('no such turn') }}", r", line 2 .*\(TemplateError: no such turn\)"),
    "unsafe": ("{{ problem }}\n{{ problem.__class__.__mro__ }}", ", line 2 .*unsafe"),
    "no problem": ("Compute:\n{{ instruction }}", "leaves out the user's message .*write it there"),
}


@pytest.mark.parametrize(("text", "why"), BROKEN.values(), ids=BROKEN)
def test_a_jinja_file_that_fails_is_told_by_its_line(text: str, why: str, file: Callable[[str], str]) -> None:
    with pytest.raises(ConfigError, match=f"data.template=.*mine.jinja{'.*' if 'leaves' in why else ''}{why}"):
        encoded(SUM, byte_level(), template=file(text))


def test_a_setting_that_a_jinja_file_does_not_write_is_an_error(file: Callable[[str], str]) -> None:
    for setting in ("system_prompt", "instruction"):
        with pytest.raises(ConfigError, match=rf"mine.jinja leaves out data.{setting} \(it gives 'Q: Compute 1 plus"):
            encoded(SUM, byte_level(), template=file("Q: {{ problem }}"), **{setting: "Be exact."})


def test_a_jinja_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no.jinja cannot be read \(No such file or directory\); name a Jinja file"):
        encoded(SUM, byte_level(), template=str(tmp_path / "no.jinja"))


def test_what_a_jinja_file_asks_for_in_vain_is_told(file: Callable[[str], str]) -> None:
    (remark,) = encoded(
        SUM, byte_level(), template=file("{% for e in exampels %}{{ e }}{% endfor %}{{ problem }}")
    ).remarks
    assert remark.endswith("mine.jinja asks for exampels, which is not given and counts as false")
    (remark,) = encoded(SUM, byte_level(), template=file("{{ strftime_now('%Y') }} {{ problem }}")).remarks
    assert "26 July 2024" in remark


def test_a_beginning_that_a_jinja_file_does_not_write_is_told(file: Callable[[str], str]) -> None:
    tokenizer = characters()
    tokenizer.special_tokens_pattern = "bos"
    (remark,) = encoded(SUM, tokenizer, template=file("{{ problem }}")).remarks
    assert "begins a text with <s>, and" in remark and "{{ bos_token }}" in remark
    assert encoded(SUM, tokenizer, template=file("{{ bos_token }}{{ problem }}")).remarks == ()
