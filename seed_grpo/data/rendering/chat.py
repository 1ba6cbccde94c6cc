r"""Chat templates: the one of the tokenizer, and Jinja files, which may be that of another model.

Consumes a conversation, the settings of the prompts and a tokenizer; produces the prompt's text. Both run in the
sandbox that Transformers has for chat templates. A Jinja file gets what a chat template gets, and `problem`,
`system_prompt`, `instruction` and `examples` besides. In a file, to print what is not given is an error, since it is
a slip of the pen; to ask for it is none, since the templates of models do (`message.tool_calls`).
"""

from __future__ import annotations

import traceback
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
import jinja2.meta

from seed_grpo.config.sections import DataConfig
from seed_grpo.data.rendering.conversation import Conversation
from seed_grpo.errors import ConfigError, ModelError

INSTRUCTION = r"Please reason step by step, and put your final answer within \boxed{}."
TODAY = datetime(2024, 7, 26)
"""The date that chat templates print, whenever it is: a run that is resumed has the prompts that it had, and an
evaluation those of the training. It is the one that Llama's templates fall back on."""
OTHERS = "qwen_math, r1, none"
"""templates that are no chat templates, for messages"""


def chat(conversation: Conversation, config: DataConfig, tokenizer: Any) -> str:
    """Renders the chat template of the tokenizer.

    Raises:
        ConfigError: the tokenizer has none.
        ModelError: it fails.
    """
    if not tokenizer.chat_template:
        raise ConfigError(
            f"the tokenizer of {tokenizer.name_or_path!r} has no chat template; set data.template to one of {OTHERS}, "
            "or to a Jinja file"
        )
    own = "" if conversation.is_given else INSTRUCTION
    messages = conversation.messages(config.system_prompt, own if config.instruction is None else config.instruction)
    try:
        return tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            add_generation_prompt=True,
            strftime_now=TODAY.strftime,
            **config.chat_template_kwargs,
        )
    except Exception as error:  # a template is a program of the model's makers, which may fail in any way
        raise ModelError(
            f"the chat template of {tokenizer.name_or_path!r} does not render {_turns(conversation, messages)} "
            f"({_said(error)}); {_advice(config, conversation)}set data.template to one of {OTHERS} or a Jinja file, "
            "or mend the template"
        ) from error


class JinjaFile:
    """A template in a file; it is called as every other."""

    def __init__(self, path: str) -> None:
        """Reads and compiles it.

        Raises:
            ConfigError: the file is missing, or is no Jinja; names the line.
        """
        self._path = path
        try:
            self.source = Path(path).expanduser().read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise ConfigError(
                f"data.template={path} cannot be read ({why}); name a Jinja file that is there"
            ) from error
        try:
            environment = _environment(self.source).overlay(undefined=_Unprintable)
            self._template = environment.from_string(self.source)
        except jinja2.TemplateSyntaxError as error:
            raise ConfigError(f"data.template={path}, line {error.lineno}: {error.message}; mend it") from error

    def __call__(self, conversation: Conversation, config: DataConfig, tokenizer: Any) -> str:
        """Renders it.

        Raises:
            ConfigError: it fails; names the line.
        """
        given = self.given(conversation, config, tokenizer)
        try:
            return self._template.render(given)
        except Exception as error:  # a template is a program of the user's, which may fail in any way
            frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
            line = f", line {frames[-1].lineno}" if frames else ""
            raise ConfigError(
                f"data.template={self._path}{line} does not render {_turns(conversation, given['messages'])} "
                f"({_said(error)}); mend it. It is given {', '.join(sorted(given))}"
            ) from error

    def given(self, conversation: Conversation, config: DataConfig, tokenizer: Any) -> dict[str, Any]:
        """Variables of the template."""
        instruction = config.instruction or ""
        return {
            "bos_token": "",
            "eos_token": "",
            **tokenizer.special_tokens_map,
            "problem": conversation.problem,
            "messages": conversation.messages(config.system_prompt, instruction),
            "system_prompt": config.system_prompt or "",
            "instruction": instruction,
            "examples": [{"problem": problem, "answer": answer} for problem, answer in conversation.examples],
            "tools": None,
            "documents": None,
            "add_generation_prompt": True,
            "strftime_now": TODAY.strftime,
        }


class _Unprintable(jinja2.Undefined):
    """A value that is not given: nothing to a question, an error where it is printed."""

    __str__ = jinja2.StrictUndefined.__str__


def names_read(source: str) -> set[str]:
    """Variables that a template reads from what it is given."""
    environment = _environment(source)
    return jinja2.meta.find_undeclared_variables(environment.parse(source)) - set(environment.globals)


def _environment(source: str) -> jinja2.Environment:
    from transformers.utils import chat_template_utils  # takes seconds to load

    return chat_template_utils._compile_jinja_template(source).environment


def _turns(conversation: Conversation, messages: list[dict[str, str]]) -> str:
    """The turns that were to be rendered, for messages."""
    if len(messages) == 1 and not conversation.is_given:
        return "a single turn of the user"
    roles = ", ".join(message["role"] for message in messages)
    return f"the turns {roles} of the problem {conversation.problem_id!r}"


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _advice(config: DataConfig, conversation: Conversation) -> str:
    """The settings that add turns, which may be what the template does not take."""
    added = ["data.system_prompt"] if config.system_prompt is not None else []
    added += ["data.examples"] if conversation.examples else []
    return f"leave out {' or '.join(added)}, " if added else ""
