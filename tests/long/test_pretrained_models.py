"""Real pretrained models through the whole system on CPU: doctor, evaluation, two steps, export.

It runs with `tests/run.sh long`, downloads 93 and 240 MB (see `pretrained_models`), needs the data sets of
`SEED_GRPO_DATA`, and takes some minutes a model. What is shown: log-probabilities of vLLM and of the trainer agree on a
real model as on a tiny one, before training and after each step, with the chat template and with none; and the export
is what was trained. Whether the policy learns in two steps is not looked at.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from support.pretrained_models import folder_of

pytestmark = [pytest.mark.engine, pytest.mark.long, pytest.mark.timeout(3000)]
ROOT = Path(__file__).parents[2]
SETTINGS = {
    "model": {"dtype": "float32"},
    "data": {"source": "-", "max_prompt_tokens": 256},
    "rollout": {
        "cpus_per_worker": 0.5,
        "prompts_per_step": 4,
        "completions_per_prompt": 8,
        "max_completion_tokens": 48,
        "max_concurrent_sequences": 32,
        "request_timeout": 600,
        "start_timeout": 900,
        "enforce_eager": True,
    },
    "verifier": {"cpus_per_worker": 0.25, "extraction": "last_number"},
    "trainer": {"cpus_per_worker": 0.5, "learning_rate": 1e-5, "tokens_per_micro_batch": 1024, "start_timeout": 900},
    "weight_sync": {"timeout": 300},
    "cluster": {"device": "cpu", "object_store_mib": 256, "dashboard": False},
}
"""small enough for two cores and 10 GiB"""

TOLERANCE = 1e-3
"""nats: the canary's in float32. Rounding makes 1e-5 to 1e-4 of it, a wrong matrix 0.1 and more"""


@pytest.mark.parametrize(("name", "template"), [("smollm2", "chat"), ("smollm2", "none"), ("gemma3", "none")])
def test_a_pretrained_model_goes_through_the_system(name: str, template: str, tmp_path: Path) -> None:
    model, run = folder_of(name, tmp_path), tmp_path / "run"
    settings = tmp_path / "settings.yaml"  # JSON is YAML
    settings.write_text(json.dumps({**SETTINGS, "run": {"directory": str(run), "steps": 2}}))
    overrides = [f"model.path={model}", f"data.template={template}", f"data.source={even_numbers(tmp_path)}"]

    page = succeed("doctor", str(settings), *overrides)
    assert "none missing or left over" in page and "FAULT" not in page

    evaluation = tmp_path / "evaluation"
    arguments = [str(model), "--sets", "gsm8k_test", "-k", "2", "--out", str(evaluation), "--settings", str(settings)]
    succeed("evaluate", *arguments, f"data.template={template}", "data.limit=8", "rollout.max_completion_tokens=160")
    (accuracy,) = json.loads((evaluation / "results.json").read_text())["accuracy"]["parts"]
    assert accuracy["metrics"]["greedy"]["problems"] == 8

    succeed("train", str(settings), *overrides)
    steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [step["step"] for step in steps] == [1, 2]
    told = {key: [step.get(key) for step in steps] for key in ("canary_logprob_difference", "logprob_gap_max")}
    print(f"{name}, {template}: {told}, greedy accuracy {accuracy['metrics']['greedy']['value']}")
    for step in steps:
        assert 0 <= step["canary_logprob_difference"] < TOLERANCE
        assert 0 < step["logprob_gap_max"] < TOLERANCE and step["rows_trained"] > 0

    succeed("export", str(settings), str(tmp_path / "export"), *overrides)
    trained, exported = weights_of(run / "policy"), weights_of(tmp_path / "export")
    before = weights_of(model)
    assert trained.keys() == exported.keys() == before.keys()
    assert all(torch.equal(trained[key], exported[key]) for key in trained)  # the last checkpoint's, saved otherwise
    largest = max(float((trained[key] - before[key]).abs().max()) for key in trained)
    assert 0 < largest < 1e-3  # two steps of Adam at 1e-5, each of about the learning rate a number
    of_source, of_export = (AutoTokenizer.from_pretrained(folder) for folder in (model, run / "policy"))
    assert of_export.get_vocab() == of_source.get_vocab() and of_export.chat_template == of_source.chat_template


def even_numbers(folder: Path) -> Path:
    """Problems that about every second completion answers, whatever the model knows: groups are mixed, and have a
    gradient."""
    answers = [str(number) for number in range(0, 200, 2)]
    rows = [
        {"problem": f"Whole numbers drawn at random: 17, 4, {n}, 35, 58,", "answer": "2", "alt_answers": answers}
        for n in range(60, 72)
    ]
    (folder / "even.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "even.jsonl"


def succeed(*arguments: str) -> str:
    command = [sys.executable, "-m", "seed_grpo.cli", *arguments]
    environment = {"SEED_GRPO_DATA": str(ROOT.parent / "shared/data")} | os.environ
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=2400)
    print(f"{arguments[0]}: {time.monotonic() - began:.0f} s")
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return dict(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).state_dict())
