"""Tokenizers that do not load, or that are not there, end in one error that says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from seed_grpo.config.sections import ModelConfig
from seed_grpo.errors import ModelError
from seed_grpo.train.model import load_tokenizer
from support.model_folders import Change, changed, config, cut, removed, setting, text
from support.tiny_model import make_tiny_model

TOKENIZERS: dict[str, tuple[list[Change], str]] = {
    # Transformers makes a tokenizer of one token
    "none": ([removed("tokenizer.json", "tokenizer_config.json")], "knows 1 tokens, and none of"),
    "no vocabulary": ([removed("tokenizer.json")], "the tokenizer of model.path=.* knows . tokens, and none of"),
    "half of one": ([cut("tokenizer.json", 1000)], "cannot load the tokenizer of .*JSONDecodeError"),
    "half of its settings": ([cut("tokenizer_config.json", 50)], "cannot load the tokenizer of .*JSONDecodeError"),
    "a list": ([text("tokenizer.json", "[]")], "cannot load the tokenizer of"),
    "nothing in it": ([text("tokenizer.json", "{}")], "cannot load the tokenizer of .*KeyError"),
    "an unknown class": (
        [config(model_type="llama"), setting("tokenizer_config.json", tokenizer_class="NewestTokenizer"),
         cut("tokenizer.json", 0)],
        "cannot load the tokenizer of",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TOKENIZERS)
def test_tokenizers_that_do_not_load_are_one_clear_error(case: str, tmp_path: Path) -> None:
    changes, message = TOKENIZERS[case]
    model = make_tiny_model(tmp_path / "model", tied=True, seed=0)
    with pytest.raises(ModelError, match=message):
        load_tokenizer(ModelConfig(path=str(changed(model, tmp_path / "copy", *changes))))
