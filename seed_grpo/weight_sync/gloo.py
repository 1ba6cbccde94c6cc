"""Weights over gloo, from the trainer's rank 0 to every process of every rollout engine, on CPU.

Defines both ends for vLLM: `GlooTrainerEngine` packs the weights into buckets and broadcasts them, `GlooWorkerEngine`
receives a bucket and hands it to the model's layerwise reload. The CPU engine packs its matrices after loading, so a
bare `load_weights` would not do. Nothing listens but on the address that was given and, for an engine, on the address
of its route to the sender: on one machine all of it is loopback.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from threading import Thread
from typing import Any, ClassVar, Self

import torch
from torch.distributed import BroadcastOptions, ProcessGroupGloo, TCPStore
from vllm.distributed.weight_transfer.base import (
    TrainerInitInfo,
    TrainerWeightTransferEngine,
    VLLMWeightSyncClient,
    WeightSource,
    WeightTransferEngine,
    WeightTransferInitInfo,
    WeightTransferUpdateInfo,
)

from seed_grpo.errors import WeightSyncError
from seed_grpo.weight_sync.buckets import Bucket, pack, plan_buckets, unpack
from seed_grpo.weight_sync.transport import TransferPlan, Transport

POLL_SECONDS = 0.0005
ENDED = "the transfer was ended, since an engine failed or the sender is closed"


class GlooGroup:
    """A gloo process group outside torch.distributed's global state. Dropping the last reference closes it."""

    def __init__(self, address: str, port: int, rank: int, world_size: int, timeout: float) -> None:
        """Blocks until all ranks have joined.

        Args:
            address: where rank 0 listens.
            rank: 0 is the sender.
            timeout: seconds for joining, and for each broadcast.

        Raises:
            torch.distributed.DistError: not all ranks joined in time.
        """
        limit = timedelta(seconds=timeout)
        listener = _listen(address, port) if rank == 0 else None
        own_address = address if rank == 0 else _address_towards(address, port)
        self._store = TCPStore(
            address,
            port,
            world_size,
            is_master=rank == 0,
            timeout=limit,
            wait_for_workers=False,
            master_listen_fd=listener.detach() if listener else None,
        )
        gloo: Any = ProcessGroupGloo  # the type stubs know neither its options nor its collectives
        options = gloo._Options()
        options._timeout = limit
        options._devices = [gloo.create_device(hostname=own_address)]
        self._group = gloo(self._store, rank, world_size, options)

    def broadcast(self, buffer: torch.Tensor) -> torch.distributed.Work:
        """Starts sending the buffer [bytes, uint8] of rank 0 into those of the other ranks."""
        options = BroadcastOptions()
        options.rootRank, options.rootTensor = 0, 0
        return self._group.broadcast([buffer], options)


