"""The model and the batch of part `step`: made once, read by every contestant.

Consumes sizes; produces a Hugging Face folder and a file of completions whose lengths have a long tail, as those of a
reasoning model do. Token ids are random: what a step costs depends on their number alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from seed_grpo.arithmetic.model import build_tokenizer
from seed_grpo.messages import Sample

PROMPTS, COMPLETIONS = 8, 8
LONGEST = 512
"""completion tokens allowed"""
PROMPT_TOKENS = (20, 60)
SPREAD = 0.9
"""standard deviation of the logarithm of a length"""
LEARNING_RATE, BETAS = 1e-6, (0.9, 0.95)
MAX_GRAD_NORM = 1.0


@dataclass(frozen=True)
class Size:
    """A model's size, e.g. `Size("small vocabulary", 512, 5)`: 256 wide, 4 layers, a tied output matrix."""

    name: str
    vocabulary: int
    rounds: int
    """steps that are timed"""
    hidden: int = 256
    layers: int = 4
    heads: int = 4


def make_model(size: Size, folder: Path) -> int:
    """Writes a Qwen2 model with random weights and a tokenizer; returns its parameters."""
    tokenizer = build_tokenizer()
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=size.vocabulary,
            hidden_size=size.hidden,
            intermediate_size=3 * size.hidden,
            num_hidden_layers=size.layers,
            num_attention_heads=size.heads,
            num_key_value_heads=size.heads,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
            dtype="float32",
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model.num_parameters()


def make_samples(vocabulary: int, seed: int = 0) -> list[Sample]:
    """The completions of a step: mean length a quarter of the longest, every advantage other than 0, so that no
    contestant may leave any out."""
    rng = np.random.default_rng(seed)
    lengths = _lengths(rng).reshape(PROMPTS, COMPLETIONS)
    samples = []
    for group in range(PROMPTS):
        prompt = rng.integers(10, vocabulary, rng.integers(*PROMPT_TOKENS, endpoint=True)).astype(np.int32)
        right = rng.permutation(COMPLETIONS) < rng.integers(1, COMPLETIONS)
        advantages = right - right.mean()
        for length, advantage in zip(lengths[group], advantages, strict=True):
            completion = rng.integers(10, vocabulary, length).astype(np.int32)
            logprobs = np.full(length, -np.log(vocabulary), dtype=np.float32)
            samples.append(Sample(prompt, completion, logprobs, float(advantage), group))
    return samples


def _lengths(rng: np.random.Generator) -> np.ndarray:
    """Log-normal, cut at the longest, of which there is one at least, and brought to the mean."""
    drawn = np.exp(SPREAD * rng.standard_normal(PROMPTS * COMPLETIONS))
    low, high = 1.0, float(LONGEST)
    for _ in range(50):  # bisection: the mean grows with the factor
        factor = (low + high) / 2
        lengths = np.clip(factor * drawn, 4, LONGEST).astype(int)
        low, high = (factor, high) if lengths.mean() < LONGEST / 4 else (low, factor)
    lengths[lengths.argmax()] = LONGEST
    return lengths
