"""The relation `text`: two answers in prose mean the same if a language model says so.

Consumes two texts; produces whether they mean the same, by one of

    embedding   cosine(e(a), e(b)) >= threshold, where e is the mean of an encoder's last hidden states over the tokens
    entailment  P(a entails b) >= threshold and P(b entails a) >= threshold: bidirectional entailment, by which Kuhn et
                al. 2023 (arXiv 2302.09664) and Farquhar et al. 2024 form meaning classes

Symmetric and reflexive, not transitive: classes are connected components, so a chain of close texts is one class. The
model runs on the CPU of the process that judges. The work is bounded: texts by `bounds.MAX_CHARS` and cut at
`MAX_TOKENS`, each embedded once, each pair asked once a direction. Answers are compared alone, where Kuhn et al. put
the question before each.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from seed_grpo.errors import VerifierError
from seed_grpo.verify.isolation.bounds import REMEMBERED, check_length
from seed_grpo.verify.math.parse import Parsed
from seed_grpo.verify.math.values import Rules

if TYPE_CHECKING:
    import torch

MAX_TOKENS = 256
"""tokens of a text, or of both texts of a pair"""


def parse_text(text: str) -> Parsed:
    """The words of a text; what is no Unicode in it is replaced.

    Raises:
        BoundReachedError: it is too long.
    """
    check_length(text)
    words = " ".join(text.encode("utf-8", "replace").decode().split())
    return Parsed("text", words, words)


class _Model:
    """A model of the hub's layout with its tokenizer."""

    model: Any

    def __init__(self, path: str, kind: str) -> None:
        import torch
        import transformers

        try:
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(path)
            load = getattr(transformers, kind).from_pretrained
            self.model, info = load(path, dtype=torch.float32, output_loading_info=True)
        except Exception as error:  # of any class, by what a stranger's folder holds
            raise VerifierError(
                f"verifier.text_model={path} cannot be loaded: {type(error).__name__}: {error}; name a folder or hub "
                "id of a Hugging Face model"
            ) from error
        # Transformers makes random ones; a pooler stands beside the hidden states, and nobody asks it
        missing = sorted(name for name in info["missing_keys"] if kind != "AutoModel" or "pooler." not in name)
        if missing:
            raise VerifierError(
                f"verifier.text_model={path} is not a whole {type(self.model).__name__}: {len(missing)} weights are "
                f"missing ({', '.join(missing[:4])}); name a model of this kind, or copy the folder again"
            )
        self._max_tokens = min(MAX_TOKENS, getattr(self.model.config, "max_position_embeddings", MAX_TOKENS))

    def __call__(self, *texts: str) -> Any:
        """The output of the model for a text or a pair; None where the tokenizer finds no token in it."""
        import torch

        tokens = self.tokenizer(*texts, truncation=True, max_length=self._max_tokens, return_tensors="pt")
        with torch.inference_mode():
            return self.model(**tokens) if tokens["input_ids"].numel() else None


class Embedding:
    """Compares by the cosine of embeddings."""

    def __init__(self, path: str, threshold: float) -> None:
        """Loads the model.

        Raises:
            VerifierError: it cannot be loaded.
        """
        self._model = _Model(path, "AutoModel")
        self._threshold = threshold
        self._embed = functools.lru_cache(REMEMBERED)(self._embed_anew)

    def compare(self, first: Parsed, second: Parsed, rules: Rules) -> bool:
        """Checks whether two texts mean the same; where an embedding is not finite they do not."""
        return float(self._embed(first.text) @ self._embed(second.text)) >= self._threshold

    def _embed_anew(self, text: str) -> torch.Tensor:
        """The embedding [H] of length 1; zero for a text without tokens, which is close to nothing."""
        import torch

        output = self._model(text)
        if output is None:
            return torch.zeros(self._model.model.config.hidden_size)
        return torch.nn.functional.normalize(output.last_hidden_state[0].mean(dim=0), dim=0)


class Entailment:
    """Compares by entailment in both directions."""

    def __init__(self, path: str, threshold: float) -> None:
        """Loads the model.

        Raises:
            VerifierError: it cannot be loaded, or has no label `entailment`.
        """
        self._model = _Model(path, "AutoModelForSequenceClassification")
        labels = self._model.model.config.label2id
        by_name = {str(label).lower(): number for label, number in labels.items()}
        if "entailment" not in by_name:
            raise VerifierError(
                f"verifier.text_model={path} has the labels {', '.join(map(str, labels))} and no `entailment`; name a "
                "model for natural language inference, or set verifier.text_method=embedding"
            )
        self._label = by_name["entailment"]
        self._threshold = threshold
        self._entails = functools.lru_cache(REMEMBERED)(self._entails_anew)

    def compare(self, first: Parsed, second: Parsed, rules: Rules) -> bool:
        """Checks whether each of two texts entails the other."""
        pairs = ((first.text, second.text), (second.text, first.text))
        return all(self._entails(*pair) >= self._threshold for pair in pairs)

    def _entails_anew(self, premise: str, hypothesis: str) -> float:
        """Probability that the first entails the second; 0 of texts without tokens."""
        output = self._model(premise, hypothesis)
        return 0.0 if output is None else float(output.logits[0].softmax(dim=0)[self._label])


METHODS: dict[str, type[Embedding] | type[Entailment]] = {"embedding": Embedding, "entailment": Entailment}
"""classes by `verifier.text_method`"""
