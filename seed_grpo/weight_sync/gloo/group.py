"""Process group of one transport: gloo on CPU, apart from torch.distributed's global one.

Consumes an address and a rank; moves byte buffers. It knows nothing of weights. It listens on the address that was
given and, in an engine, on the address of its route to the sender. On one machine all of that is loopback.
"""

from __future__ import annotations

import socket
from datetime import timedelta
from threading import Thread
from typing import Any

import torch
from torch.distributed import BroadcastOptions, ProcessGroupGloo

from seed_grpo.errors import WeightSyncError
from seed_grpo.rendezvous import open_store

CLOSED = "the transfer was ended, since an engine failed or the sender is closed"


class GlooGroup:
    """A gloo process group outside torch.distributed's global state, open until `close` or its last reference ends."""

    def __init__(self, address: str, port: int, rank: int, world_size: int, timeout: float) -> None:
        """Blocks until all ranks have joined.

        Args:
            address: address that rank 0 listens on.
            rank: 0 for the sender.
            timeout: seconds for joining, and for each broadcast.

        Raises:
            torch.distributed.DistError: not all ranks joined in time.
        """
        limit = timedelta(seconds=timeout)
        own_address = address if rank == 0 else _address_towards(address, port)
        self._store = open_store(address, port, rank, world_size, timeout)
        gloo: Any = ProcessGroupGloo  # the type stubs know neither its options nor its collectives
        options = gloo._Options()
        options._timeout = limit
        options._devices = [gloo.create_device(hostname=own_address)]
        options._threads = 1  # one broadcast after another: two at a time share a connection, and take longer
        self._group: Any = gloo(self._store, rank, world_size, options)

    @property
    def is_closed(self) -> bool:
        """True once `close` was called."""
        return self._group is None

    def broadcast(self, buffer: torch.Tensor) -> torch.distributed.Work:
        """Starts sending the buffer [bytes, uint8] of rank 0 into those of the other ranks.

        Raises:
            WeightSyncError: the group is closed.
        """
        options = BroadcastOptions()
        options.rootRank, options.rootTensor = 0, 0
        group = self._group
        if group is None:
            raise WeightSyncError(CLOSED)
        return group.broadcast([buffer], options)

    def close(self) -> None:
        """Leaves the group at once. Deleting torch's group would wait for its broadcasts, so a thread does that."""
        leaving, self._group = [self._group], None
        Thread(target=leaving.clear, daemon=True).start()


def _address_towards(address: str, port: int) -> str:
    """This machine's own address on the route to another; connecting a datagram socket sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((address, port))
        return probe.getsockname()[0]
