r"""Prompt templates: from a problem, or its conversation, to the text that the policy continues.

`qwen_math` and `r1` are those of the published Dr.GRPO code (arXiv 2503.20783, table 1). With `qwen_math` and `chat`
the answer is asked for in `\boxed{}`, unless `data.instruction` says otherwise; with `r1` in an `<answer>` tag, for
which `verifier.extraction=answer_tag` looks and at whose end `rollout.stop=["</answer>"]` stops. Chat templates and
Jinja files render conversations; the others only a single turn of the user. Which settings a template has a place for
is checked by `config.checks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from seed_grpo.config.sections import JINJA_SUFFIXES, DataConfig
from seed_grpo.data.rendering.chat import INSTRUCTION, TODAY, JinjaFile, chat, names_read
from seed_grpo.data.rendering.conversation import Conversation
from seed_grpo.errors import ConfigError, DataError, ModelError
from seed_grpo.extensions import is_import_path, load

Template = Callable[[Conversation, DataConfig, Any], str]
"""renders a conversation under the settings of the prompts; the last argument is the tokenizer"""


def template_of(name: str) -> Template:
    """The template that `data.template` names. Raises a `ConfigError` where its file is none, or a function of the
    user's own cannot be imported."""
    if is_import_path(name):
        return partial(_own, name, load(name))
    return JinjaFile(name) if name.endswith(JINJA_SUFFIXES) else TEMPLATES[name]


def _own(name: str, function: Template, conversation: Conversation, config: DataConfig, tokenizer: Any) -> str:
    """Calls a function of the user's own."""
    try:
        text = function(conversation, config, tokenizer)
    except Exception as error:  # whatever it raises
        raise ConfigError(
            f"data.template={name} failed on the problem {conversation.problem!r:.80} with {type(error).__name__}: "
            f"{error}; correct it"
        ) from error
    if not isinstance(text, str):
        raise ConfigError(f"data.template={name} returned {type(text).__name__}, not the text of a prompt; correct it")
    return text


def _qwen_math(conversation: Conversation, config: DataConfig, tokenizer: Any) -> str:
    instruction = INSTRUCTION if config.instruction is None else config.instruction
    turns = [("system", instruction)] if instruction else []
    for problem, answer in conversation.examples:
        turns += [("user", problem), ("assistant", answer)]
    turns.append(("user", _lone_problem(conversation, config)))
    return "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns) + "<|im_start|>assistant\n"


def _r1(conversation: Conversation, config: DataConfig, tokenizer: Any) -> str:
    return (
        "A conversation between User and Assistant. The User asks a question, and the Assistant solves it. "
        "The Assistant first thinks about the reasoning process in the mind and then provides the User with the "
        "answer. The reasoning process is enclosed within <think> </think> and answer is enclosed within <answer> "
        "</answer> tags, respectively, i.e., <think> reasoning process here </think> <answer> answer here </answer>.\n"
        f"User: {_lone_problem(conversation, config)}\nAssistant: <think>"
    )


def _none(conversation: Conversation, config: DataConfig, tokenizer: Any) -> str:
    behind = f"\n{config.instruction}" if config.instruction else ""
    earlier = "".join(f"{problem}{behind}\n{answer}\n\n" for problem, answer in conversation.examples)
    return f"{earlier}{_lone_problem(conversation, config)}{behind}"


def _lone_problem(conversation: Conversation, config: DataConfig) -> str:
    if len(conversation.turns) > 1:
        raise DataError(
            f"the problem {conversation.problem_id!r} is a conversation ({conversation.roles}), and data.template="
            f"{config.template} renders a single turn of the user; set data.template to chat or to a Jinja file"
        )
    return conversation.problem


TEMPLATES: dict[str, Template] = {
    "qwen_math": _qwen_math,
    "r1": _r1,
    "none": _none,
    "chat": chat,
}


class Renderer:
    """The template of a configuration, which renders one conversation after another."""

    def __init__(self, config: DataConfig, tokenizer: Any) -> None:
        """Raises a `ConfigError` where the template is a file that cannot be read or is no Jinja."""
        self._config, self._tokenizer = config, tokenizer
        self._template = template_of(config.template)
        self.source = self._template.source if isinstance(self._template, JinjaFile) else ""
        """text of a Jinja file; empty for other templates"""
        self.opens_itself = config.template == "chat" or bool(self.source)
        """true if it writes the beginning of a sequence, where there has to be one"""

    def __call__(self, conversation: Conversation) -> str:
        """Renders a conversation.

        Raises:
            ConfigError: the template is `chat` and the tokenizer has none, or a Jinja file fails.
            ModelError: the tokenizer's chat template fails.
            DataError: the template renders no conversations.
        """
        return self._template(conversation, self._config, self._tokenizer)

    def check(self, plain: Conversation, rendered: str) -> None:
        """Checks that everything that is given stands in a rendering of plain texts.

        Raises:
            ModelError: the chat template leaves something out.
            ConfigError: a Jinja file does.
        """
        missing = next((name for name, text in self._given(plain) if text.strip() not in rendered), None)
        if missing is None:
            return
        of = f" of the problem {plain.problem_id!r}" if plain.is_given else ""
        if self._config.template == "chat":
            raise ModelError(
                f"the chat template of {self._tokenizer.name_or_path!r} leaves out {missing}{of} (it gives "
                f"{rendered[:200]!r}); set data.template to another, or correct the template"
            )
        raise ConfigError(
            f"data.template={self._config.template} leaves out {missing}{of} (it gives {rendered[:200]!r}); write it "
            "there"
        )

    def _given(self, plain: Conversation) -> Iterator[tuple[str, str]]:
        yield "the user's message", plain.problem
        for role, text in plain.turns:
            yield f"the turn of {role}", text
        for problem, answer in plain.examples:
            yield "the problems of data.examples", problem
            yield "the answers of data.examples", answer
        yield "data.system_prompt", self._config.system_prompt or ""
        yield "data.instruction", self._config.instruction or ""

    def remarks(self) -> Iterator[str]:
        """Sentences on what the template does that the user may not expect."""
        config = self._config
        source = self._tokenizer.get_chat_template() if config.template == "chat" else self.source
        if "strftime_now" in source:
            yield f"the chat template prints the date: {TODAY:%d %B %Y} whenever it is, so that prompts do not change"
        read = names_read(source) if source else set()
        unread = ", ".join(sorted(set(config.chat_template_kwargs) - read))
        if unread:
            yield f"the chat template does not read {unread}, which data.chat_template_kwargs sets: it has no effect"
        if isinstance(self._template, JinjaFile):
            given = self._template.given(Conversation((("user", ""),)), config, self._tokenizer)
            if absent := ", ".join(sorted(read - set(given))):
                yield f"{config.template} asks for {absent}, which is not given and counts as false"
