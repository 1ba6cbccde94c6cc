"""`import seed_grpo`: its names, what they load, and the two that folders share."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import seed_grpo

SOURCE = Path(seed_grpo.__file__)
ASKED = {"train", "evaluate", "load_config", "judge", "partition", "semantic_entropy", "pass_at_k"}


def fresh(code: str) -> str:
    """Output of a new interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def for_type_checkers() -> set[str]:
    """Names that are imported under TYPE_CHECKING."""
    block = next(node for node in ast.parse(SOURCE.read_text()).body if isinstance(node, ast.If))
    return {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_every_name_is_there_and_known_to_type_checkers() -> None:
    assert set(seed_grpo.__all__) >= ASKED and seed_grpo.__all__ == sorted(set(seed_grpo.__all__))
    assert set(seed_grpo.__all__) == for_type_checkers()
    for name in seed_grpo.__all__:
        value = getattr(seed_grpo, name)
        assert value.__module__.startswith("seed_grpo.") and value.__name__ == name and value.__doc__, name
    assert set(seed_grpo.__all__) <= set(dir(seed_grpo))
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        seed_grpo.trian  # noqa: B018


def test_every_message_type_is_there() -> None:
    messages = ast.parse((SOURCE.parent / "messages.py").read_text()).body
    assert {node.name for node in messages if isinstance(node, ast.ClassDef)} <= set(seed_grpo.__all__)


def test_judging_loads_no_engine() -> None:
    code = (
        "import sys, json, seed_grpo as s\n"
        "before = [m for m in ('torch', 'vllm', 'ray', 'numpy', 'pydantic') if m in sys.modules]\n"
        "ids = s.partition(['1/2', '0.5', '2'])\n"
        "found = [str(s.judge('1/2', '0.5')), ids.tolist(), s.semantic_entropy(ids).value, s.pass_at_k(4, 1, 2)]\n"
        "s.load_config, s.Problem, s.read_groups\n"
        "print(json.dumps([before, found, [m for m in ('torch', 'vllm', 'ray', 'deepspeed') if m in sys.modules]]))"
    )
    before, (verdict, ids, entropy, pass_at_2), loaded = json.loads(fresh(code))
    assert before == [] and loaded == []
    assert (verdict, ids) == ("correct", [0, 0, 1])
    # Eq. 5 by counts: -(log 2/3 + log 1/3) / 2 = 0.7520; Shannon's form would give 0.6365
    assert entropy == pytest.approx(0.7520, abs=1e-4)
    assert pass_at_2 == 0.5  # 1 - C(3, 2) / C(4, 2) = 1 - 3/6


def test_train_and_evaluate_are_functions_whatever_was_imported() -> None:
    """Python binds a folder in its package once a module of it is imported. Without a guard `seed_grpo.train` would
    then be the folder: here it stays unset, and so is looked up."""
    first = "import seed_grpo.train.engine, seed_grpo.evaluate.answers"
    assert fresh(f"{first}; print([name for name in ('train', 'evaluate') if name in vars(seed_grpo)])") == "[]"

    importlib.import_module("seed_grpo.train.engine")
    importlib.import_module("seed_grpo.evaluate.answers")
    assert seed_grpo.train is importlib.import_module("seed_grpo.commands.train").train
    assert seed_grpo.evaluate is importlib.import_module("seed_grpo.commands.evaluate").evaluate
