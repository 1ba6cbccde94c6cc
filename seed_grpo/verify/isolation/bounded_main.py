"""The worker process behind `seed_grpo.verify.isolation.bounded`.

Usage: `python -m seed_grpo.verify.isolation.bounded_main FUNCTION MEMORY_MIB`.

Reads one JSON line a call from its standard input, forks a child that makes it, writes one line a reply to its standard
output, ends with its input. The function's own prints go to standard error.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

from seed_grpo.errors import ConfigError
from seed_grpo.extensions import load

RESERVE = 16 * 2**20
"""bytes above the bound on memory, for the reply"""
SAID_CHARS = 300
"""characters of an error's own words, which may quote what a model wrote"""


def serve(path: str, memory_mib: int) -> None:
    """Answers requests until the input closes."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's to handle
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    try:
        function = load(path)
    except ConfigError as error:  # the owner says so
        print(json.dumps({"said": str(error)}), file=replies, flush=True)
        return
    gc.freeze()  # children share the libraries' pages
    print(json.dumps({}), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(_in_child(function, json.loads(line), memory_mib, replies.fileno())), file=replies, flush=True)


def _in_child(function: Callable[..., Any], request: dict, memory_mib: int, replies: int) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.close(replies)  # so that the owner sees at once when the worker is killed
        _call(function, request, memory_mib, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        signalled = os.WTERMSIG(status)
        return {"error": "timeout" if signalled == signal.SIGALRM else f"signal {signalled}"}
    return json.loads(answer) if answer else {"error": f"exit status {os.waitstatus_to_exitcode(status)}"}


def _call(function: Callable[..., Any], request: dict, memory_mib: int, writing: int) -> None:
    """Makes one call in the child, which then ends whatever happened."""
    signal.setitimer(signal.ITIMER_REAL, request["seconds"])
    most = memory_mib * 2**20
    bound, with_reserve = (most, most + RESERVE), (most + RESERVE,) * 2
    resource.setrlimit(resource.RLIMIT_AS, bound)
    try:
        reply = json.dumps({"value": function(*request["arguments"])})
    except BaseException as error:  # it travels as text; the caller raises it again
        resource.setrlimit(resource.RLIMIT_AS, with_reserve)  # to be able to say that memory is used up
        reply = json.dumps({"error": type(error).__name__, "said": _said(error)})
    os.write(writing, reply.encode())
    os._exit(0)


def _said(error: BaseException) -> str:
    """The error's own words and its place, without the calls that led there."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None or isinstance(error, MemoryError):
        return ""
    return f"{str(error)[:SAID_CHARS]} ({os.path.basename(last.tb_frame.f_code.co_filename)}, line {last.tb_lineno})"


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
