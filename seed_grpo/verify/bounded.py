"""A worker process for comparisons that may take long: killed at its time limit, bounded in memory, then replaced.

Consumes pairs of texts; produces whether they mean the same, by the oracle that it was made for. The process is
started by the first call, so that a run whose answers are all decided in process never pays for it. A call waits for
the start no longer than to its own deadline; the process comes up meanwhile for the calls after it. It may be called
from any thread and from inside an actor: no signal handler is set in the caller.

The other end is `seed_grpo.verify.bounded_main`. One JSON line goes in, one comes out. The worker ends when its input
closes, that is with its owner, and the kernel's timer ends it should it be computing at that moment.
"""

from __future__ import annotations

import contextlib
import json
import math
import selectors
import subprocess
import sys
import threading
import time

from seed_grpo.errors import VerifierError
from seed_grpo.verify.limits import BoundReachedError, JudgeFaultError

START_SECONDS = 120.0
"""for the worker to import its libraries, on a busy machine"""


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
        self._started = 0.0
        self._ready = False
        self._lock = threading.Lock()

    def same(self, first: str, second: str, timeout: float, deadline: float = math.inf) -> bool:
        """Whether the oracle says that two texts mean the same.

        Args:
            timeout: wall-clock seconds for the comparison; the start of a process is not part of it.
            deadline: by `time.monotonic`, of the call with the start of a process.

        Raises:
            BoundReachedError: it took longer, or more memory, than it may.
            JudgeFaultError: the process died, or the oracle raised.
            VerifierError: no worker process can be started.
        """
        with self._lock:
            self._wait_ready(deadline)
            timeout = min(timeout, max(0.0, deadline - time.monotonic()))
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
                raise JudgeFaultError(f"the bounded worker process ended in a comparison, status {status}") from None
            if reply.get("error") == "MemoryError":
                self._replace()
                raise BoundReachedError(
                    f"a comparison took over {self._memory_mib} MiB; raise verifier.memory_mib if this is frequent"
                )
            if "error" in reply:
                raise JudgeFaultError(f"the oracle {self._oracle} raised {reply['error']}")
            return bool(reply["same"])

    def close(self) -> None:
        """Ends the worker process, if there is one."""
        with self._lock:
            self._kill()

    def _start(self) -> None:
        command = [sys.executable, "-m", "seed_grpo.verify.bounded_main", self._oracle, str(self._memory_mib)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._started = time.monotonic()
        self._ready = False

    def _wait_ready(self, deadline: float) -> None:
        if self._process is None:
            self._start()
        if self._ready:
            return
        last = self._started + START_SECONDS
        try:
            self._receive(min(deadline, last))
        except (EOFError, TimeoutError) as error:
            if isinstance(error, TimeoutError) and time.monotonic() < last:
                raise BoundReachedError(
                    "the time for the group was over before the bounded worker process had started; "
                    "raise verifier.group_timeout if this is frequent"
                ) from None
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
