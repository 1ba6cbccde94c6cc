"""Tokenizers of every kind, small and made here: byte-level, Llama's two, Gemma's, Unigram, WordPiece, and in Python.

Each knows the control tokens of `CONTROL` and a chat template that writes them.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, PythonBackend, SentencePieceBackend

CONTROL = ["<pad>", "<s>", "</s>", "<unk>", "<|im_start|>", "<|im_end|>", "[INST]"]
THOUGHT = ["<think>", "</think>"]
"""added tokens that are not special, as Qwen3's"""
CORPUS = [
    "Compute 47+85. What is the value of x if 2x + 3 = 11? user system assistant",
    r"Find $\frac{1}{2} + \sqrt{3}$ and put your final answer within \boxed{}. Please reason step by step.",
    "Let <a, b> be a pair;\n\n    [asy] draw((0,0)--(1,1)); [/asy]\n",
    "| x | < 3 end_im_start /think/answer/s unk pad INST",
] * 20
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)


def _wrapped(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special, extra_special_tokens=CONTROL[4:])
    wrapped.add_tokens([AddedToken(mark, normalized=False, special=False) for mark in THOUGHT])
    wrapped.chat_template = CHAT
    return wrapped


def byte_level() -> PreTrainedTokenizerFast:
    """As GPT's and Qwen's: merges never cross a control token, which is added behind the vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        CORPUS, trainers.BpeTrainer(show_progress=False, vocab_size=500, initial_alphabet=alphabet)
    )
    return _wrapped(tokenizer)


def _byte_fallback(normalizer: Any, pre_tokenizer: Any) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizer
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokens = [*CONTROL[:4], *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer.train_from_iterator(
        CORPUS, trainers.BpeTrainer(show_progress=False, vocab_size=700, special_tokens=tokens)
    )
    tree = json.loads(tokenizer.to_str())
    tree["added_tokens"] = tree["added_tokens"][:4]  # bytes are pieces like others
    tokenizer = Tokenizer.from_str(json.dumps(tree))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return _wrapped(tokenizer)


def llama_2() -> PreTrainedTokenizerFast:
    """A space is put in front of everything between two control tokens."""
    return _byte_fallback(normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None)


def llama_first() -> PreTrainedTokenizerFast:
    """A space is put in front of the whole text alone."""
    return _byte_fallback(None, pre_tokenizers.Metaspace(prepend_scheme="first", split=False))


def gemma() -> PreTrainedTokenizerFast:
    """No space is put in front; runs of newlines and HTML are added tokens, and ordinary text."""
    wrapped = _byte_fallback(normalizers.Replace(" ", "▁"), None)
    wrapped.add_tokens([AddedToken(text, normalized=False) for text in ("\n\n", "<b>", "</b>", "<sub>")])
    return wrapped


def unigram() -> PreTrainedTokenizerFast:
    """The control tokens are pieces like others: one that is spelt is found in any text."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(show_progress=False, vocab_size=200, special_tokens=CONTROL, unk_token="<unk>")
    tokenizer.train_from_iterator(CORPUS, trainer)
    return _wrapped(tokenizer)


def word_piece() -> PreTrainedTokenizerFast:
    """As BERT's: in lower case, between `<s>` and `</s>`."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\s+"), "removed")
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.train_from_iterator(
        CORPUS, trainers.WordPieceTrainer(show_progress=False, vocab_size=400, special_tokens=CONTROL)
    )
    tokenizer.post_processor = processors.BertProcessing(("</s>", 2), ("<s>", 1))
    return _wrapped(tokenizer)


class _Characters(PythonBackend):
    """A tokenizer in Python, of Unicode characters."""

    @property
    def vocab_size(self) -> int:
        return 0x3000

    def get_vocab(self) -> dict[str, int]:
        return {chr(number): number for number in range(self.vocab_size)} | self._added_tokens_encoder

    def _tokenize(self, text: str, **_: Any) -> list[str]:
        return list(text)

    def _convert_token_to_id(self, token: str) -> int:
        return ord(token) if len(token) == 1 and ord(token) < self.vocab_size else self.unk_token_id

    def _convert_id_to_token(self, index: int) -> str:
        return chr(index)

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        return "".join(tokens)


def _in_python(tokenizer: Any) -> Any:
    tokenizer.add_special_tokens({"extra_special_tokens": [*CONTROL[4:]]})
    tokenizer.add_tokens([AddedToken(mark, normalized=False, special=False) for mark in THOUGHT])
    tokenizer.chat_template = CHAT
    return tokenizer


def characters() -> Any:
    return _in_python(_Characters(pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"))


def sentence_piece() -> Any:
    """SentencePiece's own library, which finds pieces that a user defined in any text, and control pieces in none."""
    import sentencepiece

    folder = Path(tempfile.mkdtemp())
    (folder / "corpus.txt").write_text("\n".join(CORPUS))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"), model_prefix=str(folder / "model"), minloglevel=2,
        vocab_size=140, hard_vocab_limit=False, user_defined_symbols=["<|im_end|>", "@"],
        pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="<pad>",
    )  # fmt: skip
    return _in_python(
        SentencePieceBackend(
            vocab_file=str(folder / "model.model"), pad_token="<pad>", bos_token="<s>", eos_token="</s>",
            unk_token="<unk>",
        )
    )  # fmt: skip


KINDS: dict[str, Callable[[], Any]] = {
    each.__name__: each
    for each in (
        byte_level, llama_2, llama_first, gemma, unigram, word_piece, characters, sentence_piece,
    )
}  # fmt: skip
