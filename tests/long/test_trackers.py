"""Each tracker against its real library: what arrived over a resume, read back by that library.

It runs with `tests/run.sh long` and installs each library, at a pinned version, into an environment of its own that
also has the packages of this one; no engine is started. Stores are local: W&B and SwanLab offline, MLflow's SQLite,
trackio's folder, TensorBoard's event files. Nothing is sent anywhere, so what a server makes of it is not shown.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from seed_grpo.records.trackers.process_main import CLOSE_SECONDS
from seed_grpo.records.trackers.tracker import COLUMNS

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
ROOT = Path(__file__).parents[2]
PINS = {"tensorboard": "", "wandb": "0.31.0", "mlflow": "3.17.2", "trackio": "0.43.0", "swanlab": "0.10.3"}
"""versions; TensorBoard is that of the lock file"""
NAMED = {"project": "maths", "name": "first"}
SETTINGS: dict[str, dict[str, Any]] = {
    "tensorboard": {},
    "wandb": {**NAMED, "entity": "team", "tags": ["try"], "settings": {"mode": "offline"}},
    "mlflow": {**NAMED, "tags": ["try"]},
    "trackio": NAMED,
    "swanlab": {**NAMED, "entity": "team", "tags": ["try"], "settings": {"mode": "offline"}},
}


@pytest.fixture(scope="module")
def interpreters(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Pythons that have the library of a tracker, by its name."""

    @cache
    def interpreter(use: str) -> str:
        if not PINS[use]:
            return sys.executable
        folder = tmp_path_factory.mktemp(use)
        venv.create(folder)
        python = folder / "bin/python"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        (folder / f"lib/{version}/site-packages/present.pth").write_text(sysconfig.get_paths()["purelib"])
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", f"{use}=={PINS[use]}"]
        done = subprocess.run(pip, capture_output=True, text=True, timeout=1500)
        assert done.returncode == 0, done.stderr[-3000:]
        return str(python)

    return interpreter


def call(python: str, run: Path, module: str, *arguments: str, **environment: str) -> str:
    """Output of a module of `support`, started in a run directory."""
    environment |= {"PYTHONPATH": f"{ROOT}:{ROOT}/tests", "TRACKIO_DIR": f"{run}/trackio"}
    command = [python, "-m", f"support.{module}", *arguments]
    done = subprocess.run(
        command, cwd=run, env={**os.environ, **environment}, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.parametrize("use", PINS)
def test_what_a_tracker_was_sent_is_in_its_store(use: str, interpreters: Callable[[str], str], tmp_path: Path) -> None:
    python, run = interpreters(use), tmp_path
    tracker = {"use": use, "completions": 2, **SETTINGS[use]}
    if use == "mlflow":
        tracker["settings"] = {"tracking_uri": f"sqlite:///{run}/mlflow.db"}

    for begin, end in ((0, 3), (2, 4)):  # step 3 comes again after the resume
        said = call(python, run, "tracked_run", str(run), json.dumps(tracker), str(begin), str(end))
        lines = [line for line in said.splitlines() if "waiting for it" not in line]
        assert len(lines) == 1 and lines[0].startswith(f"tracker {use}: "), said  # its place, and no trouble
    found = json.loads(call(python, run, "tracked_values", use, str(run)).splitlines()[-1])

    once = use == "tensorboard"  # the others keep both step 3s
    scalars = {name: [(step, value) for step, value in values] for name, values in found["scalars"].items()}
    rewards = [(1, 1 / 3), (2, 2 / 3), (3, 1.0), (3, 11.0), (4, 10 + 4 / 3)]
    before = [each for each in rewards if not once or each != (3, 1.0)]
    assert [step for step, _ in scalars["train/reward"]] == [step for step, _ in before]
    assert [value for _, value in scalars["train/reward"]] == pytest.approx([value for _, value in before])
    assert scalars["evaluation/accuracy"] == [(0, 0.25), *([] if once else [(3, 0.75)]), (4, 0.75)]
    assert (2, "nan") in scalars["train/loss"]
    assert scalars["throughput/mfu"][0] == (1, 0.5) and scalars["gauges/rollout_workers"][0] == (1, 2.0)
    assert found["runs"] == 1

    tables = {step: (columns, rows) for step, columns, rows in found["tables"]}
    assert sorted(tables) == [1, 2, 3, 4]
    columns, rows = tables[4]
    assert columns == list(COLUMNS)
    # of three completions two were drawn for step 4: the right one and that whose text is no Unicode
    right, broken = ["1+1=??", r"so \boxed{2}", 1.0, 0, "correct"], ["1+1=??", "?", 0.0, 1, "no_answer"]
    assert [list(map(str, row)) for row in rows] == [list(map(str, row)) for row in (right, broken)]
    if not once:
        assert float(found["config"]["algo.scale.alpha"]) == 0.02 and len(found["config"]) > 100


SILENT: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "wandb": ({}, {"WANDB_BASE_URL": "http://{}", "WANDB_API_KEY": "a" * 40}),
    "mlflow": ({"tracking_uri": "http://{}"}, {}),
    "trackio": ({"server_url": "http://{}"}, {"TRACKIO_WRITE_TOKEN": "none"}),
    "swanlab": ({}, {"SWANLAB_API_HOST": "http://{}", "SWANLAB_API_KEY": "a" * 21}),
}
"""settings and environment that have a tracker talk to an address"""


@pytest.mark.parametrize("use", SILENT)
def test_a_server_that_never_answers_ends_no_run(use: str, interpreters: Callable[[str], str], tmp_path: Path) -> None:
    """Connections are taken and nothing is said, as behind some firewalls."""
    python = interpreters(use)
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        settings, environment = ({k: v.format(address) for k, v in each.items()} for each in SILENT[use])
        tracker = json.dumps({"use": use, "settings": settings})
        began = time.monotonic()
        said = call(python, tmp_path, "tracked_run", str(tmp_path), tracker, "0", "3", **environment)
        seconds = time.monotonic() - began
    print(f"{use}: {seconds:.0f} s; {said}")
    assert seconds < CLOSE_SECONDS + 60  # of which the start of two interpreters is a part
    assert f"tracker {use}" in said
    steps = [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3]
