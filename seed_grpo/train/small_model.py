r"""The small model of the quickstart: Qwen2 architecture with random weights, and a tokenizer of single characters.

Produces a model and a tokenizer that save as an ordinary Hugging Face folder, which Transformers, vLLM and DeepSpeed
load like any other. The tokenizer knows printable ASCII and the newline, with `\boxed{` and `\frac{` as tokens of
their own, since every answer has them; any other character is `<|unk|>`. It does not train: see `warm_start`.
"""

from __future__ import annotations

import string

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

PAD, BOS, EOS, UNK = "<|pad|>", "<|bos|>", "<|endoftext|>", "<|unk|>"
LATEX = (r"\boxed{", r"\frac{")
CHARACTERS = string.digits + string.ascii_letters + string.punctuation + " \n"
CONTEXT = 4096
"""longest sequence, in tokens"""


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer; it adds no special token on its own."""
    vocabulary = [PAD, BOS, EOS, UNK, *LATEX, *CHARACTERS]
    tokenizer = Tokenizer(models.WordLevel({token: i for i, token in enumerate(vocabulary)}, unk_token=UNK))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\\boxed\{|\\frac\{|[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNK,
        model_max_length=CONTEXT,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def build_model(
    tokenizer: PreTrainedTokenizerFast,
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
