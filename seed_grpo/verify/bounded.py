"""A worker process for comparisons that may take long: killed at its time limit, bounded in memory, then replaced.

Consumes pairs of texts; produces whether they mean the same, by the oracle that it was made for. The process is
started by the first call, so that a run whose answers are all decided in process never pays for it. It may be called
from any thread and from inside an actor: no signal handler is set in the caller.

The other end is `seed_grpo.verify.bounded_main`. One JSON line goes in, one comes out. The worker ends when its input
closes, that is with its owner, and the kernel's timer ends it should it be computing at that moment.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import subprocess
import sys
import threading
import time

from seed_grpo.errors import VerifierError
from seed_grpo.verify.limits import BoundReachedError

START_SECONDS = 120.0
"""for the worker to import its libraries, on a busy machine"""


class WorkerCrashError(VerifierError):
    """The worker process died of its own accord, or its oracle raised."""


class BoundedProcess:
    """One worker process, and its replacement after a kill.

    Invariant: between calls the process is either absent, starting, or waiting for a line; whatever else it might be
    doing, it was killed.
    """

    def __init__(self, oracle: str, memory_mib: int) -> None:
        """Starts nothing.

        Args:
            oracle: `module:function` of two texts to bool, imported in the worker only.
            memory_mib: bound on the worker's address space.
        """
        self._oracle = oracle
        self._memory_mib = memory_mib
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._lock = threading.Lock()

    def same(self, first: str, second: str, timeout: float) -> bool:
        """Whether the oracle says that two texts mean the same.

        Args:
            timeout: wall-clock seconds for the comparison; the start of a process is not part of it.

        Raises:
            BoundReachedError: it took longer, or more memory, than it may.
            WorkerCrashError: the process died, or the oracle raised.
            VerifierError: no worker process can be started.
        """
        with self._lock:
            self._wait_ready()
            try:
                self._send({"first": first, "second": second, "seconds": timeout})
                reply = self._receive(time.monotonic() + timeout)
            except TimeoutError:
                self._replace()
                raise BoundReachedError(
                    f"a comparison took over {timeout:g} s; raise verifier.judge_timeout if this is frequent"
                ) from None
            except (EOFError, BrokenPipeError):
                status = self._replace()
                raise WorkerCrashError(f"the bounded worker process ended in a comparison, status {status}") from None
            if reply.get("error") == "MemoryError":
                self._replace()
                raise BoundReachedError(
                    f"a comparison took over {self._memory_mib} MiB; raise verifier.memory_mib if this is frequent"
                )
            if "error" in reply:
                raise WorkerCrashError(f"the oracle {self._oracle} raised {reply['error']}")
            return bool(reply["same"])

    def close(self) -> None:
        """Ends the worker process, if there is one."""
        with self._lock:
            self._kill()

    @property
    def pid(self) -> int | None:
        """Of the worker process; None where there is none."""
        return self._process.pid if self._process is not None else None

    def _start(self) -> None:
        command = [sys.executable, "-m", "seed_grpo.verify.bounded_main", self._oracle, str(self._memory_mib)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._ready = False

    def _wait_ready(self) -> None:
        if self._process is None:
            self._start()
        if self._ready:
            return
        try:
            self._receive(time.monotonic() + START_SECONDS)
        except (EOFError, TimeoutError):
            status = self._kill()
            raise VerifierError(
                f"the bounded worker process for {self._oracle} did not start within {START_SECONDS:g} s and "
                f"{self._memory_mib} MiB, status {status}; raise verifier.memory_mib, or see its message above"
            ) from None
        self._ready = True

    def _replace(self) -> int:
        """Kills the process and starts the next one, which comes up while the caller goes on."""
        status = self._kill()
        self._start()
        return status

    def _kill(self) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.kill()
        status = process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):  # what was still to be written has nobody to read it
                pipe.close()
        return status

    def _send(self, request: dict[str, str | float]) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()

    def _receive(self, deadline: float) -> dict:
        """The next line. A whole line is at most a pipe's buffer, so it arrives at once.

        Raises:
            TimeoutError: nothing came until the deadline.
            EOFError: the process has closed its output.
        """
        assert self._process is not None and self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
        line = self._process.stdout.readline()
        if not line:
            raise EOFError
        return json.loads(line)
