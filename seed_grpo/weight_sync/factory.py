"""The table of transports, and the trainer's end of one.

Consumes the trainer's weights and the rollout engines as `Receivers`; produces a `WeightSender`. Nothing else knows
which transport is in use.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread

import torch
from vllm.distributed.weight_transfer.base import TrainerWeightTransferEngine
from vllm.distributed.weight_transfer.factory import WeightTransferTrainerFactory

from seed_grpo.config import Config
from seed_grpo.errors import WeightSyncError
from seed_grpo.rollout.vllm import plugin
from seed_grpo.train.engine import Weights
from seed_grpo.weight_sync import ipc, nccl
from seed_grpo.weight_sync.base import Receivers
from seed_grpo.weight_sync.client import EngineClient
from seed_grpo.weight_sync.gloo.engines import engines
from seed_grpo.weight_sync.source import PolicySource
from seed_grpo.weight_sync.transport import TransferPlan, Transport

TRANSPORTS: dict[str, Transport] = {"nccl": nccl.TRANSPORT, "ipc": ipc.TRANSPORT, "gloo": engines.TRANSPORT}


class TransportSender:
    """Implements `interface.WeightSender` over a vLLM trainer-side engine.

    After a `WeightSyncError` the transport is unusable: close, and make a new sender. Ranks other than 0 learn nothing
    of a failure; they return when the weights have been gathered.
    """

    def __init__(self, engine: TrainerWeightTransferEngine, client: EngineClient, source: PolicySource) -> None:
        self._engine = engine
        self._client = client
        self._source = source
        client.on_failure = engine.shutdown  # frees a broadcast that waits for the failed engine

    def send(self, version: int) -> None:
        self._client.version = version
        self._source.begin()
        try:
            self._engine.send_weights()
        except Exception as error:  # of torch, NCCL or a receiver: all of them mean that the weights did not arrive
            self._engine.shutdown()
            self._source.drain()  # the other ranks are gathering still, and this rank belongs to it
            raise _as_sync_error(error, self._client, f"weights of version {version}") from error

    def close(self) -> None:
        self._engine.shutdown()


def make_sender(
    transport: str, rank: int, weights: Weights, receivers: Receivers, address: str, port: int, config: Config
) -> TransportSender:
    """Opens the trainer's end of a transport on one rank, and on rank 0 has all receivers join.

    Args:
        transport: a key of `TRANSPORTS`.
        rank: of the trainer; only rank 0 calls the receivers.
        weights: read anew at each send.
        address: of rank 0, as the engines reach it; 127.0.0.1 where all are on one machine.
        port: free on rank 0.

    Raises:
        WeightSyncError: an engine failed, or not all joined within `weight_sync.timeout`.
    """
    plugin.register_transport()
    client, source = EngineClient(receivers), PolicySource(weights)
    limit = config.weight_sync.timeout
    largest = max(meta.dtype.itemsize * torch.Size(meta.shape).numel() for meta in source.metadata())
    plan = TransferPlan(
        rank=rank,
        world_size=1 + sum(receivers.world_sizes),
        address=address,
        port=port,
        bucket_bytes=max(config.weight_sync.bucket_mib * 2**20, largest),
        timeout=limit,
    )
    info = TRANSPORTS[transport].init_info(plan)

    def join() -> TrainerWeightTransferEngine:
        return WeightTransferTrainerFactory.trainer_init(info, client=client, source=source)

    return TransportSender(_join_within(limit, join, client), client, source)


def _join_within(
    limit: float, join: Callable[[], TrainerWeightTransferEngine], client: EngineClient
) -> TrainerWeightTransferEngine:
    """Runs a rendezvous that cannot be interrupted, and stops waiting for it when an engine fails or time is up."""
    joined: Future[TrainerWeightTransferEngine] = Future()
    device = torch.cuda.current_device() if torch.cuda.is_available() else None

    def run() -> None:
        if device is not None:
            torch.cuda.set_device(device)  # a thread starts on device 0
        try:
            joined.set_result(join())
        except Exception as error:  # handed to the waiting thread
            joined.set_exception(error)

    Thread(target=run, name="weight-transfer-join", daemon=True).start()
    deadline = time.monotonic() + limit
    while not joined.done():
        if client.failure is not None:
            raise _as_sync_error(client.failure, client, "joining the transport")
        if time.monotonic() > deadline:
            raise WeightSyncError(f"not all rollout engines joined the transport in {limit} s (weight_sync.timeout)")
        wait([joined], timeout=0.05)
    try:
        return joined.result()
    except Exception as error:
        raise _as_sync_error(error, client, "joining the transport") from error


def _as_sync_error(error: Exception, client: EngineClient, what: str) -> WeightSyncError:
    """The receivers' own error first, where there is one, since it names the worker."""
    causes = [] if client.failure is None else [client.failure]
    if not causes or not isinstance(error, WeightSyncError):  # that is the receivers' own, or a consequence of it
        causes.append(error)
    return WeightSyncError(f"{what} failed in {client.phase}: {'; '.join(map(str, causes))}")
