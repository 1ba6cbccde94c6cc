"""Both ends of the gloo transport, from the trainer's rank 0 to every process of every rollout engine, on CPU.

`GlooTrainerEngine` sends the weights in buckets. `GlooWorkerEngine` writes them where they lie (`in_place`), or has the
model load them anew (`reload`) where vLLM has made something else of them, such as packed matrices. `stream` overlaps
buckets with packing and loading. Importing this module registers both ends with vLLM.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import ClassVar, Self

import torch
from vllm.distributed.weight_transfer.base import (
    TrainerInitInfo,
    TrainerWeightTransferEngine,
    VLLMWeightSyncClient,
    WeightSource,
    WeightTransferEngine,
    WeightTransferInitInfo,
    WeightTransferUpdateInfo,
)
from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory, WeightTransferTrainerFactory

from seed_grpo.errors import WeightSyncError
from seed_grpo.weight_sync.gloo.buckets import PARTS, Bucket, Staging, plan_buckets
from seed_grpo.weight_sync.gloo.group import GlooGroup
from seed_grpo.weight_sync.gloo.in_place import Places, find_places
from seed_grpo.weight_sync.gloo.reload import Reload
from seed_grpo.weight_sync.gloo.stream import receive, send


@dataclass
class GlooInitInfo(WeightTransferInitInfo):
    """Settings with which an engine's processes join, as ranks `rank_offset` + 0, 1, ..."""

    master_address: str
    master_port: int
    rank_offset: int
    world_size: int
    bucket_bytes: int
    timeout: float


@dataclass
class GlooUpdateInfo(WeightTransferUpdateInfo):
    """Description of the weights of one transfer, in order; both ends plan their buckets from it."""

    names: list[str]
    dtype_names: list[str]
    shapes: list[list[int]]

    def buckets(self, bucket_bytes: int) -> list[Bucket]:
        """The plan of both ends, in pieces of which `PARTS` fill one configured bucket.

        So several are on their way at a time, beside the weights that travel alone.
        """
        dtypes = [getattr(torch, name) for name in self.dtype_names]
        return plan_buckets(zip(self.names, dtypes, self.shapes, strict=True), bucket_bytes // PARTS)


class GlooWorkerEngine(WeightTransferEngine[GlooInitInfo, GlooUpdateInfo]):
    """The receiving end, one in each worker process of a rollout engine."""

    init_info_cls = GlooInitInfo
    update_info_cls = GlooUpdateInfo

    _group: GlooGroup | None = None
    _bucket_bytes = 0
    _has_searched = False
    _places: Places | None = None
    """places of the present sender's weights in the model; None where loading is more than copying"""
    _reload: Reload | None = None
    """the reload in progress, of a model without such places"""

    def init_transfer_engine(self, init_info: GlooInitInfo) -> None:
        """Joins the sender's group, leaving a former one."""
        self.shutdown()
        self._has_searched = False
        self._bucket_bytes = init_info.bucket_bytes
        self._group = GlooGroup(
            init_info.master_address,
            init_info.master_port,
            init_info.rank_offset + self.parallel_config.rank,
            init_info.world_size,
            init_info.timeout,
        )

    def start_weight_update(self) -> None:
        """Does nothing: how the weights are loaded is decided once their names are known."""

    def receive_weights(self, update_info: GlooUpdateInfo) -> None:
        """Receives all weights of a transfer, and has them in the model when it returns."""
        if self._group is None:
            raise WeightSyncError("receive before connect: this engine has not joined a sender")
        buckets, staging = update_info.buckets(self._bucket_bytes), Staging(self._bucket_bytes)
        try:
            if not self._has_searched:
                self._places = find_places(self.model, (slot for bucket in buckets for slot in bucket.slots))
                self._has_searched = True
            if self._places is not None:
                receive(self._group, buckets, staging, self._places.whole, self._places.write)
            else:
                self._reload = Reload(self.model)
                receive(self._group, buckets, staging, {}, self._reload.load)
        except Exception:
            self._group.close()  # or the sender, and the other processes, would wait for this one
            # The model is now a mixture of old, new and undefined weights, but whole layers again: the next update can
            # start, where an unfinished reload would refuse it.
            self.finish_weight_update()
            raise

    def finish_weight_update(self) -> None:
        """Ends a reload, if one was needed."""
        if self._reload is not None:
            self._reload.finish(self.model_config)
            self._reload = None

    def shutdown(self) -> None:
        """Leaves the sender's group."""
        self._group = None


@dataclass
class GlooTrainerInitInfo(TrainerInitInfo):
    """Settings with which the trainer opens its end."""

    backend: ClassVar[str] = "gloo"

    master_address: str
    master_port: int
    world_size: int
    bucket_bytes: int
    timeout: float


class GlooTrainerEngine(TrainerWeightTransferEngine[GlooTrainerInitInfo]):
    """The sending end. Rank 0 sends; the other ranks only take part in gathering the weights."""

    init_info_cls = GlooTrainerInitInfo

    _group: GlooGroup | None = None
    _bucket_bytes = 0

    @classmethod
    def trainer_init(
        cls, init_info: GlooTrainerInitInfo, *, client: VLLMWeightSyncClient, source: WeightSource | None = None
    ) -> Self:
        """Opens the group. The rollout engines join at the same time, called from a second thread."""
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
        """Sends one pass over the source, and returns when the engines have taken it into use."""
        assert self.source is not None, "connecting gives it"
        if not self.is_sender:
            for _ in self.source:  # takes part in gathering
                pass
            return
        metadata = self.source.metadata()
        update_info = GlooUpdateInfo(
            names=[meta.name for meta in metadata],
            dtype_names=[str(meta.dtype).removeprefix("torch.") for meta in metadata],
            shapes=[list(meta.shape) for meta in metadata],
        )
        self.client.start_weight_update()
        with ThreadPoolExecutor(max_workers=1) as pool:
            received = pool.submit(self.client.update_weights, asdict(update_info))
            try:
                self._broadcast(update_info.buckets(self._bucket_bytes), self.source)
            except Exception:
                self.shutdown()  # or the engines, and this rank with them, would wait for the rest
                raise
            received.result()
        self.client.finish_weight_update()

    def _broadcast(self, buckets: list[Bucket], source: WeightSource) -> None:
        assert self._group is not None, "rank 0 has joined"
        send(self._group, buckets, iter(source), Staging(self._bucket_bytes))

    def shutdown(self) -> None:
        """Closes the group; what is being sent ends with an error."""
        if self._group is not None:
            self._group.close()


WeightTransferTrainerFactory.register_engine(GlooTrainerInitInfo.backend, GlooTrainerEngine)
WeightTransferEngineFactory.register_engine(GlooTrainerInitInfo.backend, GlooWorkerEngine)