def _listen(address: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen()
    return listener


def _address_towards(address: str, port: int) -> str:
    """This machine's own address on the route to another; connecting a datagram socket sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((address, port))
        return probe.getsockname()[0]


@dataclass
class GlooInitInfo(WeightTransferInitInfo):
    """How an engine's processes join; their ranks are `rank_offset` + 0, 1, ..."""

    master_address: str
    master_port: int
    rank_offset: int
    world_size: int
    bucket_bytes: int
    timeout: float


@dataclass
class GlooUpdateInfo(WeightTransferUpdateInfo):
    """The weights of one transfer, in order; both ends plan their buckets from it."""

    names: list[str]
    dtype_names: list[str]
    shapes: list[list[int]]

    def buckets(self, bucket_bytes: int) -> list[Bucket]:
        """The plan."""
        dtypes = [getattr(torch, name) for name in self.dtype_names]
        return list(plan_buckets(zip(self.names, dtypes, self.shapes, strict=True), bucket_bytes))


def receive(group: GlooGroup, buckets: list[Bucket]) -> Iterator[list[tuple[str, torch.Tensor]]]:
    """The weights, bucket by bucket, in the order in which rank 0 sends them. They stay valid, each bucket in a buffer
    of its own: the layerwise reload keeps weights until their layer is complete.

    Raises:
        RuntimeError: rank 0 is gone, or sent nothing in the group's timeout.
    """
    for bucket in buckets:
        buffer = torch.empty(bucket.num_bytes, dtype=torch.uint8)
        group.broadcast(buffer).wait()
        yield unpack(bucket, buffer)


class GlooWorkerEngine(WeightTransferEngine[GlooInitInfo, GlooUpdateInfo]):
    """The receiving end, one in each worker process of a rollout engine."""

    init_info_cls = GlooInitInfo
    update_info_cls = GlooUpdateInfo

    _group: GlooGroup | None = None
    _bucket_bytes = 0

    def init_transfer_engine(self, init_info: GlooInitInfo) -> None:
        """Joins the sender's group, leaving a former one."""
        self.shutdown()
        self._bucket_bytes = init_info.bucket_bytes
        self._group = GlooGroup(
            init_info.master_address,
            init_info.master_port,
            init_info.rank_offset + self.parallel_config.rank,
            init_info.world_size,
            init_info.timeout,
        )

    def start_weight_update(self) -> None:
        # Imported here, since the trainer loads this module too and has no use for vLLM's models.
        from vllm.model_executor.model_loader.reload import initialize_layerwise_reload

        initialize_layerwise_reload(self.model)

    def receive_weights(self, update_info: GlooUpdateInfo) -> None:
        if self._group is None:
            raise WeightSyncError("update_weights before init_weight_transfer: this engine has not joined a sender")
        load_weights: Any = self.model.load_weights
        try:
            for weights in receive(self._group, update_info.buckets(self._bucket_bytes)):
                load_weights(weights)
        except Exception:
            # The model is now a mixture of old, new and undefined weights, but whole layers again: the next update can
            # start, where an unfinished reload would refuse it.
            self.finish_weight_update()
            raise

    def finish_weight_update(self) -> None:
        from vllm.model_executor.model_loader.reload import finalize_layerwise_reload

        finalize_layerwise_reload(self.model, self.model_config)

    def shutdown(self) -> None:
        self._group = None


@dataclass
class GlooTrainerInitInfo(TrainerInitInfo):
    """How the trainer opens its end."""

    backend: ClassVar[str] = "gloo"

    master_address: str
    master_port: int
    world_size: int
    bucket_bytes: int
    timeout: float


class GlooTrainerEngine(TrainerWeightTransferEngine[GlooTrainerInitInfo]):
    """The sending end. Rank 0 sends; the other ranks only take part in gathering the weights."""

    init_info_cls = GlooTrainerInitInfo

    source: WeightSource
    _group: GlooGroup | None = None
    _bucket_bytes = 0

    @classmethod
    def trainer_init(
        cls, init_info: GlooTrainerInitInfo, *, client: VLLMWeightSyncClient, source: WeightSource | None = None
    ) -> Self:
        """Opens the group; the rollout engines join at the same time, called from a second thread."""
        engine = cls(client=client, source=source, is_sender=init_info.is_sender)
        engine._bucket_bytes = init_info.bucket_bytes
        if not engine.is_sender:
            return engine
        address, port, world_size = init_info.master_address, init_info.master_port, init_info.world_size
        worker_info = GlooInitInfo(address, port, 1, world_size, init_info.bucket_bytes, init_info.timeout)
        with ThreadPoolExecutor(max_workers=1) as pool:
            joined = pool.submit(client.init_weight_transfer_engine, asdict(worker_info))
            engine._group = GlooGroup(address, port, 0, world_size, init_info.timeout)
            joined.result()
        return engine

    def send_weights(self) -> None:
        metadata = self.source.metadata()
        if not self.is_sender:
            for _ in self.source:
                pass
            return
        update_info = GlooUpdateInfo(
            names=[meta.name for meta in metadata],
            dtype_names=[str(meta.dtype).removeprefix("torch.") for meta in metadata],
            shapes=[list(meta.shape) for meta in metadata],
        )
        self.client.start_weight_update()
        with ThreadPoolExecutor(max_workers=1) as pool:
            received = pool.submit(self.client.update_weights, asdict(update_info))
            self._broadcast(update_info.buckets(self._bucket_bytes))
            received.result()
        self.client.finish_weight_update()

    def _broadcast(self, buckets: list[Bucket]) -> None:
        tensors = iter(self.source)
        for bucket in buckets:
            buffer, group = pack(bucket, tensors), self._group
            if group is None:
                raise WeightSyncError(ENDED)
            work = group.broadcast(buffer)
            while not work.is_completed():  # `wait` alone would not notice that an engine failed
                if self._group is None:
                    # Closing a group waits for what it is about, so the waiting is left to a thread of its own.
                    Thread(target=_wait_out, args=(work, group), daemon=True).start()
                    raise WeightSyncError(ENDED)
                time.sleep(POLL_SECONDS)
            work.wait()
        if next(tensors, None) is not None:
            raise ValueError(f"the weights differ from their metadata: more came than the {len(buckets)} buckets hold")

    def shutdown(self) -> None:
        self._group = None


def _wait_out(work: torch.distributed.Work, group: GlooGroup) -> None:
    with suppress(RuntimeError):  # it failed already; this is only the end of it
        work.wait()


def _init_info(plan: TransferPlan) -> GlooTrainerInitInfo:
    return GlooTrainerInitInfo(
        plan.address, plan.port, plan.world_size, plan.bucket_bytes, plan.timeout, rank=plan.rank
    )


TRANSPORT = Transport(_init_info)
