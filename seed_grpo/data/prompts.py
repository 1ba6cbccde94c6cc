"""Encoded prompts of a data configuration: reads problems, renders the template, tokenizes, leaves out what is too
long, and shows a prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from seed_grpo.config.sections import DataConfig
from seed_grpo.data.datasets import load_problems
from seed_grpo.data.source import Prompt
from seed_grpo.data.templates import encode_prompts


class PromptSet(NamedTuple):
    """Encoded prompts of a data set."""

    prompts: list[Prompt]
    """the prompts; at least one"""
    skipped: int
    """malformed records that were left out"""
    too_long: int
    """prompts of more than `data.max_prompt_tokens` that were left out"""
    remarks: tuple[str, ...] = ()
    """changes made to records and prompts that the user may not expect"""
    taken: str = ""
    """format of the records, and the columns taken from them"""


def load_prompts(config: DataConfig, tokenizer: Any) -> PromptSet:
    """Reads and encodes a data set.

    Raises:
        DataError: nothing is found, a record is malformed, or no prompt fits.
        ConfigError: the template needs what the tokenizer has not.
        ModelError: the tokenizer's chat template fails.
    """
    read = load_problems(config)
    prompts, too_long, remarks = encode_prompts(read.problems, config, tokenizer)
    return PromptSet(prompts, read.skipped, too_long, (*read.remarks, *remarks), read.taken)


def shown(prompt_ids: Sequence[int], tokenizer: Any) -> list[str]:
    """Lines that show people a prompt as the policy gets it: how many tokens, which of them are special, and its text.

    Only the count tells a special token from a text that spells it.
    """
    special = {token_id for token_id, token in tokenizer.added_tokens_decoder.items() if token.special}
    counts = Counter(tokenizer.convert_ids_to_tokens([token_id for token_id in prompt_ids if token_id in special]))
    names = ", ".join(f"{count} x {token}" for token, count in counts.items()) or "none"
    text = tokenizer.decode(list(prompt_ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    lines = ("".join(c if c.isprintable() else ascii(c)[1:-1] for c in line) for line in text.split("\n"))
    return [f"the first prompt, {len(prompt_ids)} tokens, of them special: {names}", *(f"| {line}" for line in lines)]
