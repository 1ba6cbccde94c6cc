"""Encoded prompts of a data configuration: reads problems, renders the template, tokenizes, leaves out what is too
long, and shows a prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from seed_grpo.config.sections import JINJA_SUFFIXES, DataConfig
from seed_grpo.data.datasets import load_problems
from seed_grpo.data.rendering.conversation import conversation_of
from seed_grpo.data.rendering.encoding import Encoded, PromptEncoder
from seed_grpo.data.rendering.examples import as_pairs, load_examples, without_examples
from seed_grpo.data.source import Prompt
from seed_grpo.data.templates import Renderer
from seed_grpo.errors import DataError
from seed_grpo.messages import Problem

MARKS = {"boxed": r"\boxed", "answer_tag": "<answer>"}
"""text that a prompt holds which asks for the answer in that place, by extraction"""


class EncodedPrompts(NamedTuple):
    """Prompts that fit, in the order of the problems."""

    prompts: list[Prompt]
    too_long: int
    """problems left out, their prompt being longer than `data.max_prompt_tokens`"""
    remarks: tuple[str, ...] = ()
    """changes made to the prompts that the user may not expect"""
    not_asking: Mapping[str, int] = {}
    """number of prompts that do not ask for the answer where an extraction looks, by extraction; empty for a template
    that asks for nothing"""


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
    not_asking: Mapping[str, int] = {}
    """as in `EncodedPrompts`"""


def load_prompts(config: DataConfig, tokenizer: Any) -> PromptSet:
    """Reads and encodes a data set.

    Raises:
        DataError: nothing is found, a record is malformed, or no prompt fits.
        ConfigError: the template needs what the tokenizer has not, or is a file that fails.
        ModelError: the tokenizer's chat template fails.
    """
    read = load_problems(config)
    problems, examples = read.problems, load_examples(config)
    kept = without_examples(problems, examples)
    if not kept:
        raise DataError(
            f"all {len(problems)} problems of {config.source_name} are among the examples of data.examples; take others"
        )
    prompts, too_long, remarks, not_asking = _encode(kept, examples, config, tokenizer)
    if len(kept) < len(problems):
        remarks = (
            *remarks,
            f"{len(problems) - len(kept)} problems are among the examples of data.examples, and are left out: their "
            "prompts would hold their answers",
        )
    return PromptSet(prompts, read.skipped, too_long, (*read.remarks, *remarks), read.taken, not_asking)


def encode_prompts(problems: Sequence[Problem], config: DataConfig, tokenizer: Any) -> EncodedPrompts:
    """Renders and tokenizes the problems; see `encoding` for what becomes of special tokens.

    Raises:
        DataError: no prompt fits, a problem cannot be told from control tokens, or is a conversation that the template
            does not render.
        ConfigError: the template is `chat` and the tokenizer has none, or a Jinja file that fails.
        ModelError: the tokenizer's chat template fails, or leaves the problem out.
    """
    return _encode(problems, load_examples(config), config, tokenizer)


def _encode(
    problems: Sequence[Problem], examples: Sequence[Problem], config: DataConfig, tokenizer: Any
) -> EncodedPrompts:
    pairs = as_pairs(examples)
    conversations = [conversation_of(problem, pairs) for problem in problems]
    replaced = 0
    if config.system_prompt is not None:
        others = [conversation.without_system_turn() for conversation in conversations]
        replaced = sum(other != conversation for other, conversation in zip(others, conversations, strict=True))
        conversations = others
    renderer = Renderer(config, tokenizer)
    encoder = PromptEncoder(
        tokenizer, renderer, renderer.check, conversations[0],
        written=renderer.source, opens_itself=renderer.opens_itself,
    )  # fmt: skip
    encoded = encoder.encode(conversations)
    fitting = [place for place, ids in enumerate(encoded.ids) if len(ids) <= config.max_prompt_tokens]
    if not fitting:
        raise DataError(
            f"all {len(problems)} prompts of {config.source_name} are longer than "
            f"data.max_prompt_tokens={config.max_prompt_tokens} (the shortest has {min(map(len, encoded.ids))}); raise "
            "it"
        )
    prompts = [(problems[place], tuple(encoded.ids[place])) for place in fitting]
    remarks = [*_remarks(config, tokenizer, encoder, encoded, prompts[0][1]), *renderer.remarks()]
    if replaced:
        remarks.append(f"{replaced} conversations have a system turn, in place of which data.system_prompt stands")
    texts = [encoded.texts[place] for place in fitting]
    asks = config.template != "none" or config.instruction is not None
    not_asking = {name: sum(mark not in text for text in texts) for name, mark in MARKS.items()} if asks else {}
    return EncodedPrompts(prompts, len(problems) - len(prompts), tuple(remarks), not_asking)


def _remarks(
    config: DataConfig, tokenizer: Any, encoder: PromptEncoder, encoded: Encoded, prompt_ids: Sequence[int]
) -> Iterator[str]:
    is_file = config.template.endswith(JINJA_SUFFIXES)
    if encoder.appended and config.template != "chat" and not is_file:
        yield (
            f"the tokenizer appends {tokenizer.decode(encoder.appended)} to a text; prompts are made without it, since "
            "they are to be continued"
        )
    if encoder.leading and is_file and not encoder.is_opened:
        yield (
            f"the tokenizer begins a text with {tokenizer.decode(encoder.leading)}, and {config.template} does not: "
            "write {{ bos_token }} there if the policy knows texts with it"
        )
    if encoded.num_spelling:
        what = "prompts" if config.examples else "problems"
        yield f"{encoded.num_spelling} {what} spell control tokens, which are encoded as plain text"
    if prompt_ids[-1:] == (tokenizer.eos_token_id,):
        yield f"the prompts end in the end token {tokenizer.eos_token}, which template={config.template} writes there"


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
