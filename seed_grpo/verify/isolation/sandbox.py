"""Runs a program that a model wrote, on one input, where it can do no harm, and reports what it did.

Consumes the text of a Python program and of its standard input; produces what it printed and whether it succeeded. The
program runs in a process of its own. `seed_grpo.verify.isolation.sandbox_main` shuts that process off, and says what
holds, what does not, and which kernel it takes. Where that cannot be had, nothing is run at all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import NamedTuple

from seed_grpo.verify.isolation import sandbox_main
from seed_grpo.verify.isolation.bounds import BoundReachedError, JudgeFaultError, OutOfTimeError

GRACE_SECONDS = 30.0
"""time beyond the program's own to set up the sandbox on a busy machine"""


class Behaviour(NamedTuple):
    r"""Observed behaviour of a program, e.g. `Behaviour("4\n", True)`."""

    stdout: str
    """all that the program printed; bytes that are no UTF-8 are written as escapes"""
    success: bool
    """true if the program ended by itself, with exit status 0"""


def run_program(program: str, text: str, seconds: float, memory_mib: int) -> Behaviour:
    """Runs a Python program with a text as its standard input.

    It has the standard library, an environment without anything, and a folder /tmp of its own. Strings hash alike in
    every run, so a program that draws no random numbers and asks for no time does the same each time.

    Args:
        seconds: wall-clock time for it, the start of the interpreter included.
        memory_mib: bound on the address space of each of its processes; what is refused is a `MemoryError` in it.

    Raises:
        OutOfTimeError: it took longer than it may.
        BoundReachedError: it printed more than it may.
        JudgeFaultError: it could not be started, or what watches it died.
    """
    request = {"program": program, "input": text, "seconds": seconds, "memory_mib": memory_mib}
    command = [os.path.realpath(sys.executable), "-I", "-S", "-B", sandbox_main.__file__]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(request).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds + GRACE_SECONDS,
            start_new_session=True,  # Ctrl-C is the owner's to handle
            check=False,
        )
        reply = json.loads(done.stdout) if done.stdout else {"refused": f"it ended with status {done.returncode}"}
    except (subprocess.TimeoutExpired, OSError) as error:
        reply = {"refused": str(error)}
    if "refused" in reply:
        raise JudgeFaultError(f"the sandbox did not run a program: {reply['refused']}")
    if reply.get("bound") == "time":
        raise OutOfTimeError(f"a program took over {seconds:.3g} s; raise verifier.judge_timeout if frequent")
    if reply.get("bound") == "output":
        raise BoundReachedError(f"a program printed over {sandbox_main.OUTPUT_BYTES} bytes")
    return Behaviour(reply["stdout"], bool(reply["success"]))
