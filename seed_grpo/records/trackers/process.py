"""The trackers of a run: each in a process of its own, which it can neither slow, end nor outlive.

    run ── put ──► queue, bounded ── thread ──► pipe ──► process_main ──► library ──► network
     ▲                                                        │
     └──────────── log ◄──────── thread ◄──── pipe ◄──────────┘

A process and not a thread, since these libraries take over signals and output, run network calls as Python ends, and
cannot be stopped when they hang. Whatever goes wrong is logged once, with what to do; records that did not arrive are
counted, and the count is logged at the end. Nothing raises, and nothing waits but `close`, for a bounded time.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seed_grpo.config.secrets import mask_addresses, masked
from seed_grpo.config.sections import TrackerConfig
from seed_grpo.records.trackers.process_main import CLOSE_SECONDS
from seed_grpo.records.trackers.tracker import Row, Start

MOST_WAITING = 1000
"""records that wait for a tracker; further ones are dropped"""
QUIET_SECONDS = 5.0
"""seconds that the end of a tracker is waited for before that is said"""
ENDING_SECONDS = 1.0
"""seconds for what the process has said to be read, once it has ended"""
MODULE = "seed_grpo.records.trackers.process_main"


class TrackerProcess:
    """One tracker."""

    def __init__(self, start: Start, log: Callable[[str], None]) -> None:
        """Starts the process and waits for nothing."""
        self._use, self._log, self._file = start.use, log, start.folder / f"{start.use}.log"
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._threads: list[threading.Thread] = []
        self._given = self._arrived = 0
        self._gone = self._said = self._ending = False
        if not is_installed(start.use):
            self._give_up(missing(start.use))
            return
        try:
            self._process = _started(self._file)
        except OSError as error:
            self._give_up(f"did not start: {error}")
            return
        self._queue.put(json.dumps(asdict(start)))
        for body in (self._write, self._read):
            self._threads.append(threading.Thread(target=body, args=[self._process], daemon=True))
            self._threads[-1].start()

    def put(self, record: Mapping[str, Any]) -> None:
        """Hands in a record, unless the tracker is gone or too many are waiting."""
        self._given += 1
        if self._gone:
            return
        if self._queue.qsize() < MOST_WAITING:
            self._queue.put(json.dumps(record))
        else:
            self._say(f"is behind by {MOST_WAITING} records; further ones are dropped until it catches up")

    def end(self) -> None:
        """Has the tracker send what it has and end; `wait` follows."""
        self._ending = True
        self._queue.put(None)

    def wait(self, deadline: float) -> None:
        """Waits for the end, and ends the process that has not ended by then.

        Args:
            deadline: by `time.monotonic`.
        """
        if self._process is not None:
            self._reap(self._process, deadline)
        if self._arrived < self._given:
            self._log(f"tracker {self._use}: {self._given - self._arrived} of {self._given} records did not arrive")

    def _reap(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, min(QUIET_SECONDS, deadline - time.monotonic())))
        left = deadline - time.monotonic()
        if process.returncode is None and left > 0:
            self._log(f"tracker {self._use}: waiting for it to send what it has, for {left:.0f} s at most")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(left)
        if process.returncode is None:
            self._say(f"did not end in time and was stopped; what it did until then is in {self._file}")
        elif process.returncode and not self._gone:
            self._say(f"ended with status {process.returncode}; its last words are in {self._file}")
        with contextlib.suppress(ProcessLookupError):  # what it had started goes with it
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for thread in self._threads:
            thread.join(ENDING_SECONDS)

    def _write(self, process: subprocess.Popen[bytes]) -> None:
        """Body of the thread that hands records to the process; it blocks while the process takes none."""
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            while (line := self._queue.get()) is not None:
                pipe.write(line.encode() + b"\n")
                pipe.flush()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        """Body of the thread that reads what the process has to say."""
        assert process.stdout is not None
        with process.stdout as pipe:
            for line in pipe:
                self._hear(json.loads(line))
        if not self._ending and not self._gone:
            self._give_up(f"ended with status {process.wait()}; its last words are in {self._file}")

    def _hear(self, reply: Mapping[str, str]) -> None:
        if "arrived" in reply:
            self._arrived += 1
        elif "place" in reply:
            self._log(mask_addresses(f"tracker {self._use}: {reply['place']}"))
        elif "cannot" in reply:
            more = f"correct its entry in run.trackers or its environment; more is in {self._file}"
            self._give_up(f"did not start: {reply['cannot']}; {more}")
        else:
            more = f"further refusals are only counted; more is in {self._file}"
            self._say(f"refused a record: {reply['failed']}; {more}")

    def _give_up(self, problem: str) -> None:
        self._gone, self._said = True, False
        self._say(f"{problem}. The run goes on without it")

    def _say(self, text: str) -> None:
        """Logs the first trouble; later ones only show in the count at the end."""
        if not self._said:
            self._said = True
            self._log(mask_addresses(f"tracker {self._use} {text}"))


def _started(file: Path) -> subprocess.Popen[bytes]:
    """A tracker's process, whose own output goes to a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
        )


class Trackers:
    """The trackers of a run."""

    def __init__(
        self,
        configs: Sequence[TrackerConfig],
        directory: Path,
        settings: Mapping[str, Any],
        log: Callable[[str], None],
    ) -> None:
        """Starts all of them and waits for none.

        Args:
            directory: of the run.
            settings: of the run, by dotted name.
        """
        kept = masked(settings)
        self._processes = [
            TrackerProcess(
                Start(
                    use=each.use,
                    project=each.project,
                    entity=each.entity,
                    name=each.name or directory.resolve().name,
                    tags=list(each.tags),
                    settings=each.settings,
                    directory=str(directory.resolve()),
                    config=kept,
                ),
                log,
            )
            for each in configs
        ]
        self._completions = [each.completions for each in configs]

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Sends numbers of a step, by names with slashes."""
        for process in self._processes:
            process.put({"step": step, "scalars": dict(values)})

    def completions(self, step: int, chosen: Callable[[int], Sequence[Row]]) -> None:
        """Sends a table of completions to those that ask for one.

        Args:
            chosen: gives so many rows.
        """
        for process, number in zip(self._processes, self._completions, strict=True):
            if number and (rows := chosen(number)):
                process.put({"step": step, "completions": rows})

    def rewind(self, step: int) -> None:
        """Says that the run goes on from a step."""
        for process in self._processes:
            process.put({"rewind": step})

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Has all of them send what they have, and waits for that.

        Args:
            seconds: for all of them together; those that take longer are ended.
        """
        deadline = time.monotonic() + seconds
        for process in self._processes:
            process.end()
        for process in self._processes:
            process.wait(deadline)


def is_installed(use: str) -> bool:
    """Tells whether a tracker's package is here; a mere folder of its name, such as W&B's `wandb/`, is none."""
    spec = importlib.util.find_spec(use)
    return spec is not None and spec.origin is not None


def missing(use: str) -> str:
    """Sentence on a tracker that is not installed."""
    return f"is not installed; install the package (pip install {use}), or take it out of run.trackers"


def described(configs: Sequence[TrackerConfig]) -> str:
    """The trackers of a run, and a note on each that is not installed on this machine; that ends no run."""
    notes = [f"note: {each.use} {missing(each.use)}" for each in configs if not is_installed(each.use)]
    return "\n".join([", ".join(each.use for each in configs) or "none (run.trackers)", *notes])
