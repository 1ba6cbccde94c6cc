"""Events of workers, for people and for tests: `events.jsonl`, a line each, and `workers.json`, the present states.

Consumes what happened to workers; produces these files, a line on the console, and metrics.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seed_grpo.records.files import clear_disk_errors, write_atomically
from seed_grpo.runtime.cluster.calls import Log
from seed_grpo.runtime.supervision.heartbeats import WorkerState
from seed_grpo.runtime.supervision.prometheus import Monitor


class Events:
    """Both files of one run. They hold wall-clock facts, so a resumed run appends to them."""

    def __init__(self, directory: Path, log: Log, monitor: Monitor) -> None:
        self._file = directory / "events.jsonl"
        self._workers_file = directory / "workers.json"
        self._log = log
        self._monitor = monitor
        self._workers: dict[str, str] = {}

    def record(self, event: str, worker: str, text: str, **facts: Any) -> None:
        """Appends a line, and shows it on the console.

        Args:
            event: failed, recovered, added, drained, resynced or hang.
            text: for people.
            facts: further fields.
        """
        line = json.dumps({"time": time.time(), "event": event, "worker": worker, "text": text, **facts})
        with clear_disk_errors(self._file), open(self._file, "a", encoding="utf-8") as file:
            file.write(line + "\n")
        self._monitor.event(event)
        self._log(text)

    def states(self, kind: str, states: Mapping[str, WorkerState]) -> None:
        """Writes the states of all workers where those of one kind have changed.

        Args:
            states: by the workers' names.
        """
        others = {name: state for name, state in self._workers.items() if not name.startswith(f"{kind}-")}
        workers = others | {name: str(state) for name, state in states.items()}
        if workers != self._workers:
            self._workers = workers
            self._monitor.states(kind, states.values(), WorkerState)
            write_atomically(self._workers_file, (json.dumps(workers, indent=1) + "\n").encode())
