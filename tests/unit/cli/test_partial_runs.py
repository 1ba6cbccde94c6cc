"""Commands on runs that have hardly begun, or whose records were damaged: one clear line each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seed_grpo.cli import main
from seed_grpo.evaluate.reports.page import write_report
from support.recorded_run import Page, judged, write_run


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from seed_grpo.arithmetic.model import build_tokenizer

    return build_tokenizer()


def test_a_run_that_has_sampled_nothing_yet_has_a_page(tmp_path: Path, tokenizer: Any) -> None:
    # its tokenizer decodes no lists of tokens to one empty text
    run = write_run(tmp_path / "run", {})
    tokenizer.save_pretrained(run / "policy")
    index = Page(write_report(run)).packed("index")
    assert (index["vocabulary"], index["why_no_tokens"], index["columns"]["step"]) == ({}, "", [])


def test_completions_without_tokens_have_a_page(tmp_path: Path, tokenizer: Any) -> None:
    run = write_run(tmp_path / "run", {"rollouts/1": [judged(0, "p", ["", ""], "00", tokenizer)]})
    tokenizer.save_pretrained(run / "policy")
    assert Page(write_report(run)).packed("index")["vocabulary"] == {}


def test_the_command_says_that_there_are_no_completions_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "lauf ü 实验", {})
    assert main(["report", str(run)]) == 0
    assert "neither a step nor an evaluation yet" in capsys.readouterr().out
    run = write_run(tmp_path / "two", {"evaluations/0": [judged(0, "p", ["2", "3"], "10", None)]})
    assert main(["report", str(run)]) == 0
    assert "yet" not in capsys.readouterr().out


@pytest.mark.parametrize("command", ["report", "audit", "whatif"])
def test_a_damaged_table_is_a_clear_error(tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", {"rollouts/1": [judged(0, "p", ["2", "3"], "10", None)]})
    (run / "rollouts" / "step_000001.parquet").write_bytes(b"PAR1 no")
    assert main([command, str(run)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "step_000001.parquet cannot be read" in said
