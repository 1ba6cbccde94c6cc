"""A model small enough to start engines with in tests: Qwen2 architecture, one token per printable character.

`make_tiny_model` writes a Hugging Face folder that vLLM, Transformers and DeepSpeed load alike. The weights are random
but of a size that makes the next-token distribution uneven, so that a wrong matrix shows in the log-probabilities.
"""

from __future__ import annotations

import json
import string
from pathlib import Path

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

STEPS = 4
SMALL = [
    f"run.steps={STEPS}",
    "run.checkpoint_every=1",
    "rollout.prompts_per_step=4",
    "rollout.completions_per_prompt=4",
    "rollout.max_completion_tokens=12",
    "evaluation.num_problems=8",
    "evaluation.entropy_problems=2",
    # a random model writes random digits: the last number is right for about every third, see `make_digit_problems`
    "verifier.extraction=last_number",
    "cluster.dashboard=false",
    "warm_start=null",
]
"""settings of a run of four steps"""

PAD, EOS = "<pad>", "<eos>"
PRINTABLE = string.printable[:95] + "\n"  # the 95 printable ASCII characters, space last, and the newline


def make_tokenizer(characters: str = PRINTABLE) -> Qwen2Tokenizer:
    """One token per ASCII character; ids 0 and 1 are padding and end of sequence; other characters are dropped.

    A byte-level tokenizer without merges, since Transformers loads every model of type `qwen2` with its Qwen2Tokenizer,
    whatever `tokenizer_class` says: another kind of tokenizer.json would come back without its spaces.
    """
    tokens = [PAD, EOS, *(c.translate({ord(" "): "\u0120", ord("\n"): "\u010a"}) for c in characters)]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    return Qwen2Tokenizer(vocabulary, merges=[], unk_token=PAD, eos_token=EOS, pad_token=PAD)


def make_tiny_model(
    folder: str | Path,
    tied: bool,
    seed: int,
    vocab: str = PRINTABLE,
    dtype: str = "float32",
    intermediate_size: int = 128,
) -> Path:
    """Writes a two-layer model of width 64 with its tokenizer.

    Args:
        folder: made if absent.
        tied: whether the output matrix is the embedding matrix.
        seed: of the weights; two seeds give two models of the same shape.
        vocab: the characters the tokenizer knows.
        dtype: `float32` or `bfloat16`.
        intermediate_size: width of the MLPs.

    Returns:
        The folder.
    """
    tokenizer = make_tokenizer(vocab)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=intermediate_size,
        num_hidden_layers=2,
        num_attention_heads=2,  # vLLM on CPU knows no head narrower than 32
        num_key_value_heads=1,
        max_position_embeddings=512,
        initializer_range=0.15,
        tie_word_embeddings=tied,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2ForCausalLM(config).to(getattr(torch, dtype))
    folder = Path(folder)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_digit_problems(file: Path) -> Path:
    """Writes problems that half of all digits answer, so that a random model's groups are mixed, with a gradient."""
    rows = [{"problem": f"question {i}:", "answer": "1", "alt_answers": ["2", "3", "4", "5"]} for i in range(12)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def tiny_inputs(folder: Path) -> list[str]:
    """Settings of a run with a tiny model and the digit problems, which are made in the folder."""
    model = make_tiny_model(folder / "tiny", tied=True, seed=0)
    problems = make_digit_problems(folder / "digits.jsonl")
    return [f"model.path={model}", f"data.source={problems}", f"evaluation.data.source={problems}"]
