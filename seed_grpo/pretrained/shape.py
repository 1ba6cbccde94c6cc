"""The shape of a dense decoder by its config.json: its parameters, bytes of its activations, FLOP of its tokens.

Consumes the model's configuration; produces arithmetic for `commands.plan` and `records.throughput`. It reads no
weights and loads no torch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seed_grpo.config.sections import ModelConfig
from seed_grpo.errors import ModelError

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")


@dataclass(frozen=True)
class Shape:
    """A dense decoder, e.g. Qwen2.5-7B: `Shape(3584, 28, 28, 4, 128, 18944, 152064, tied=False, vectors=11776)`, where
    the output matrix is not the embedding (tied), and a layer's norms and biases (vectors) have 11776 numbers."""

    hidden: int
    layers: int
    heads: int
    key_heads: int
    head_width: int
    intermediate: int
    vocabulary: int
    tied: bool
    vectors: int

    @property
    def matrices(self) -> dict[str, tuple[int, int]]:
        """(in, out) of each matrix of a layer."""
        hidden, inner = self.hidden, self.intermediate
        queries, keys = self.heads * self.head_width, self.key_heads * self.head_width
        attention = {"q_proj": (hidden, queries), "k_proj": (hidden, keys), "v_proj": (hidden, keys)}
        mlp = {"gate_proj": (hidden, inner), "up_proj": (hidden, inner), "down_proj": (inner, hidden)}
        return attention | {"o_proj": (queries, hidden)} | mlp

    @property
    def parameters(self) -> int:
        """Numbers of the model; tied matrices count once."""
        layer = sum(inputs * outputs for inputs, outputs in self.matrices.values()) + self.vectors
        return self.layers * layer + self.hidden + self.vocabulary * self.hidden * (1 if self.tied else 2)

    def trained(self, model: ModelConfig) -> int:
        """Numbers that have a gradient: all, or those of the adapters."""
        if model.lora is None:
            return self.parameters
        ends = model.lora.target_modules
        chosen = [sum(ab) for name, ab in self.matrices.items() if ends == "all-linear" or name.endswith(tuple(ends))]
        return self.layers * model.lora.rank * sum(chosen)

    def flop(self, model: ModelConfig, row_length: float) -> float:
        """Model FLOP of a trained token, forward and backward (PaLM, arXiv 2204.02311, appendix B): by each weight that
        it is multiplied with, and 12 x layers x heads x head width x tokens in attention, masked ones too. Neither
        recomputed passes count nor the embedding, which is looked up.

        Args:
            row_length: tokens of its row.
        """
        layer = sum(inputs * outputs for inputs, outputs in self.matrices.values())
        multiplied = self.layers * layer + self.vocabulary * self.hidden
        attention = 12 * self.layers * self.heads * self.head_width * row_length
        adapters = 0 if model.lora is None else 6 * self.trained(model)
        return flop_of_weight(model) * multiplied + adapters + attention

    def activations(self, width: int) -> int:
        """Bytes that a layer keeps of a token, `width` a number: of each of two norms the input in float32, that
        normalised, and the output; queries, keys, values and what attention makes of them; four numbers of the MLP."""
        attention = 2 * (self.heads + self.key_heads) * self.head_width
        return 2 * (4 + 2 * width) * self.hidden + width * (attention + 4 * self.intermediate)


def flop_of_weight(model: ModelConfig) -> int:
    """FLOP of a trained token for each weight of the model: 2 forward, 2 backward to what comes before, and 2 for the
    weight's own gradient, unless it is frozen under adapters (arXiv 2001.08361)."""
    return 6 if model.lora is None else 4


def read_shape(model: ModelConfig) -> Shape:
    """The shape in the model's config.json, of a local folder or of the hub.

    Raises:
        ModelError: it is not there, or of a family that is not known here.
    """
    from huggingface_hub import hf_hub_download

    folder = Path(model.path)
    try:
        path = folder / "config.json" if folder.is_dir() else Path(hf_hub_download(model.path, "config.json"))
        found: dict[str, Any] = json.loads(path.read_text())
        family = found["model_type"]
        if family not in FAMILIES:
            raise ModelError(f"model.path={model.path} is a {family} model; name one of {', '.join(FAMILIES)}")
        heads, hidden = found["num_attention_heads"], found["hidden_size"]
        layers, inner, vocabulary = found["num_hidden_layers"], found["intermediate_size"], found["vocab_size"]
    except (OSError, ValueError, KeyError) as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ModelError(
            f"cannot tell the size of model.path={model.path} ({why}); name a model's folder or hub id"
        ) from error
    keys = found.get("num_key_value_heads") or heads
    width = found.get("head_dim") or (128 if family == "qwen3" else hidden // heads)
    vectors = 2 * hidden + {"qwen2": (heads + 2 * keys) * width, "qwen3": 2 * width}.get(family, 0)
    return Shape(hidden, layers, heads, keys, width, inner, vocabulary, bool(found.get("tie_word_embeddings")), vectors)
