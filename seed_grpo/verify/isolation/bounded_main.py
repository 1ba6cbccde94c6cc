"""The worker process behind `seed_grpo.verify.isolation.bounded`.

Usage: `python -m seed_grpo.verify.isolation.bounded_main ORACLE MEMORY_MIB`.

Reads one JSON line a comparison from its standard input, forks a child that makes it, writes one line a verdict to its
standard output, ends with its input. The oracle's own prints go to standard error.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable

RESERVE = 16 * 2**20
"""bytes above the bound on memory, for the reply"""


def serve(oracle_name: str, memory_mib: int) -> None:
    """Answers requests until the input closes."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's to handle
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    module, _, function = oracle_name.partition(":")
    oracle = getattr(importlib.import_module(module), function)
    gc.freeze()  # children share the libraries' pages
    print(json.dumps({"ready": True}), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(_in_child(oracle, json.loads(line), memory_mib, replies.fileno())), file=replies, flush=True)


def _in_child(oracle: Callable[..., bool], request: dict, memory_mib: int, replies: int) -> dict[str, bool | str]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.close(replies)  # so that the owner sees at once when the worker is killed
        _compare(oracle, request, memory_mib, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        signalled = os.WTERMSIG(status)
        return {"error": "timeout" if signalled == signal.SIGALRM else f"signal {signalled}"}
    return json.loads(answer) if answer else {"error": f"exit status {os.waitstatus_to_exitcode(status)}"}


def _compare(oracle: Callable[..., bool], request: dict, memory_mib: int, writing: int) -> None:
    """Makes one comparison in the child, which then ends whatever happened."""
    signal.setitimer(signal.ITIMER_REAL, request["seconds"])
    most = memory_mib * 2**20
    bound, with_reserve = (most, most + RESERVE), (most + RESERVE,) * 2
    resource.setrlimit(resource.RLIMIT_AS, bound)
    reply: dict[str, bool | str]
    try:
        reply = {"same": bool(oracle(request["first"], request["second"], *request["arguments"]))}
    except BaseException as error:  # it travels as text; the caller raises it again
        resource.setrlimit(resource.RLIMIT_AS, with_reserve)  # to be able to say that memory is used up
        reply = {"error": type(error).__name__}
    os.write(writing, json.dumps(reply).encode())
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
