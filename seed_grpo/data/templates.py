r"""Prompt templates: from a problem to the text, and the token ids, that the policy continues.

`qwen_math` and `r1` are those of the published Dr.GRPO code (arXiv 2503.20783, table 1). With `qwen_math`, `none` and
`chat` the final answer is expected in `\boxed{}`; with `r1` in an `<answer>` tag, for which
`verifier.extraction=answer_tag` looks and at whose end `rollout.stop=["</answer>"]` stops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from seed_grpo.config.sections import DataConfig
from seed_grpo.data.encoding import PromptEncoder
from seed_grpo.errors import ConfigError, DataError, ModelError
from seed_grpo.messages import Problem

INSTRUCTION = r"Please reason step by step, and put your final answer within \boxed{}."
TODAY = datetime(2024, 7, 26)
"""The date that chat templates print, whenever it is: a run that is resumed has the prompts that it had, and an
evaluation those of the training. It is the one that Llama's templates fall back on."""


class EncodedPrompts(NamedTuple):
    """Prompts that fit, in the order of the problems."""

    prompts: list[tuple[Problem, tuple[int, ...]]]
    """each problem with its prompt's token ids, [T]"""
    too_long: int
    """problems left out, their prompt being longer than `data.max_prompt_tokens`"""
    remarks: tuple[str, ...] = ()
    """changes made to the prompts that the user may not expect"""


def encode_prompts(problems: Sequence[Problem], config: DataConfig, tokenizer: Any) -> EncodedPrompts:
    """Renders and tokenizes the problems; see `encoding` for what becomes of special tokens.

    Raises:
        DataError: no prompt fits, or a problem cannot be told from control tokens.
        ConfigError: the template is `chat` and the tokenizer has none.
        ModelError: its template fails, or leaves the problem out.
    """
    encoder = PromptEncoder(
        tokenizer, lambda text: render(config.template, text, tokenizer), opens_itself=config.template == "chat"
    )
    ids, num_spelling = encoder.encode([problem.text for problem in problems])
    prompts = [
        (problem, tuple(prompt_ids))
        for problem, prompt_ids in zip(problems, ids, strict=True)
        if len(prompt_ids) <= config.max_prompt_tokens
    ]
    if not prompts:
        raise DataError(
            f"all {len(problems)} prompts of {config.source_name} are longer than "
            f"data.max_prompt_tokens={config.max_prompt_tokens} (the shortest has {min(map(len, ids))}); raise it"
        )
    remarks = _remarks(config, tokenizer, encoder.appended, num_spelling, prompts[0][1])
    return EncodedPrompts(prompts, len(problems) - len(prompts), tuple(remarks))


def _remarks(
    config: DataConfig, tokenizer: Any, appended: list[int], num_spelling: int, prompt_ids: Sequence[int]
) -> Iterator[str]:
    if appended and config.template != "chat":
        yield (
            f"the tokenizer appends {tokenizer.decode(appended)} to a text; prompts are made without it, since they "
            "are to be continued"
        )
    if num_spelling:
        yield f"{num_spelling} problems spell control tokens, which are encoded as plain text"
    if config.template == "chat" and "strftime_now" in str(tokenizer.chat_template):
        yield f"the chat template prints the date: {TODAY:%d %B %Y} whenever it is, so that prompts do not change"
    if prompt_ids[-1:] == (tokenizer.eos_token_id,):
        yield f"the prompts end in the end token {tokenizer.eos_token}, which template={config.template} writes there"


def render(template: str, problem_text: str, tokenizer: Any) -> str:
    """The prompt of a problem; only `chat` uses the tokenizer."""
    return TEMPLATES[template](problem_text, tokenizer)


def _qwen_math(problem_text: str, tokenizer: Any) -> str:
    return (
        f"<|im_start|>system\n{INSTRUCTION}<|im_end|>\n"
        f"<|im_start|>user\n{problem_text}<|im_end|>\n<|im_start|>assistant\n"
    )


def _r1(problem_text: str, tokenizer: Any) -> str:
    return (
        "A conversation between User and Assistant. The User asks a question, and the Assistant solves it. "
        "The Assistant first thinks about the reasoning process in the mind and then provides the User with the "
        "answer. The reasoning process is enclosed within <think> </think> and answer is enclosed within <answer> "
        "</answer> tags, respectively, i.e., <think> reasoning process here </think> <answer> answer here </answer>.\n"
        f"User: {problem_text}\nAssistant: <think>"
    )


def _none(problem_text: str, tokenizer: Any) -> str:
    return problem_text


def _chat(problem_text: str, tokenizer: Any) -> str:
    others = ", ".join(template for template in TEMPLATES if template != "chat")
    if not tokenizer.chat_template:
        raise ConfigError(
            f"the tokenizer of {tokenizer.name_or_path!r} has no chat template; set data.template to one of {others}"
        )
    turns = [{"role": "user", "content": f"{problem_text}\n{INSTRUCTION}"}]
    try:
        return tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True, strftime_now=TODAY.strftime
        )
    except Exception as error:  # a template is a program of the model's makers, which may fail in any way
        raise ModelError(
            f"the chat template of {tokenizer.name_or_path!r} does not render a single turn of the user "
            f"({type(error).__name__}: {' '.join(str(error).split())[:300]}); set data.template to one of {others}, or "
            "correct the template"
        ) from error


TEMPLATES: dict[str, Callable[[str, Any], str]] = {
    "qwen_math": _qwen_math,
    "r1": _r1,
    "none": _none,
    "chat": _chat,
}
