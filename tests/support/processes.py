"""Processes, looked at from outside, through /proc."""

from __future__ import annotations

import os
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Running; a zombie whose parent is init's stand-in of a container is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children_of(pid: int) -> set[int]:
    """Processes that this one started, by any of its threads; zombies too."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return {int(child) for thread in threads for child in (thread / "children").read_text().split()}


def bounded_workers() -> set[int]:
    """Bounded processes of the judge's that this process has at work."""
    return {
        child
        for child in children_of(os.getpid())
        if is_alive(child) and b"verify.isolation.bounded_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    }


def close_input_of(pid: int) -> None:
    """Ends what a child reads, as the end of its owner would: our end of its pipe is exchanged for another file."""
    pipe, ours = os.readlink(f"/proc/{pid}/fd/0"), "/proc/self/fd"
    null = os.open(os.devnull, os.O_WRONLY)
    for number in [int(each) for each in os.listdir(ours) if os.path.lexists(f"{ours}/{each}")]:
        if os.readlink(f"{ours}/{number}") == pipe:
            os.dup2(null, number)
    os.close(null)
