"""Needs of each relation in `VerifierConfig`, for tests that run over all relations."""

from pathlib import Path
from typing import Any

import pytest

from support.sandboxes import LONG, SHUT_OFF
from support.text_models import embedding_model


def settings_of(relation: str, folder: Path) -> dict[str, Any]:
    """Settings under which a relation works; skips the test where this machine cannot have it."""
    match relation:
        case "code":
            if not SHUT_OFF:
                pytest.skip("this machine lets its user make no namespaces")
            return {"code_inputs": ("",), "judge_timeout": LONG}
        case "text":
            return {"text_model": embedding_model(folder), "text_method": "embedding"}
    return {}
