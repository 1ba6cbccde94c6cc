"""The process of an engine, forked: what it has of its parent, and what it lets go of."""

from __future__ import annotations

import gc
import os
import socket
from multiprocessing.connection import Connection

from seed_grpo.rollout.vllm.forked_process import ForkingContext


class Garbage:
    """A cycle with a destructor, as of a process group whose threads are the parent's."""

    def __init__(self, collected: list[int]) -> None:
        self.itself = self
        self.collected = collected

    def __del__(self) -> None:
        self.collected.append(os.getpid())


def look(connection: Connection, collected: list[int], fd: int) -> None:
    gc.collect()
    try:
        os.fstat(fd)
        is_open = True
    except OSError:
        is_open = False
    connection.send((list(collected), is_open))


def test_it_closes_the_parents_sockets_and_destroys_none_of_its_garbage() -> None:
    collected: list[int] = []
    context = ForkingContext()
    read, write = context.Pipe(duplex=False)
    gc.collect()
    gc.disable()
    try:
        Garbage(collected)
        with socket.socket() as held:
            process = context.Process(target=look, args=(write, collected, held.fileno()))
            process.start()
            assert read.poll(20)
            assert read.recv() == ([], False)
            process.join(20)
        assert process.exitcode == 0
    finally:
        gc.enable()
    gc.collect()
    assert collected == [os.getpid()]  # here it is garbage like any other
