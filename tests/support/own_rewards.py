"""Rewards for the tests of a reward's process, which imports this file: each misbehaves in one way.

What a reward of a group does hangs on the text of the first completion, so that one process can be shown to serve after
every fault.
"""

import asyncio
import ctypes
import math
import os
import signal
import subprocess
import sys
import time

calls = 0


def _hang(group):
    time.sleep(60)


def _killed(group):
    os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does where memory is short


def _allocate(group):
    return [float(len(bytearray(2**32)))] * len(group.completions)


def _raise(group):
    raise KeyError("own fault")


def _raise_unspeakable(group):
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError

    raise Mute


def _raise_at_length(group):
    raise ValueError("x" * 10**6)


def _close_output(group):
    print("before")
    sys.stdout.close()
    os.close(1)
    return good(group)


def _print(group):
    print('{"rewards": [9, 9]}', flush=True)
    os.write(1, b'{"rewards": [9, 9]}\n')
    return good(group)


def _write_errors(group):
    for _ in range(4):
        sys.stderr.write("x" * 2**20)
    return good(group)


def _fork(group):
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    subprocess.Popen(["sleep", "60"])
    return good(group)


def _fork_and_die(group):
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    os._exit(3)


FAULTS = {
    "hang": _hang, "killed": _killed, "allocate": _allocate, "raise": _raise, "unspeakable": _raise_unspeakable,
    "at length": _raise_at_length, "close": _close_output, "print": _print, "errors": _write_errors, "fork": _fork,
    "fork and die": _fork_and_die,
    "few": lambda group: good(group)[1:],
    "infinite": lambda group: [math.inf] * len(group.completions),
    "strings": lambda group: ["1"] * len(group.completions),
    "nothing": lambda group: None,
    "exit": lambda group: sys.exit(4),
    "recurse": lambda group: _forever(),
    "segfault": lambda group: ctypes.string_at(0),
    "pid": lambda group: [float(os.getpid())] * len(group.completions),
}  # fmt: skip


def _forever():
    return _forever()


def good(group):
    """Length of each text, in characters."""
    return [len(completion.text) for completion in group.completions]


def faulty(group):
    """Does what the first text says."""
    return FAULTS.get(group.completions[0].text, good)(group)


def scaled(group, factor, *, shift=0.0):
    return [factor * length + shift for length in good(group)]


def of_one(completion):
    return len(completion.text)


def of_one_with_problem(completion, problem, weight=1):
    return weight * len(completion.text) + problem.record["nested"][0]["deep"]


async def slow_of_one(completion):
    """Takes the same time for a group as for one completion."""
    await asyncio.sleep(0.5)
    return len(completion.text)


async def of_group(group):
    """Remembers the loop, as a connection that is kept open does."""
    global calls
    loop = asyncio.get_running_loop()
    calls = calls or loop
    return [float(calls is loop) for _ in group.completions]


def counting(group):
    global calls
    calls += 1
    return [calls] * len(group.completions)


def record_of(group):
    record = group.problem.record
    assert group.problem.turns == (("user", "hi \ud800"),) and group.problem.answers == ("2", "two")
    return [record["nested"][0]["deep"], record["nothing"], float(group.completions[1].text == "\ud83d")]


def none_for_the_second(group):
    return [None if place == 1 else 1 for place in range(len(group.completions))]


def wrong_name(samples): ...


def of_nothing(): ...


def wants_more(completion, problem, reference): ...


NOT_CALLABLE = 0.5
