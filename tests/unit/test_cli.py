"""Nonsense ends within seconds, with status 1 and one clear line, before anything is started."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.model_folders import Change, changed, config, cut, without
from support.tiny_model import make_tiny_model

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "seed_grpo.cli"]
QUICKSTART = str(ROOT / "jobs/quickstart.yaml")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    make_tiny_model(folder, tied=True, seed=0)
    return f"model.path={folder}"


def fail(*arguments: str) -> str:
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("seed-grpo: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["rollout.num_wrokers=4"], "ConfigError: .* unknown key 'rollout.num_wrokers'"),
        (["trainer.mini_batches=3"], "is not a multiple of trainer.mini_batches=3"),
        (["rollout.top_p=0.9"], r"ConfigError: rollout\.top_p=0\.9 samples .* Set rollout\.top_p=1"),
        (["rollout.num_workers=64"], "PlacementError: CPU cores: rollout 64 x 0.5"),
        (["model.path=/nowhere/model"], "ModelError: .*seed-grpo warm-start"),
        (["model.path=/nowhere/model", "warm_start=null"], "ModelError: there is no folder /nowhere/model"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_a_nonsense_configuration(overrides: list[str], message: str, tmp_path: Path) -> None:
    import re

    assert re.search(message, fail("train", QUICKSTART, f"run.directory={tmp_path}/run", *overrides))
    assert not (tmp_path / "run").exists()  # nothing was begun


def test_a_missing_data_file(model: str) -> None:
    line = fail("train", QUICKSTART, model, "data.source=nowhere.jsonl")
    assert "DataError" in line
    assert "nowhere.jsonl" in line


def test_a_malformed_record_is_named_by_file_line_and_field(model: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text('{"problem": "1+1=", "answer": "2"}\n{"problem": "1+2="}\n')
    line = fail("train", QUICKSTART, model, f"data.source={file}")
    assert "DataError" in line
    assert all(word in line for word in ("bad.jsonl", "2", "answer"))


def test_doctor_shows_every_fault_on_one_page_and_starts_nothing(model: str, tmp_path: Path) -> None:
    overrides = [model, "rollout.num_workers=64", "data.source=nowhere.jsonl"]
    done = subprocess.run([*PROGRAM, "doctor", QUICKSTART, *overrides], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    faults = [line for line in done.stdout.splitlines() if line.startswith("  FAULT")]
    assert len(faults) == 2, done.stdout
    assert "placement" in faults[0]
    assert "data" in faults[1]


def test_doctor_passes_a_sound_configuration(model: str) -> None:
    done = subprocess.run([*PROGRAM, "doctor", QUICKSTART, model], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    assert "32 prompts x 16 completions = 512 rows a step" in done.stdout
    assert "FAULT" not in done.stdout


def test_a_directory_of_another_run_is_refused(model: str, tmp_path: Path) -> None:
    from seed_grpo.config.loading import dump_config, load_config

    directory = tmp_path / "run"
    directory.mkdir()
    other = load_config(QUICKSTART, [model, "run.seed=7", f"run.directory={directory}"])
    (directory / "config.yaml").write_text(dump_config(other))
    line = fail("train", QUICKSTART, model, f"run.directory={directory}")
    assert "run.seed was 7 and is 0" in line


def test_a_directory_that_another_program_works_in_is_refused(model: str, tmp_path: Path) -> None:
    from seed_grpo.records.files import claimed

    directory, name = tmp_path / "run", model.partition("=")[2]
    file = tmp_path / "experiment.yaml"
    file.write_text(
        f"title: t\ndirectory: {directory}\nbase: {QUICKSTART}\nseeds: [0]\nbaseline: a\nconfigurations: {{a: {{}}}}\n"
    )
    with claimed(directory):
        for arguments in (
            ("train", QUICKSTART, model, f"run.directory={directory}"),
            ("evaluate", name, "--sets", "arithmetic", "-k", "2", "--out", str(directory)),
            ("answer", name, "--problem", "1+1=", "--out", str(directory)),
            ("experiment", str(file)),
        ):
            assert f"another program is at work in {directory}: process" in fail(*arguments)


def test_wrong_usage_is_status_2() -> None:
    done = subprocess.run([*PROGRAM, "trian", QUICKSTART], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "invalid choice" in done.stderr


def test_overrides_are_json_compatible_values() -> None:
    from seed_grpo.config.loading import load_config

    config = load_config(QUICKSTART, ['rollout.stop=["</answer>", "end"]'])
    assert json.dumps(config.rollout.stop) == '["</answer>", "end"]'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("layers.1.mlp"), "missing: 3 (model.layers.1.mlp.down_proj.weight, model.layers.1.mlp.gate_proj"),
        (cut("generation_config.json", 20), "generation_config.json cannot be read"),
        (config(quantization_config={"quant_method": "awq", "bits": 4}), "is quantised (awq, 4 bits)"),
    ],
    ids=["missing weights", "generation configuration", "quantised"],
)
def test_doctor_and_a_run_name_what_is_wrong_with_a_model(
    change: Change, message: str, model: str, tmp_path: Path
) -> None:
    folder = changed(Path(model.removeprefix("model.path=")), tmp_path / "model", change)
    arguments = [QUICKSTART, f"model.path={folder}", f"run.directory={tmp_path}/run", "data.max_prompt_tokens=16"]
    page = subprocess.run([*PROGRAM, "doctor", *arguments], capture_output=True, text=True, timeout=60)
    (line,) = [line for line in page.stdout.splitlines() if "FAULT" in line]
    assert page.returncode == 1 and " model " in line and message in line
    line = fail("train", *arguments)
    assert "ModelError" in line and message in line and not (tmp_path / "run").exists()
