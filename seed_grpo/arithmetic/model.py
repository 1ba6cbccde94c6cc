"""The small model of the quickstart: Qwen2 architecture with random weights, and a tokenizer of single characters.

Produces a model and a tokenizer that save as an ordinary Hugging Face folder, which Transformers, vLLM and DeepSpeed
load like any other. For that the tokenizer must be Qwen2's own kind, pairs of bytes: `AutoTokenizer` loads every folder
with a Qwen2 model as one, whatever class was saved, and would silently drop the spaces of a plain table of characters.
With two merged words its tokens are single bytes, so that any text can be encoded. It does not train: see `warm_start`.
"""

from __future__ import annotations

import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

PAD, BOS, EOS = "<|pad|>", "<|bos|>", "<|endoftext|>"
WORDS = ("boxed", "frac")
"""LaTeX commands of every answer of the generated task: one token each, which shortens completions by a seventh"""
CONTEXT = 4096
"""longest sequence, in tokens"""


def build_tokenizer() -> Qwen2Tokenizer:
    """The tokenizer; it adds no special token on its own, and pads on the left."""
    merges = [(word[:end], word[end]) for word in WORDS for end in range(1, len(word))]
    tokens = [PAD, BOS, EOS, *sorted(ByteLevel.alphabet()), *(left + right for left, right in merges)]
    return Qwen2Tokenizer(
        vocab={token: token_id for token_id, token in enumerate(tokens)},
        merges=merges,  # type: ignore[arg-type]  # annotated narrower than what it takes and itself passes on
        unk_token=None,  # type: ignore[arg-type]  # likewise; no byte is unknown
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        model_max_length=CONTEXT,
        padding_side="left",
    )


def build_model(
    tokenizer: Qwen2Tokenizer,
    *,
    hidden_size: int,
    layers: int,
    heads: int,
    tie_word_embeddings: bool,
    seed: int,
) -> Qwen2ForCausalLM:
    """A model in float32 whose random weights depend on the seed alone; torch's own random state is left as it was."""
    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        intermediate_size=3 * hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=tie_word_embeddings,
        dtype="float32",
        **special,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2ForCausalLM(config)
    model.generation_config = GenerationConfig(do_sample=False, **special)
    return model
