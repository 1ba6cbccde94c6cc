"""Meeting point of the processes of a group: a store that listens on the address given, and nowhere else.

Consumes an address; produces a torch store. It knows nothing of what is sent.
"""

from __future__ import annotations

import socket
from datetime import timedelta

from torch.distributed import TCPStore


def open_store(address: str, port: int, rank: int, world_size: int, timeout: float) -> TCPStore:
    """Rank 0's store, or a connection to it. Torch's own would listen on every network of the machine.

    Args:
        timeout: seconds, for joining and for each question.

    Raises:
        torch.distributed.DistError: rank 0 was not there in time.
    """
    listener = _listen(address, port) if rank == 0 else None
    return TCPStore(
        address,
        port,
        world_size,
        is_master=rank == 0,
        timeout=timedelta(seconds=timeout),
        wait_for_workers=False,
        master_listen_fd=listener.detach() if listener else None,
    )


def _listen(address: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen()
    return listener
