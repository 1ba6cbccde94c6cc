"""`seed-grpo import`: four public examples, written anew, become files that the program reads."""

from pathlib import Path

import pytest

from seed_grpo.cli import main
from seed_grpo.config.loading import load_config

EXAMPLES = Path(__file__).parents[2] / "support/imported"
README = Path(__file__).parents[3] / "seed_grpo/importing/README.md"
OF_EXAMPLE = {
    # settings, over, differ, without counterpart; with --problems, and for TRL with --gpus
    "verl.sh": ([], (37, 29, 1, 7)),
    "openrlhf.sh": ([], (43, 29, 4, 10)),
    "drgrpo.sh": (["--command", "1"], (46, 31, 4, 11)),
    "open_r1.yaml": (["--gpus", "8"], (39, 18, 6, 15)),
}


@pytest.mark.parametrize("example", OF_EXAMPLE)
def test_an_example_becomes_a_file_that_loads(example: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options, (settings, over, differ, without) = OF_EXAMPLE[example]
    out = tmp_path / "mine.yaml"
    arguments = [str(EXAMPLES / example), "-o", str(out), "--problems", "12000", *options]
    assert main(["import", *arguments, "algo.scale.kind=linear"]) == 0
    told = capsys.readouterr().out
    assert f"{settings} settings of " in told
    assert f": {over} came over, {differ} differ, {without} have no counterpart, 0 are not known;" in told
    assert f"{out} has all of it" in told
    assert f" | {settings} | {over} | {differ} | {without} | " in README.read_text()  # the table of the examples
    config = load_config(out)
    assert (config.algo.scale.kind, config.run.directory.parts[0]) == ("linear", "runs")
    assert "SET run.steps" not in out.read_text()  # with the number of problems it is known


def test_without_a_file_to_write_the_configuration_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(EXAMPLES / "verl.sh")]) == 0
    (tmp_path / "printed.yaml").write_text(capsys.readouterr().out)
    assert load_config(tmp_path / "printed.yaml").run.steps == 100
    assert "# SET run.steps: " in (tmp_path / "printed.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([str(EXAMPLES / "drgrpo.sh")], "starts 2 trainings (1: line 5, 2: line 21); choose one with --command N"),
        ([str(EXAMPLES / "verl.sh"), "--gpus", "0"], "--gpus is 0; give a number above 0"),
        ([str(EXAMPLES / "verl.sh"), "run.steps=0"], "run.steps: Input should be greater than or equal to 1"),
        (["nowhere.sh"], "cannot read nowhere.sh: No such file or directory; name a YAML file of TRL"),
        ([str(EXAMPLES / "verl.sh"), "-o", "nowhere/a.yaml"], "cannot write nowhere/a.yaml"),
    ],
)
def test_what_cannot_be_imported_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", *arguments]) == 1
    told = capsys.readouterr()
    assert told.err.startswith("seed-grpo: ConfigError: ") and message in told.err and told.err.count("\n") == 1
    assert told.out == ""


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine.yaml"
    out.write_text("mine")
    assert main(["import", str(EXAMPLES / "verl.sh"), "-o", str(out)]) == 1
    assert f"{out} is there already; name another file, or remove it" in capsys.readouterr().err
    assert out.read_text() == "mine"
