r"""Control tokens that data spells (`<|im_end|>`, `</s>`), encoded as the plain text that they are.

Consumes a tokenizer, its control tokens, and rendered prompts in which a private character stands for each control
token of the data; what is spelt otherwise is the template's, and becomes a control token. Produces token ids. It
does not know templates: see `encoding`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Protocol

ALIAS = "\ue000{}\ue001"
"""name of a control token in the twin of a tokenizer, by its id"""


class Spelling(Protocol):
    """Encodes a rendered prompt; `unmasked` has, for `str.translate`, what the private characters stand for."""

    def __call__(self, rendered: str, unmasked: Mapping[int, str]) -> list[int]: ...


def spelling_by(tokenizer: Any, control: Mapping[str, int], spelt: re.Pattern[str]) -> Spelling:
    """The way in which a tokenizer encodes plain text among control tokens.

    Args:
        control: ids of control tokens by their content.
        spelt: matches each content.
    """
    return _Twin(tokenizer, control, spelt) if tokenizer.is_fast else _Pieces(tokenizer, control, spelt)


class _Twin:
    """A fast tokenizer under other names for its control tokens. The template is rewritten to these names and encoded
    with the data in one piece, so that nothing else changes."""

    def __init__(self, tokenizer: Any, control: Mapping[str, int], spelt: re.Pattern[str]) -> None:
        self._spelt = spelt
        self._aliases = {content: ALIAS.format(token_id) for content, token_id in control.items()}
        backend = tokenizer.backend_tokenizer
        self._backend = type(backend).from_str(json.dumps(_renamed(json.loads(backend.to_str()), self._aliases)))
        # a name that is not in the vocabulary has got a new id
        added = {content: token_id for token_id, content in _contents(tokenizer).items()}
        self._true_ids = {
            self._backend.token_to_id(self._aliases.get(content, content)): token_id
            for content, token_id in added.items()
        }

    def __call__(self, rendered: str, unmasked: Mapping[int, str]) -> list[int]:
        text = self._spelt.sub(lambda match: self._aliases[match[0]], rendered).translate(unmasked)
        ids = self._backend.encode(text, add_special_tokens=False).ids
        return [self._true_ids.get(token_id, token_id) for token_id in ids]


def _contents(tokenizer: Any) -> dict[int, str]:
    return {token_id: token.content for token_id, token in tokenizer.added_tokens_decoder.items()}


def _renamed(tree: dict[str, Any], aliases: Mapping[str, str]) -> dict[str, Any]:
    """A `tokenizer.json` with other names for its control tokens, and nothing that cuts, pads or adds."""
    tree |= {"truncation": None, "padding": None, "post_processor": None}
    for token in tree["added_tokens"]:
        if token["content"] in aliases:
            token |= {"content": aliases[token["content"]], "normalized": False}
    model = tree["model"]
    if model["type"] == "Unigram":  # whose vocabulary, as that of words, is looked up in any text
        model["vocab"] = [[aliases.get(piece, piece), score] for piece, score in model["vocab"]]
    elif model["type"] != "BPE":
        model["vocab"] = {aliases.get(word, word): token_id for word, token_id in model["vocab"].items()}
        model["unk_token"] = aliases.get(model["unk_token"], model["unk_token"])
    return tree


class _Pieces:
    """A tokenizer in Python. It encodes what is between two control tokens by itself, as plain text."""

    def __init__(self, tokenizer: Any, control: Mapping[str, int], spelt: re.Pattern[str]) -> None:
        self._tokenizer, self._control = tokenizer, control
        self._spelt = re.compile(f"({spelt.pattern})")

    def __call__(self, rendered: str, unmasked: Mapping[int, str]) -> list[int]:
        ids: list[int] = []
        for place, piece in enumerate(self._spelt.split(rendered)):
            if place % 2:
                ids.append(self._control[piece])
            elif piece:
                text = piece.translate(unmasked)
                ids += self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return ids
