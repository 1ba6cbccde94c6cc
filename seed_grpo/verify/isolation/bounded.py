"""A worker process for comparisons that may take long: bounded in time and memory, usable from any thread.

Consumes pairs of texts; produces whether they mean the same, by the oracle that it was made for. The process is
started with its owner and imports its libraries meanwhile. It forks a child for every comparison, which the kernel
ends at its time limit and refuses memory beyond its bound: what one comparison did, the next does not find. No signal
handler is set in the caller.

The other end is `seed_grpo.verify.isolation.bounded_main`. One JSON line goes in, one comes out. The worker ends when
its input closes, that is with its owner. A comparison that runs at that moment ends at its time limit.
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
from collections.abc import Sequence

from seed_grpo.errors import VerifierError
from seed_grpo.verify.isolation.bounds import BoundReachedError, JudgeFaultError, OutOfTimeError

START_SECONDS = 120.0
"""time for the worker to import its libraries on a busy machine"""
GRACE_SECONDS = 5.0
"""time beyond a comparison's limit, after which a worker that is still silent is replaced"""
ENDING_SECONDS = 1.0
"""time for a worker that has closed its output to end, so that its own exit status is reported"""


class BoundedProcess:
    """One worker process, and its replacement should it die.

    Invariant: between calls the process is either starting or waiting for a line; whatever else it might be doing, it
    was killed.
    """

    def __init__(self, oracle: str, arguments: Sequence[float], memory_mib: int) -> None:
        """Starts the process and does not wait for it.

        Args:
            oracle: `module:function` of two texts and the arguments to bool, imported in the worker only.
            arguments: numbers handed to the oracle behind the two texts.
            memory_mib: bound on the address space of a comparison.
        """
        self._oracle = oracle
        self._arguments = list(arguments)
        self._memory_mib = memory_mib
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._start()

    def same(self, first: str, second: str, timeout: float, deadline: float = math.inf) -> bool:
        """Asks the oracle whether two texts mean the same.

        Args:
            timeout: wall-clock seconds for the comparison; the start of a process is not part of it.
            deadline: by `time.monotonic`, of the call with the start of a process.

        Raises:
            OutOfTimeError: it took longer, or more memory, than it may.
            BoundReachedError: an intermediate result would be too large.
            JudgeFaultError: the process died, or the oracle raised.
            VerifierError: no worker process can be started.
        """
        with self._lock:
            self._wait_ready(deadline)
            timeout = max(0.001, min(timeout, deadline - time.monotonic()))
            reply = self._ask({"first": first, "second": second, "arguments": self._arguments, "seconds": timeout})
        error = reply.get("error")
        if error == "timeout":
            raise OutOfTimeError(
                f"a comparison took over {timeout:.3g} s; raise verifier.judge_timeout if this is frequent"
            )
        if error in ("MemoryError", "RecursionError"):
            raise OutOfTimeError(
                f"a comparison took over {self._memory_mib} MiB or too deep a recursion; raise verifier.memory_mib if "
                "this is frequent"
            )
        if error == "BoundReachedError":
            raise BoundReachedError("a comparison reached the bounds of the parser")
        if error is not None:
            raise JudgeFaultError(f"the oracle {self._oracle} failed: {error}")
        return bool(reply["same"])

    def close(self) -> None:
        """Ends the worker process."""
        with self._lock:
            self._kill()

    def _start(self) -> None:
        command = [sys.executable, "-m", "seed_grpo.verify.isolation.bounded_main", self._oracle, str(self._memory_mib)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._started = time.monotonic()
        self._ready = False

    def _ask(self, request: dict) -> dict:
        try:
            self._send(request)
            return self._receive(time.monotonic() + request["seconds"] + GRACE_SECONDS)
        except TimeoutError:
            self._replace()
            return {"error": "timeout"}
        except (EOFError, BrokenPipeError):
            status = self._replace(ENDING_SECONDS)
            raise JudgeFaultError(f"the bounded worker process ended in a comparison, status {status}") from None
        except BaseException:  # Ctrl-C and the like: the reply to come must not be taken for that of the next request
            self._kill()
            raise

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
                raise OutOfTimeError(
                    "the time for the group was over before the bounded worker process had started; "
                    "raise verifier.group_timeout if this is frequent"
                ) from None
            status = self._kill(ENDING_SECONDS)
            raise VerifierError(
                f"the bounded worker process for {self._oracle} did not start within {START_SECONDS:g} s, "
                f"status {status}; see its message above"
            ) from None
        self._ready = True

    def _replace(self, patience: float = 0.0) -> int:
        """Kills the process and starts the next one, which comes up while the caller goes on."""
        status = self._kill(patience)
        self._start()
        return status

    def _kill(self, patience: float = 0.0) -> int:
        """Ends the process and returns its exit status; one that is ending by itself has that many seconds."""
        process, self._process = self._process, None
        if process is None:
            return 0
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
        process.kill()
        status = process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):  # what was still to be written has nobody to read it
                pipe.close()
        return status

    def _send(self, request: dict) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()

    def _receive(self, deadline: float) -> dict:
        """Reads the next line. A whole line is at most a pipe's buffer, so it arrives at once.

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
