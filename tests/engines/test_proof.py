"""The proof before training, in a real trainer."""

from __future__ import annotations

from pathlib import Path

import pytest

from seed_grpo.errors import ModelError
from support.every_family import small_config, small_model
from support.tiny_model import make_tokenizer
from support.trainer_process import run_ranks


def refused(make, folder):
    """Message of the engine about a model that sees later tokens."""
    with pytest.raises(ModelError) as caught:
        make()
    return str(caught.value)


@pytest.mark.engine
def test_the_engine_refuses_before_anything_is_trained(tmp_path: Path) -> None:
    small_model(small_config("codegen"), tmp_path / "model")
    make_tokenizer().save_pretrained(tmp_path / "model")
    told = run_ranks([refused], 1, tmp_path / "ranks", {True: tmp_path / "model"})["refused"][0]
    assert "codegen models cannot be trained on packed sequences" in told and "of 48 and 12 tokens" in told  # 16 + 32
