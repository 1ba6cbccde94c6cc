r"""Prompt templates: from a problem to the text, and the token ids, that the policy continues.

`qwen_math` and `r1` are those of the published Dr.GRPO code (arXiv 2503.20783, table 1). With `qwen_math`, `none` and
`chat` the final answer is expected in `\boxed{}`; with `r1` in an `<answer>` tag, for which
`verifier.extraction=answer_tag` looks and at whose end `rollout.stop=["</answer>"]` stops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from seed_grpo.config import DataConfig
from seed_grpo.errors import ConfigError, DataError
from seed_grpo.messages import Problem

INSTRUCTION = r"Please reason step by step, and put your final answer within \boxed{}."


class EncodedPrompts(NamedTuple):
    """Prompts that fit, in the order of the problems."""

    prompts: list[tuple[Problem, tuple[int, ...]]]
    """each problem with its prompt's token ids, [T]"""
    too_long: int
    """problems left out, their prompt being longer than `data.max_prompt_tokens`"""


def encode_prompts(problems: Sequence[Problem], config: DataConfig, tokenizer: Any) -> EncodedPrompts:
    """Renders and tokenizes the problems; special tokens are the tokenizer's habit, but for `chat` the template's.

    Raises:
        DataError: no prompt fits.
        ConfigError: the template is `chat` and the tokenizer has none.
    """
    texts = [render(config.template, problem.text, tokenizer) for problem in problems]
    ids = tokenizer(texts, add_special_tokens=config.template != "chat")["input_ids"]
    prompts = [
        (problem, tuple(prompt_ids))
        for problem, prompt_ids in zip(problems, ids, strict=True)
        if len(prompt_ids) <= config.max_prompt_tokens
    ]
    if not prompts:
        raise DataError(
            f"all {len(problems)} prompts of {config.source} are longer than "
            f"data.max_prompt_tokens={config.max_prompt_tokens} (the shortest has {min(map(len, ids))}); raise it"
        )
    return EncodedPrompts(prompts, len(problems) - len(prompts))


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
    if not tokenizer.chat_template:
        raise ConfigError(
            f"the tokenizer of {tokenizer.name_or_path!r} has no chat template; "
            f"set data.template to one of {', '.join(t for t in TEMPLATES if t != 'chat')}"
        )
    turns = [{"role": "user", "content": f"{problem_text}\n{INSTRUCTION}"}]
    return tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)


TEMPLATES: dict[str, Callable[[str, Any], str]] = {
    "qwen_math": _qwen_math,
    "r1": _r1,
    "none": _none,
    "chat": _chat,
}
