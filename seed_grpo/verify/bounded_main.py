"""The worker process behind `seed_grpo.verify.bounded`: `python -m seed_grpo.verify.bounded_main ORACLE MEMORY_MIB`.

Reads one JSON line a comparison from its standard input, writes one a verdict to its standard output, ends with its
input. The oracle's own prints go to standard error.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys

GRACE_SECONDS = 5.0
"""after its time limit the kernel ends a comparison whose owner is no longer there to do so"""


def serve(oracle_name: str, memory_mib: int) -> None:
    """Answers until the input closes."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_AS, (memory_mib * 2**20,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's to handle
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    module, _, function = oracle_name.partition(":")
    oracle = getattr(importlib.import_module(module), function)
    print(json.dumps({"ready": True}), file=replies, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, request["seconds"] + GRACE_SECONDS)
        reply: dict[str, bool | str]
        try:
            reply = {"same": bool(oracle(request["first"], request["second"]))}
        except Exception as error:  # it travels as text; the caller raises it again
            reply = {"error": type(error).__name__}
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
