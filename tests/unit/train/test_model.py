"""Loading of the policy model."""

from __future__ import annotations

import pytest

from seed_grpo.errors import ModelError
from seed_grpo.train.model import load_model
from support.trainer_process import make_config


def test_a_missing_model_is_one_clear_error(tmp_path):
    with pytest.raises(ModelError, match=r"there is no folder .*absent with a model; set model\.path"):
        load_model(make_config(tmp_path / "absent").model)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"model\.path=.*empty holds no model: it has no config\.json"):
        load_model(make_config(tmp_path / "empty").model)
