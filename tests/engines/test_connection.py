"""Messages of the Ray cluster that a program starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys, time
import ray
from seed_grpo.config import Config
from seed_grpo.runtime.cluster.connection import connected

@ray.remote
class Actor:
    def fail(self):
        raise ValueError("given up")

    def succeed(self):
        pass

config = Config.model_validate({
    "run": {"directory": sys.argv[1], "steps": 1},
    "model": {"path": "unused"},
    "data": {"source": "arithmetic"},
    "cluster": {"device": "cpu", "dashboard": False},
})
with connected(config):
    actor = Actor.remote()
    call = actor.fail.remote()
    ray.get(actor.succeed.remote())
    del call
    time.sleep(1)
print("done")
"""


@pytest.mark.engine
def test_the_error_of_a_call_that_nobody_waits_for_is_not_printed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.splitlines()[-1] == "done", done.stderr
    assert "given up" not in done.stdout + done.stderr
