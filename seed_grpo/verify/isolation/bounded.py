"""Calls that may take long: bounded in time and memory, usable from any thread.

Consumes the arguments of one function, as JSON; produces what it returns. The process is started with its owner and
imports its libraries meanwhile. It forks a child for every call, which the kernel ends at its time limit and refuses
memory beyond its bound: what one call did, the next does not find. No signal handler is set in the caller.

The other end is `seed_grpo.verify.isolation.bounded_main`. A call that runs as the owner ends, ends at its time limit.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from typing import Any

from seed_grpo.verify.isolation.bounds import BoundReachedError, JudgeFaultError, OutOfTimeError
from seed_grpo.verify.isolation.process import AnsweringProcess

GRACE_SECONDS = 5.0
"""time beyond a call's limit, after which a process that is still silent is replaced"""


class BoundedProcess:
    """One process for calls of one function, and its replacement should it die."""

    def __init__(self, function: str, memory_mib: int) -> None:
        """Starts the process and does not wait for it.

        Args:
            function: `module:function`, imported in the process only.
            memory_mib: bound on the address space of a call.
        """
        self._function = function
        self._memory_mib = memory_mib
        self._lock = threading.Lock()
        main = "seed_grpo.verify.isolation.bounded_main"
        command = [sys.executable, "-m", main, function, str(memory_mib)]
        self._process = AnsweringProcess(command, f"bounded worker process for {function}")

    @property
    def pid(self) -> int | None:
        """Id of the process that forks; None after `close`."""
        return self._process.pid

    def call(self, *arguments: Any, timeout: float, deadline: float = math.inf) -> Any:
        """Calls the function in the process, and returns its result.

        Args:
            arguments: values that JSON has.
            timeout: wall-clock seconds for the call; the start of a process is not part of it.
            deadline: by `time.monotonic`, of the call with the start of a process.

        Raises:
            OutOfTimeError: it took longer, or more memory, than it may.
            BoundReachedError: an intermediate result would be too large.
            JudgeFaultError: the process died, or the function raised.
            VerifierError: no process can be started.
        """
        with self._lock:
            self._process.wait_ready(deadline)
            timeout = max(0.001, min(timeout, deadline - time.monotonic()))
            try:
                reply = self._process.ask({"arguments": arguments, "seconds": timeout}, timeout + GRACE_SECONDS)
            except TimeoutError:
                reply = {"error": "timeout"}
        error = reply.get("error")
        if error == "timeout":
            raise OutOfTimeError(f"a call took over {timeout:.3g} s; raise verifier.judge_timeout if this is frequent")
        if error in ("MemoryError", "RecursionError"):
            raise OutOfTimeError(
                f"a call took over {self._memory_mib} MiB or too deep a recursion; raise verifier.memory_mib if "
                "this is frequent"
            )
        if error == "BoundReachedError":
            raise BoundReachedError("a call reached the bounds of the parser")
        if error is not None:
            raise JudgeFaultError(f"{self._function} failed: {error}: {reply.get('said', '')}")
        return reply["value"]

    def close(self) -> None:
        """Ends the process."""
        with self._lock:
            self._process.close()
