"""Every causal language model family of Transformers: refused with a reason, or right on packed sequences.

    python tests/support/every_family.py

prints the table of all of them. A run of the tests takes the families of `SOON`; the others are long.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from seed_grpo.train.proof import TOLERANCE
from support.every_family import FAMILIES, NOT_SMALL, REFUSED, outcome, small_config, small_model

SOON = [
    "llama",
    "qwen2",
    "qwen3",
    "qwen3_moe",
    "mistral",
    "mixtral",
    "gemma",
    "gemma3_text",
    "phi3",
    "phimoe",
    "seed_oss",
    "starcoder2",
    "olmo2",
    "gpt2",
    "smollm3",
    "opt",
    "bert",
    "bloom",
    "falcon",
    "gemma2",
    "gemma3",
    "gemma4",
    "gpt_oss",
    "qwen3_next",
    "llama4",
    "cohere",
    "stablelm",
]
"""those of README and of bug reports, and one of each kind that is refused"""
NUMERICAL = 1e-3
"""error of a gradient, relative to its largest; float32 in another order gives less"""


@pytest.mark.parametrize(
    "family", [pytest.param(family, marks=() if family in SOON else pytest.mark.long) for family in FAMILIES]
)
def test_a_family_is_refused_for_its_reason_or_right(family: str, tmp_path: Path) -> None:
    if family in NOT_SMALL:
        pytest.skip(NOT_SMALL[family])
    found = outcome(family, tmp_path)
    if family in REFUSED:
        assert re.search(REFUSED[family], found.refused), found.refused or "accepted"
        return
    assert not found.refused
    assert found.proven is not None and max(found.proven) < TOLERANCE / 10
    assert found.judged is not None and max(found.judged) < TOLERANCE / 10
    assert found.gradient < NUMERICAL


def test_the_tables_name_families_that_there_are() -> None:
    assert len(NOT_SMALL) == 2
    assert REFUSED.keys() | NOT_SMALL.keys() <= set(FAMILIES)
    assert not REFUSED.keys() & NOT_SMALL.keys()


@pytest.mark.parametrize("family", ["phimoe", "gemma3_text", "qwen2", "starcoder2", "mixtral"])
def test_small_models_have_windows_that_matter(family: str, tmp_path: Path) -> None:
    # else the comparison of every family would say nothing about windows
    logits = []
    for window in (8, 4096):
        config = small_config(family)
        config.sliding_window = window
        logits.append(small_model(config, tmp_path)(torch.arange(40)[None]).logits)
    difference = (logits[0] - logits[1]).abs().amax((0, 2))
    assert difference[:8].max() < 1e-4 < 0.1 < difference[20:].min()


@pytest.mark.parametrize("family", ["seed_oss", "starcoder2", "mixtral", "phimoe", "gpt2", "opt"])
def test_small_models_have_noise_that_matters(family: str, tmp_path: Path) -> None:
    # else the comparison in train mode would say nothing about dropout and jitter
    model = small_model(small_config(family), tmp_path)
    ids = torch.arange(40)[None]
    assert (model.eval()(ids).logits - model.train()(ids).logits).abs().max() > 0.1
