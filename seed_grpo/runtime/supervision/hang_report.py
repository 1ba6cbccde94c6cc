"""Hang reports: the culprit first, then depths and phases, then every worker's stacks.

Consumes the workers that others register; produces a file in the run directory's `hangs`. It decides nothing.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from seed_grpo.records.files import write_atomically
from seed_grpo.runtime.cluster.calls import why
from seed_grpo.runtime.workers.probes import children_of, stack_of, watch

STACKS_SECONDS = 15.0
"""seconds for all workers' stacks together"""


class HangReport:
    """Hang reports of one run."""

    def __init__(self, directory: Path) -> None:
        """Writes nothing yet.

        Args:
            directory: of the run.
        """
        self._directory = directory / "hangs"
        self.workers: list[Callable[[], Mapping[str, Any]]] = []
        """functions that return Ray actors by the names of the workers"""
        self.facts: list[Callable[[], Mapping[str, Any]]] = []
        """functions that return what is known here: depths, phases"""
        self._pids: dict[str, int] = {}

    def register(self, worker: str, machine: str, pid: int) -> None:
        """Records where a worker runs: on this machine it can be inspected even if it does not answer."""
        if machine == platform.node():
            self._pids[worker] = pid

    def actors(self) -> dict[str, Any]:
        """Ray actors of all workers by name."""
        return {name: actor for source in self.workers for name, actor in source().items()}

    def dump(self, culprit: str, reason: str) -> Path:
        """Writes a file and returns its path.

        Args:
            culprit: name of the worker that is past its deadline.
            reason: what it is late with.
        """
        actors = self.actors()
        names = sorted(actors, key=lambda name: (name != culprit, name))
        facts = {name: value for source in self.facts for name, value in source().items()}
        stacks = self._stacks({name: actors[name] for name in names})
        parts = [f"culprit: {culprit}\nreason: {reason}\n{json.dumps(facts, indent=1, default=str)}"]
        parts += [f"===== {name}\n{stacks[name]}" for name in names]
        path = self._directory / f"{time.strftime('%Y%m%d-%H%M%S')}-{culprit}.txt"
        write_atomically(path, ("\n\n".join(parts) + "\n").encode())
        return path

    def _stacks(self, actors: Mapping[str, Any]) -> dict[str, str]:
        calls = {name: watch(actor, "stacks") for name, actor in actors.items()}
        done, _ = ray.wait(list(calls.values()), num_returns=len(calls), timeout=STACKS_SECONDS) if calls else ([], [])
        return {name: self._answer(name, call, call in done) for name, call in calls.items()}

    def _answer(self, name: str, call: ray.ObjectRef, answered: bool) -> str:
        if answered:
            try:
                return ray.get(call)
            except RayError as error:
                return f"no answer: {why(error)}"
        pid = self._pids.get(name)
        outside = "" if pid is None else "\n".join(stack_of(each) for each in (pid, *children_of(pid)))
        return f"no answer in {STACKS_SECONDS:g} s\n{outside}"
