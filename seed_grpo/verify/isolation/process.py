"""A process that answers one JSON line with another, and its replacement should it die or be silent for too long.

Consumes a command and requests; produces replies, within a time. The process is started with its owner and imports its
libraries meanwhile. Its first line says that it is ready, or under `said` why it cannot be. It ends when its input
closes, that is with its owner.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import IO, Any

from seed_grpo.errors import VerifierError
from seed_grpo.verify.isolation.bounds import JudgeFaultError, OutOfTimeError

START_SECONDS = 120.0
"""time for the process to import its libraries on a busy machine"""
ENDING_SECONDS = 1.0
"""time for a process that has closed its output to end, so that its own exit status is reported"""
PIECE_BYTES = 2**16
"""read at a time"""


class AnsweringProcess:
    """One process, and its replacement. Not thread-safe.

    Invariant: between calls the process is either starting or waiting for a line; whatever else it might be doing, it
    was killed, with all that it had started.
    """

    def __init__(self, command: Sequence[str], name: str) -> None:
        """Starts the process and does not wait for it.

        Args:
            name: of the process, for messages.
        """
        self._command, self._name = list(command), name
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._start()

    @property
    def pid(self) -> int | None:
        """Process id; None after `close`."""
        return None if self._process is None else self._process.pid

    def wait_ready(self, deadline: float) -> None:
        """Waits until the process has started.

        Args:
            deadline: by `time.monotonic`.

        Raises:
            OutOfTimeError: it has not by then, and goes on starting.
            VerifierError: it cannot start.
        """
        if self._process is None:
            self._start()
        if self._ready:
            return
        last = self._started + START_SECONDS
        try:
            first = self._receive(min(deadline, last))
        except (EOFError, TimeoutError) as error:
            if isinstance(error, TimeoutError) and time.monotonic() < last:
                raise OutOfTimeError(
                    f"the time for the group was over before the {self._name} had started; "
                    "raise verifier.group_timeout if this is frequent"
                ) from None
            status = self._kill(ENDING_SECONDS)
            raise VerifierError(
                f"the {self._name} did not start within {START_SECONDS:g} s, status {status}; see its message above. "
                "What takes long to load is to be loaded in its first call"
            ) from None
        if "said" in first:
            self._kill(ENDING_SECONDS)
            raise VerifierError(f"the {self._name} cannot start: {first['said']}")
        self._ready = True

    def ask(self, request: Any, seconds: float) -> Any:
        """The reply to a request; `wait_ready` comes before it.

        Raises:
            TimeoutError: there was none in time; the process was replaced.
            JudgeFaultError: the process died or answered what is no JSON, and was replaced.
        """
        deadline = time.monotonic() + seconds
        try:
            self._send(request, deadline)
            return self._receive(deadline)
        except TimeoutError:
            self._replace()
            raise
        except (EOFError, BrokenPipeError):
            status = self._replace(ENDING_SECONDS)
            raise JudgeFaultError(f"the {self._name} ended in a call, status {status}") from None
        except ValueError:
            self._replace()
            raise JudgeFaultError(f"the {self._name} answered a line that is no JSON") from None
        except BaseException:  # Ctrl-C and the like: the reply to come must not be taken for that of the next request
            self._kill()
            raise

    def close(self) -> None:
        """Ends the process."""
        self._kill()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        self._started = time.monotonic()
        self._ready = False

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
        with contextlib.suppress(ProcessLookupError):  # what it had started goes with it
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):  # what was still to be written has nobody to read it
                pipe.close()
        return status

    def _send(self, request: Any, deadline: float) -> None:
        """Writes a line, as fast as the process takes it.

        Raises:
            TimeoutError: it was not taken by the deadline.
            BrokenPipeError: the process has closed its input.
        """
        assert self._process is not None and self._process.stdin is not None
        left = memoryview(json.dumps(request).encode() + b"\n")
        while left:
            _wait_for(self._process.stdin, selectors.EVENT_WRITE, deadline)
            left = left[os.write(self._process.stdin.fileno(), left) :]

    def _receive(self, deadline: float) -> Any:
        """Reads the next line.

        Raises:
            TimeoutError: it was not whole by the deadline.
            EOFError: the process has closed its output.
            ValueError: it is no JSON.
        """
        assert self._process is not None and self._process.stdout is not None
        line = bytearray()
        while not line.endswith(b"\n"):
            _wait_for(self._process.stdout, selectors.EVENT_READ, deadline)
            piece = os.read(self._process.stdout.fileno(), PIECE_BYTES)
            if not piece:
                raise EOFError
            line += piece
        return json.loads(line)


def _wait_for(pipe: IO[bytes], event: int, deadline: float) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, event)
        if not selector.select(max(0.0, deadline - time.monotonic())):
            raise TimeoutError
