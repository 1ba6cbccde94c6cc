"""From a data configuration to encoded prompts: reads the problems, renders the template, tokenizes, leaves out."""

from __future__ import annotations

from typing import Any, NamedTuple

from seed_grpo.config import DataConfig
from seed_grpo.data.cursor import Prompt
from seed_grpo.data.sets import load_problems
from seed_grpo.data.templates import encode_prompts


class PromptSet(NamedTuple):
    """What a data set gives."""

    prompts: list[Prompt]
    """at least one"""
    skipped: int
    """malformed records that were left out"""
    too_long: int
    """prompts of more than `data.max_prompt_tokens` that were left out"""


def load_prompts(config: DataConfig, tokenizer: Any) -> PromptSet:
    """Reads and encodes a data set.

    Raises:
        DataError: nothing is found, a record is malformed, or no prompt fits.
        ConfigError: the template needs what the tokenizer has not.
    """
    problems, skipped = load_problems(config)
    prompts, too_long = encode_prompts(problems, config, tokenizer)
    return PromptSet(prompts, skipped, too_long)
