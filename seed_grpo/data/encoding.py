r"""Encoding of problems as token ids, in which only the template writes control tokens.

Consumes a tokenizer, a template as a function, and problem texts; produces token ids. All prompts are encoded in one
piece, as the tokenizer does it by itself, but for those of problems that spell a control token: see `spelling`. What
the tokenizer puts in front of a text (a beginning of sequence) stays, unless the template writes its own. What it
appends (an end of sequence, a separator) is left out, since a prompt is to be continued.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from seed_grpo.data.spelling import Spelling, spelling_by
from seed_grpo.errors import DataError, ModelError

PLAIN = "Compute 1 plus 1"
"""a text without control tokens, which every template passes on as it is"""
MASK = 0xF0000
"""first of the private characters that stand for control tokens of a problem while its template is rendered"""

MARKS = "<think> <answer>"
"""marks in which models think and answer, whatever their templates write"""
_BRACKETED = re.compile(r"<.+>|\[.+\]", re.S)
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


class PromptEncoder:
    """A tokenizer and a template."""

    def __init__(self, tokenizer: Any, render: Callable[[str], str], *, opens_itself: bool) -> None:
        """Encodes a plain text to learn what the tokenizer and the template add to it.

        Args:
            render: from a problem's text to the prompt's.
            opens_itself: whether the template writes the beginning of a sequence, where there has to be one; a template
                that begins with it needs no other anyway.

        Raises:
            ModelError: the template leaves the problem out, or the tokenizer changes a text that it adds tokens to.
        """
        self._tokenizer, self._render = tokenizer, render
        rendered = render(PLAIN)
        if PLAIN not in rendered:
            raise ModelError(
                f"the chat template of {tokenizer.name_or_path!r} leaves out the user's message (it renders "
                f"{rendered[:200]!r}); set data.template to another, or correct the template"
            )
        leading, self.appended = _surroundings(tokenizer)
        self._control = _control_tokens(tokenizer, rendered)
        # any text may have the token for what is unknown
        self._counted = frozenset(self._control.values()) - {tokenizer.unk_token_id}
        longest_first = sorted(self._control, key=len, reverse=True)
        self._spelt = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
        self._masks = {content: MASK + number for number, content in enumerate(self._control)}
        self._spelling: Spelling | None = None
        (plain_ids,) = self._ids([rendered])
        self._template_ids = self._control_ids(plain_ids)
        self._leading = [] if opens_itself or plain_ids[: len(leading)] == leading else leading

    def encode(self, texts: Sequence[str]) -> tuple[list[list[int]], int]:
        """Encodes problems.

        Returns:
            the token ids of each prompt, and the number of problems that spell control tokens.

        Raises:
            DataError: the tokenizer knows no plain way to write a control token that a problem spells.
            ModelError: the template fails.
        """
        masked = [self._spelt.sub(lambda match: chr(self._masks[match[0]]), text) for text in texts]
        rendered = [self._render(text) for text in masked]
        ids = self._ids(rendered)
        num_spelling = 0
        for place, text in enumerate(texts):
            if masked[place] != text or not self._is_plain(ids[place]):
                ids[place] = self._plain_ids(rendered[place], text)
                num_spelling += 1
        return [self._leading + prompt_ids for prompt_ids in ids], num_spelling

    def _ids(self, texts: list[str]) -> list[list[int]]:
        return self._tokenizer(texts, add_special_tokens=False, split_special_tokens=False)["input_ids"]

    def _control_ids(self, prompt_ids: Iterable[int]) -> list[int]:
        return [token_id for token_id in prompt_ids if token_id in self._counted]

    def _is_plain(self, prompt_ids: Iterable[int]) -> bool:
        """Tells whether the control tokens are those of the template alone."""
        return self._control_ids(prompt_ids) == self._template_ids

    def _plain_ids(self, rendered: str, problem_text: str) -> list[int]:
        """Encodes a prompt that has masks as spelt out; if the tokenizer still finds the control token, with a space
        inside it."""
        if self._spelling is None:
            self._spelling = spelling_by(self._tokenizer, self._control, self._spelt)
        spelt_out = self._spelling(rendered, {mask: content for content, mask in self._masks.items()})
        if self._is_plain(spelt_out):
            return spelt_out
        spaced = rendered.translate({mask: f"{content[0]} {content[1:]}" for content, mask in self._masks.items()})
        (with_spaces,) = self._ids([spaced])
        if self._is_plain(with_spaces) or spaced == rendered:  # the latter is the tokenizer's own habit
            return with_spaces
        found = self._tokenizer.convert_ids_to_tokens(self._control_ids(with_spaces))
        raise DataError(
            f"the tokenizer of {self._tokenizer.name_or_path!r} finds the control tokens {', '.join(found)} in the "
            f"prompt of the problem {problem_text[:200]!r}, and cannot encode them as text; take the problem out"
        )


def _surroundings(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The tokens that a tokenizer puts in front of a text by itself, and those that it appends."""
    bare = tokenizer(PLAIN, add_special_tokens=False)["input_ids"]
    whole = tokenizer(PLAIN, add_special_tokens=True)["input_ids"]
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return whole[:start], whole[start + len(bare) :]
    raise ModelError(
        f"the tokenizer of {tokenizer.name_or_path!r} encodes {PLAIN!r} as {whole}, but as {bare} without special "
        "tokens, and the two are different texts; choose another model.path"
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
    """Tells whether a token stands in brackets and a template writes it, or its opening or closing partner. Other added
    tokens (HTML, runs of spaces) are ordinary text."""
    opening = content.replace("/", "", 1)
    closing = f"{opening[:1]}/{opening[1:]}"
    return _BRACKETED.fullmatch(content) is not None and (opening in written or closing in written)
