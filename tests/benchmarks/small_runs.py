"""Real runs of the whole program on the quickstart's model and task, for the parts `loop`, `entropy` and `overlap`.

Consumes settings; produces run directories, in processes of their own, and what is read from them. The runs have no
evaluation and make one checkpoint, at their end.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow.parquet as pq
import yaml

from benchmarks.peers import CORES, TESTS, log, started
from seed_grpo.arithmetic import task
from seed_grpo.arithmetic.warm_start import warm_start
from seed_grpo.commands import train
from seed_grpo.config import Config
from seed_grpo.config.loading import dump_config, load_config
from seed_grpo.loop.interfaces import Sink
from seed_grpo.messages import GroupTask
from seed_grpo.records.files import read_records
from seed_grpo.runtime import assembly
from seed_grpo.runtime.workers.pipeline import Pipeline

QUICKSTART = TESTS.parent / "jobs" / "quickstart.yaml"
MODEL = TESTS.parent / "runs" / "benchmarks" / "models" / "arithmetic"
MAX_COMPLETION_TOKENS = 128
"""more than the model needs, so that lengths are its own"""


def small_model() -> Path:
    """The quickstart's model, which takes two minutes to make the first time."""
    return warm_start(load_config(QUICKSTART, [f"model.path={MODEL}"]), lambda _line: None)


def run_config(directory: Path, steps: int, prompts: int, completions: int, *changes: str) -> Config:
    """The quickstart's settings, with a worker of each kind on each core, of one thread each, since engines and trainer
    do not work at the same time; `changes` are overrides."""
    tree = yaml.safe_load(QUICKSTART.read_text())
    del tree["evaluation"], tree["warm_start"]
    file = directory.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(tree))
    settings = {
        "run.directory": directory,
        "run.steps": steps,
        "run.checkpoint_every": steps,
        "run.deterministic": "false",
        "model.path": MODEL,
        "data.shuffle": "false",
        "rollout.prompts_per_step": prompts,
        "rollout.completions_per_prompt": completions,
        "rollout.max_completion_tokens": MAX_COMPLETION_TOKENS,
        "rollout.num_workers": CORES,
        "verifier.num_workers": CORES,
        "trainer.num_workers": CORES,
        "trainer.cpus_per_worker": 0.25,
    }
    return load_config(file, [*(f"{name}={value}" for name, value in settings.items()), *changes])


class TimedPipeline(Pipeline):
    """Times what of judging is not hidden behind generation, in a run whose sampling and training take turns: the
    seconds from the moment the last group of a step is generated to the moment the last one is judged and known to the
    controller."""

    tails: ClassVar[list[float]] = []
    """seconds of each step of this process"""
    _generating = False
    _generated: float | None = None
    """monotonic seconds when the last group was; None before"""

    def submit(self, tasks: Sequence[GroupTask], sink: Sink) -> None:
        self._generating = self._generating or bool(tasks)
        super().submit(tasks, sink)

    def pump(self, timeout: float = 0.0) -> None:
        super().pump(timeout)
        depths = self.depths()
        if self._generating and not depths["waiting for a rollout worker"] + depths["being generated"]:
            self._generating, self._generated = False, time.monotonic()
        if self._generated is not None and not any(depths.values()):
            self.tails.append(time.monotonic() - self._generated)
            self._generated = None


def run(name: str, config: Config, waits: bool = False) -> dict[str, Any]:
    """Runs the program to its end in a process of its own; what comes back are the `tails` of `TimedPipeline`.

    Args:
        waits: whether the engines wait as in `device_waits`.
    """
    file = config.run.directory.with_suffix(".yaml")
    file.write_text(dump_config(config))
    with started("small_runs", {"name": name, "config": file, "waits": waits}, file.parent, threads=1) as peer:
        return peer.reply()


def timings(directory: Path) -> list[dict[str, float]]:
    """Seconds by stage of each step."""
    return read_records(directory / "timings.jsonl")


def step_ends(directory: Path) -> np.ndarray:
    """When each step's record was written, in seconds of the wall's clock."""
    return np.array([file.stat().st_mtime_ns / 1e9 for file in sorted((directory / "ledger").glob("step_*.parquet"))])


def completions(directory: Path) -> list[dict[str, Any]]:
    """The rows of all completions of a run."""
    files = sorted((directory / "rollouts").glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def prompts(count: int) -> list[dict[str, str]]:
    """The first prompts of the task with their answers."""
    return [{"prompt": each.text, "answer": each.answers[0]} for each in task.problems("train")[:count]]


def _main(arguments: Mapping[str, Any]) -> None:
    assert hasattr(assembly, "Pipeline"), "runs are put together elsewhere now"
    assembly.Pipeline = TimedPipeline  # type: ignore[misc]
    if arguments["waits"]:
        from benchmarks import device_waits  # loads vLLM

        device_waits.install()
    train.train(load_config(arguments["config"]))
    log(tails=TimedPipeline.tails)


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
