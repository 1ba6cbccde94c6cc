r"""Encoding of conversations as token ids, in which only the template writes control tokens.

Consumes a tokenizer, a template as a function, and conversations; produces token ids. All prompts are encoded in one
piece, as the tokenizer does it by itself, but for those whose data spells a control token: see `spelling`. A template
does not see what is spelt, except in turns of the assistant: templates of reasoning models take the thinking out of
earlier turns by its marks. What the tokenizer puts in front of a text (a beginning of sequence) stays, unless the
template writes its own. What it appends (an end of sequence, a separator) is left out, since a prompt is to be
continued.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from seed_grpo.data.rendering.conversation import PLAIN, Conversation
from seed_grpo.data.rendering.spelling import Spelling, spelling_by
from seed_grpo.errors import DataError, ModelError

MASK = 0xF0000
"""first of the private characters that stand for control tokens of the data while its template is rendered"""
SEEN = "\U00100000"
"""private character before a control token of the data that the template may see"""

MARKS = "<think> <answer>"
"""marks in which models think and answer, whatever their templates write"""
_BRACKETED = re.compile(r"<.+>|\[.+\]", re.S)
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


class Encoded(NamedTuple):
    """Prompts of all conversations, in their order."""

    ids: list[list[int]]
    texts: list[str]
    """as they were rendered"""
    num_spelling: int
    """conversations that spell control tokens"""


class PromptEncoder:
    """A tokenizer and a template."""

    def __init__(
        self,
        tokenizer: Any,
        render: Callable[[Conversation], str],
        check: Callable[[Conversation, str], None],
        first: Conversation,
        *,
        written: str = "",
        opens_itself: bool,
    ) -> None:
        """Looks at what the two do to a conversation of plain texts.

        Args:
            render: from a conversation to the prompt's text.
            check: gets a conversation of plain texts and its rendering, once for each kind of conversation; raises
                where a text is missing.
            first: one of the conversations.
            written: source of the template, where it is not the tokenizer's.
            opens_itself: whether the template writes the beginning of a sequence, where there has to be one; a template
                that begins with it needs no other anyway.

        Raises:
            ModelError: the tokenizer changes a text that it adds tokens to.
            SeedGrpoError: the template fails, or `check` does.
        """
        self._tokenizer, self._render, self._check = tokenizer, render, check
        rendered = render(first.plain())
        self.leading, self.appended = _surroundings(tokenizer)
        self._control = _control_tokens(tokenizer, rendered + written)
        # any text may have the token for what is unknown
        self._counted = frozenset(self._control.values()) - {tokenizer.unk_token_id}
        longest_first = sorted(self._control, key=len, reverse=True)
        self._spelt = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
        self._seen = re.compile(f"{SEEN}(?:{self._spelt.pattern})")
        self._masks = {content: chr(MASK + number) for number, content in enumerate(self._control)}
        self._unmasked = {ord(mask): content for content, mask in self._masks.items()}
        self._spelling: Spelling | None = None
        self._template_ids: dict[Conversation, list[int]] = {}
        (plain_ids,) = self._ids([rendered])
        self.is_opened = plain_ids[: len(self.leading)] == self.leading
        self._in_front = [] if opens_itself or self.is_opened else self.leading

    def encode(self, conversations: Sequence[Conversation]) -> Encoded:
        """Encodes conversations.

        Raises:
            DataError: the tokenizer knows no plain way to write a control token that a conversation spells.
            SeedGrpoError: the template fails, or leaves a text out.
        """
        masked = [conversation.mapped(self._masked) for conversation in conversations]
        rendered = [self._hidden(self._render(conversation)) for conversation in masked]
        ids = self._ids(rendered)
        num_spelling = 0
        for place, conversation in enumerate(conversations):
            expected = self._expected(masked[place])
            if masked[place] != conversation or self._control_ids(ids[place]) != expected:
                ids[place] = self._plain_ids(rendered[place], conversation, expected)
                num_spelling += 1
        texts = [text.translate(self._unmasked) for text in rendered]
        return Encoded([self._in_front + prompt_ids for prompt_ids in ids], texts, num_spelling)

    def _masked(self, role: str, text: str) -> str:
        text = text.replace(SEEN, "")
        if role == "assistant":
            return self._spelt.sub(lambda match: SEEN + match[0], text)
        return self._spelt.sub(lambda match: self._masks[match[0]], text)

    def _hidden(self, rendered: str) -> str:
        """A rendering in which also the control tokens that its template saw are masked."""
        if SEEN not in rendered:
            return rendered
        return self._seen.sub(lambda match: self._masks[match[0][1:]], rendered).replace(SEEN, "")

    def _expected(self, masked: Conversation) -> list[int]:
        """Control tokens that the template writes around such turns, whatever is said in them."""
        seen = masked.mapped(lambda _, text: "".join(self._seen.findall(text)) if SEEN in text else "")
        texts = iter([text for _, text in seen.turns] + [text for example in seen.examples for text in example])
        skeleton = masked.plain().mapped(lambda _, text: next(texts) + text)
        if skeleton not in self._template_ids:
            rendered = self._hidden(self._render(skeleton))
            self._check(masked.plain(), rendered)
            (plain_ids,) = self._ids([rendered])
            self._template_ids[skeleton] = self._control_ids(plain_ids)
        return self._template_ids[skeleton]

    def _ids(self, texts: list[str]) -> list[list[int]]:
        return self._tokenizer(texts, add_special_tokens=False, split_special_tokens=False)["input_ids"]

    def _control_ids(self, prompt_ids: Iterable[int]) -> list[int]:
        return [token_id for token_id in prompt_ids if token_id in self._counted]

    def _plain_ids(self, rendered: str, conversation: Conversation, expected: list[int]) -> list[int]:
        """Encodes a prompt that has masks: spelt out, or with a space in it where the tokenizer finds the control token
        even so.

        Args:
            expected: control tokens of the template, which have to be the only ones.
        """
        if self._spelling is None:
            self._spelling = spelling_by(self._tokenizer, self._control, self._spelt)
        spelt_out = self._spelling(rendered, self._unmasked)
        if self._control_ids(spelt_out) == expected:
            return spelt_out
        spaced = rendered.translate({mask: f"{content[0]} {content[1:]}" for mask, content in self._unmasked.items()})
        (with_spaces,) = self._ids([spaced])
        if self._control_ids(with_spaces) == expected or spaced == rendered:  # the latter is the tokenizer's own habit
            return with_spaces
        found = self._tokenizer.convert_ids_to_tokens(self._control_ids(with_spaces))
        raise DataError(
            f"the tokenizer of {self._tokenizer.name_or_path!r} finds the control tokens {', '.join(found)} in the "
            f"prompt of the problem {conversation.problem[:200]!r}, and knows no plain way to write them; take the "
            "problem out"
        )


def _surroundings(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The tokens that a tokenizer puts in front of a text by itself, and those that it appends."""
    plain = PLAIN.format(1)
    bare = tokenizer(plain, add_special_tokens=False)["input_ids"]
    whole = tokenizer(plain, add_special_tokens=True)["input_ids"]
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return whole[:start], whole[start + len(bare) :]
    raise ModelError(
        f"the tokenizer of {tokenizer.name_or_path!r} encodes {plain!r} as {whole}, and as {bare} where it is to add "
        "no special tokens, which is another text; choose another model.path"
    )


def _control_tokens(tokenizer: Any, rendered: str) -> dict[str, int]:
    """Ids by content: the special tokens, and the added ones that templates mark something with (`<think>`)."""
    templates = tokenizer.chat_template or ""
    written = rendered + MARKS + (templates if isinstance(templates, str) else "".join(templates.values()))
    control = {
        token.content: token_id
        for token_id, token in tokenizer.added_tokens_decoder.items()
        if token.special or _is_mark(token.content, written)
    }
    control |= {content: tokenizer.convert_tokens_to_ids(content) for content in tokenizer.all_special_tokens}
    # a byte's token comes of any text that has no other for its characters
    return {content: number for content, number in control.items() if content.strip() and not _BYTE.fullmatch(content)}


def _is_mark(content: str, written: str) -> bool:
    """Tells whether a token stands in brackets and a template writes it, or what opens or closes it. Others (HTML, runs
    of spaces) are ordinary text."""
    opening = content.replace("/", "", 1)
    closing = f"{opening[:1]}/{opening[1:]}"
    return _BRACKETED.fullmatch(content) is not None and (opening in written or closing in written)
