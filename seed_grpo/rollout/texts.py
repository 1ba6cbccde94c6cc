"""Text of a completion, and the token ids at which it stops.

Consumes token ids and the reason why they end; produces the text that is judged, recorded and answered. The tokenizer
decodes it all at once and with special tokens: where `<answer>` is one, the answer stands between two of them. A stop
string stays, as its tokens are trained on. A token that ends a completion by itself is not part of the text.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any


class CompletionTexts:
    """One tokenizer with its stops."""

    def __init__(self, tokenizer: Any, stop: Sequence[str], ends: Collection[int], vocab_size: int) -> None:
        """Finds the stop strings that are single tokens.

        Args:
            ends: ids of the tokens that end a completion, whatever `stop` is: the tokenizer's and the model's.
            vocab_size: vocabulary of the model, which samples no token beyond it.
        """
        self._tokenizer = tokenizer
        self._ends = frozenset(ends)
        ids = {text: tokenizer.encode(text, add_special_tokens=False) for text in stop}
        single = [each[0] for text, each in ids.items() if len(each) == 1 and self._decoded(each) == text]
        self.stop_ids = [token_id for token_id in single if token_id < vocab_size]
        """tokens that are a stop string by themselves, special or not"""

    def text(self, token_ids: Sequence[int], is_stopped: bool, stopped_at: int | str | None) -> str:
        """Decodes a completion.

        Args:
            token_ids: [T], with the token that ended it.
            is_stopped: True for a completion that an end token or a stop ended, and not a limit.
            stopped_at: the stop string, or the id of a stop token; None for the tokenizer's end token.
        """
        string = stopped_at if isinstance(stopped_at, str) else ""
        # an end token may have a stop string in its name: `<|im_end|>` has a `|`
        if is_stopped and token_ids[-1] not in self.stop_ids and (token_ids[-1] in self._ends or not string):
            return self._decoded(token_ids[:-1])
        text = self._decoded(token_ids)
        if not string:
            return text
        before, found, _ = text.partition(string)  # the last token may go on behind the stop string
        return before + found

    def _decoded(self, token_ids: Sequence[int]) -> str:
        return self._tokenizer.decode(list(token_ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
