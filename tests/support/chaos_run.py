"""A real run that things are done to: started, watched, its processes found and killed, and its accounts checked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from seed_grpo.records.files import read_records
from seed_grpo.runtime.workers.probes import children_of

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "seed_grpo.cli"]

TITLES = {
    "engine": "VLLM::EngineCore",
    "verifier worker": "ray::VerifierWorker",
    "trainer rank": "ray::TrainerWorker",
}
"""titles under which the kernel lists the processes of a run"""


class ChaosRun:
    """One run directory, and the processes that work on it."""

    def __init__(self, directory: Path, settings: list[str], limit: float = 300.0) -> None:
        """Starts nothing.

        Args:
            settings: configuration file and overrides.
            limit: seconds that any one wait may take.
        """
        self.directory = directory
        self.log = directory.with_suffix(".log")
        self._arguments = [*PROGRAM, "train", *settings, f"run.directory={directory}"]
        self._limit = limit
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Starts the program, the first time or again."""
        self._begun = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(
                self._arguments, stdout=stream, stderr=stream, start_new_session=True, cwd=ROOT
            )

    def wait_until(self, what: str, condition: Callable[[], bool]) -> None:
        """Waits for something to become true while the run is at work."""
        deadline = time.monotonic() + self._limit
        while not condition():
            assert self.process.poll() is None, f"the run ended waiting for {what}:\n{self.said()}"
            assert time.monotonic() < deadline, f"waited {self._limit:g} s for {what}:\n{self.said()}"
            time.sleep(0.05)

    def finish(self) -> None:
        """Waits for the end, which has to be a good one."""
        assert self.process.wait(timeout=self._limit) == 0, self.said()

    def finish_badly(self) -> str:
        """Waits for the end, which has to be an error, and returns what was said."""
        assert self.process.wait(timeout=self._limit) == 1, self.said()
        return self.said()

    def end(self) -> None:
        """Leaves nothing behind, whatever happened."""
        for pid in [self.process.pid, *children_of(self.process.pid)]:
            _send(pid, signal.SIGKILL)
        self.process.wait()

    def pids(self, kind: str) -> list[int]:
        """Processes of a kind of `TITLES`, oldest first; or the rollout workers, which are what engines have as
        parents: Ray shows their present call in place of their name."""
        if kind == "rollout worker":
            return [_parent(pid) for pid in self.pids("engine")]
        found = []
        for pid in children_of(os.getpid()):  # of this process too, where Ray was started by it
            try:
                title = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if title.startswith(TITLES[kind]):
                found.append(pid)
        return sorted(found)

    def send(self, kind: str, number: int, what: signal.Signals) -> None:
        """A signal to one of the processes of a kind, or to the driver."""
        pids = [self.process.pid] if kind == "driver" else self.pids(kind)
        assert pids, f"there is no {kind}:\n{self.said()}"
        _send(pids[number % len(pids)], what)

    def kill_machine(self) -> None:
        """Kills the driver and everything that it started."""
        pids = children_of(self.process.pid)
        self.process.kill()
        for pid in pids:
            _send(pid, signal.SIGKILL)
        self.process.wait()

    def has_stepped(self) -> bool:
        """Tells whether a step was made since the last start."""
        return b"\nstep " in self.log.read_bytes()[self._begun :]

    def is_whole(self) -> bool:
        """Tells whether all workers are healthy, as far as the program knows, and there are some of each kind: a
        machine's workers are missed one after the other."""
        file = self.directory / "workers.json"
        are_healthy = file.exists() and set(json.loads(file.read_text()).values()) == {"healthy"}
        return are_healthy and all(self.pids(kind) for kind in TITLES)

    @property
    def step(self) -> int:
        """Steps on record."""
        records = read_records(self.directory / "metrics.jsonl")
        return int(records[-1]["step"]) if records else 0

    def events(self, event: str) -> list[dict[str, Any]]:
        """Events on record of one kind: failed, recovered, hang, added, drained."""
        file = self.directory / "events.jsonl"
        text = file.read_text() if file.exists() else ""
        records = map(json.loads, text[: text.rfind("\n") + 1].splitlines())
        return [record for record in records if record["event"] == event]

    def gauge(self, name: str) -> float | None:
        """As the last step was recorded."""
        records = read_records(self.directory / "gauges.jsonl")
        return records[-1][name] if records else None

    def said(self) -> str:
        """The end of what the program printed."""
        return self.log.read_text(errors="replace")[-4000:]

    def check_accounts(self, staleness: int) -> Counter[str]:
        """Invariants 1 and 2: every id from 0 on is in the ledger once, and nothing that was trained is too old.

        Returns:
            groups by what became of them: "trained", or the reason for which they were dropped.
        """
        ledger = [row for file in self._tables("ledger") for row in pq.read_table(file).to_pylist()]
        ids = sorted(row["group_id"] for row in ledger)
        assert ids == list(range(len(ids))), f"{len(ids)} rows, of {len(set(ids))} groups up to {ids[-1]}"
        trained = {row["group_id"]: row["step"] for row in ledger if row["state"] == "trained"}
        for file in self._tables("rollouts"):
            for row in pq.read_table(file, columns=["group_id", "step", "version_min"]).to_pylist():
                if row["group_id"] in trained and row["version_min"] >= 0:
                    assert row["step"] == trained[row["group_id"]]
                    assert row["step"] - 1 - row["version_min"] <= staleness, row
        return Counter(row["reason"] or row["state"] for row in ledger)

    def _tables(self, folder: str) -> list[Path]:
        return sorted((self.directory / folder).glob("step_*.parquet"))


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _send(pid: int, what: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it ended meanwhile
        os.kill(pid, what)
