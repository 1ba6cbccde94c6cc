"""Token probabilities for the page: a byte per token, and the text of each token.

Consumes log-probabilities, token ids and the run's tokenizer; produces bytes and texts. It fetches nothing over the
network: a tokenizer that is not on this machine is an error, on which the page shows texts without probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seed_grpo.config.sections import ModelConfig
from seed_grpo.errors import ModelError

LARGEST_SURPRISAL = 16.0
"""nats; a token of probability e^-16 or less has the byte 255"""


def surprisal_bytes(logprobs_T: np.ndarray) -> np.ndarray:
    """Surprisals -log p as bytes [T] uint8: b stands for 16 (b / 255)^2 nats.

    The square root keeps small surprisals apart, where most tokens are. The probability that comes back is right to
    0.007, and to 7% of itself, down to e^-16: half a step is sqrt(16 s) / 255 nats at a surprisal s.
    """
    surprisals_T = np.clip(-logprobs_T.astype(np.float64), 0.0, LARGEST_SURPRISAL)
    return np.rint(255 * np.sqrt(surprisals_T / LARGEST_SURPRISAL)).astype(np.uint8)


def load_tokenizer(run_directory: Path, model: ModelConfig) -> Any:
    """The tokenizer of the run's exported policy, where there is one, or else of `model.path`.

    Raises:
        ModelError: it is not on this machine, or cannot be read.
    """
    from transformers import AutoTokenizer

    policy = run_directory / "policy"
    path = str(policy) if policy.is_dir() else model.path
    try:
        return AutoTokenizer.from_pretrained(
            path, local_files_only=True, trust_remote_code=model.trust_remote_code, mistral_format=False
        )
    except (OSError, ValueError) as error:
        raise ModelError(
            f"token probabilities are not shown, since no tokenizer loads from {path} "
            f"({' '.join(str(error).split())[:200]}); write the report where the model is, or copy its tokenizer into "
            f"{policy}"
        ) from error


def token_texts(tokenizer: Any, token_ids: Sequence[int]) -> dict[int, str]:
    """The text that each token adds inside of a completion, by id.

    It is what the second of two equal tokens adds: decoded alone, a token of some tokenizers loses its leading space.
    A token that is part of a character has the replacement character; one outside the vocabulary has its number.
    """
    known = [token_id for token_id in token_ids if token_id < len(tokenizer)]
    texts = {token_id: f"[{token_id}]" for token_id in token_ids}
    if not known:
        return texts  # tokenizers decode no lists to one empty text
    settings = {"skip_special_tokens": False, "clean_up_tokenization_spaces": False}
    once = tokenizer.batch_decode([[token_id] for token_id in known], **settings)
    twice = tokenizer.batch_decode([[token_id, token_id] for token_id in known], **settings)
    return texts | {token_id: both[len(one) :] for token_id, one, both in zip(known, once, twice, strict=True)}
