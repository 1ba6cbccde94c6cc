"""Bridge to vLLM's trainer-side engines: the sender that a trainer rank drives, and the weights as vLLM wants them.

Consumes the trainer's `Weights` and the rollout engines as `Receivers`; produces a `WeightSender`. vLLM's engine
carries the weights and calls back to reach the rollout engines. This module adds what vLLM's own client lacks: ranks of
its own for each of several engines, our weight versions, and failures that name the worker.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import accumulate
from threading import Thread
from typing import Any

import torch
from vllm.distributed.weight_transfer.base import (
    ParamMeta,
    TrainerInitInfo,
    TrainerWeightTransferEngine,
    WeightSource,
)
from vllm.distributed.weight_transfer.factory import WeightTransferTrainerFactory

from seed_grpo.config import Config
from seed_grpo.errors import WeightSyncError
from seed_grpo.weight_sync.base import Receivers, Weights
from seed_grpo.weight_sync.transports import TRANSPORTS, TransferPlan


class PolicySource(WeightSource):
    """The policy's weights as vLLM's trainer-side engines read them, one pass at a time.

    Gathering is a collective of the trainer's ranks. A pass that was begun must be ended, also when sending fails in
    the middle, or the other ranks wait for ever; `drain` ends it.
    """

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._pass: Iterator[tuple[str, torch.Tensor]] = iter(())

    def begin(self) -> None:
        """Starts a new pass; the next `iter` takes it."""
        self._pass = iter(self._weights)

    def metadata(self) -> list[ParamMeta]:
        """Describes the weights in vLLM's words; gathers nothing."""
        return [ParamMeta(name, getattr(torch, dtype), shape) for name, dtype, shape in self._weights.metadata()]

    def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
        """The present pass, each tensor in the trainer's own memory. An abandoned iteration leaves it at its place."""
        return self._pass

    def drain(self) -> None:
        """Goes through the rest of the pass, dropping the weights."""
        for _ in self._pass:
            pass


class TransportSender:
    """Sends over one of vLLM's trainer-side engines, and is the client through which that engine calls the receivers.

    Implements `base.WeightSender` and vLLM's `VLLMWeightSyncClient`. vLLM calls `update_weights` from a thread of its
    own while the broadcast runs in the caller's. A receiver that fails there would leave the broadcast waiting, so the
    failed call closes the transport, which ends the broadcast with an error; the receiver's own error is raised first.

    After a `WeightSyncError` the transport is unusable: close it, and connect anew. Ranks other than 0 learn nothing of
    a failure; they return when the weights have been gathered.
    """

    def __init__(self, weights: Weights, receivers: Receivers) -> None:
        """Opens nothing; `connect` does."""
        self._source = PolicySource(weights)
        self._receivers = receivers
        self._engine: TrainerWeightTransferEngine | None = None
        self.version = 0
        """version of the weights that are sent next"""
        self._phase = "connect"
        """method of `RolloutEngine` that was called last"""
        self._failed: Future[None] = Future()
        """future that fails with the error of the first receiver call that failed"""

    def connect(self, info: TrainerInitInfo, limit: float) -> None:
        """Opens the trainer's end while the receivers join, each called with its own init info.

        The rendezvous cannot be interrupted, so it has a thread of its own, which is left alone when a receiver fails
        or time is up.

        Args:
            limit: seconds.

        Raises:
            WeightSyncError: a receiver failed, or not all joined in time.
        """
        joined: Future[TrainerWeightTransferEngine] = Future()
        device = torch.cuda.current_device() if torch.cuda.is_available() else None

        def join() -> None:
            if device is not None:
                torch.cuda.set_device(device)  # a thread starts on device 0
            try:
                joined.set_result(WeightTransferTrainerFactory.trainer_init(info, client=self, source=self._source))
            except Exception as error:  # raised again in the waiting thread
                joined.set_exception(error)

        Thread(target=join, name="weight-transfer-join", daemon=True).start()
        first: tuple[Future[Any], ...] = (joined, self._failed)
        wait(first, limit, return_when=FIRST_COMPLETED)
        if not joined.done() and not self._failed.done():
            raise WeightSyncError(
                f"not all rollout engines joined the transport in {limit:g} s (weight_sync.timeout); raise it"
            )
        try:
            self._engine = (self._failed if self._failed.done() else joined).result()
        except Exception as error:
            raise self._sync_error(error, "joining the transport") from error

    def send(self, version: int) -> None:
        """Sends one pass over the weights; see `base.WeightSender`."""
        assert self._engine is not None, "connect() comes before send()"
        self.version = version
        self._source.begin()
        try:
            self._engine.send_weights()
        except Exception as error:  # of torch, NCCL or a receiver: with any of them the weights did not arrive
            self.close()
            self._source.drain()  # the other ranks are gathering still, and this rank belongs to it
            raise self._sync_error(error, f"weights of version {version}") from error

    def close(self) -> None:
        """Leaves the transport; what is being sent ends with an error."""
        if self._engine is not None:
            self._engine.shutdown()

    def init_weight_transfer_engine(self, init_info: dict[str, Any]) -> None:
        """Has engine i join at `rank_offset` plus the devices of the engines before it; vLLM gives all the same."""
        sizes = self._receivers.world_sizes
        before = list(accumulate(sizes, initial=0))[: len(sizes)]
        if "rank_offset" in init_info:
            infos = [{**init_info, "rank_offset": init_info["rank_offset"] + offset} for offset in before]
        else:
            infos = [init_info for _ in sizes]
        self._call("connect", [(info,) for info in infos])

    def start_weight_update(self) -> None:
        """Has the engines pause and make ready for new weights."""
        self._call_all("start_receiving")

    def update_weights(self, update_info: dict[str, Any] | list[dict[str, Any]]) -> None:
        """Has the engines receive; returns when the weights are in their models."""
        self._call_all("receive", update_info)

    def finish_weight_update(self, weight_version: str | None = None) -> None:
        """Has the engines go on under the new weights. vLLM gives no version; ours goes along."""
        self._call_all("finish_receiving", self.version)

    def _call_all(self, method: str, *arguments: Any) -> None:
        self._call(method, [arguments for _ in self._receivers.names])

    def _call(self, method: str, arguments: list[tuple[Any, ...]]) -> None:
        self._phase = method
        try:
            self._receivers.call(method, arguments)
        except Exception as error:
            if not self._failed.done():
                self._failed.set_exception(error)
            self.close()  # ends a broadcast that waits for the failed engine
            raise

    def _sync_error(self, error: Exception, what: str) -> WeightSyncError:
        """The receiver's own error first, since it names the worker."""
        failure = self._failed.exception() if self._failed.done() else None
        causes = [] if failure is None else [failure]
        if not causes or not isinstance(error, WeightSyncError):  # that is the receiver's own, or a consequence of it
            causes.append(error)
        return WeightSyncError(f"{what} failed in {self._phase}: {'; '.join(map(str, causes))}")


def connect(
    transport: str, rank: int, weights: Weights, receivers: Receivers, address: str, port: int, config: Config
) -> TransportSender:
    """Opens the trainer's end of a transport on one rank, and on rank 0 has all receivers join.

    Args:
        transport: a key of `TRANSPORTS`.
        rank: rank in the trainer; only rank 0 calls the receivers.
        weights: read anew at each send.
        address: address of rank 0 as the engines reach it; 127.0.0.1 where all are on one machine.
        port: a free port of rank 0.

    Raises:
        WeightSyncError: an engine failed, or not all joined within `weight_sync.timeout`.
    """
    plan = TransferPlan(
        rank=rank,
        world_size=1 + sum(receivers.world_sizes),
        address=address,
        port=port,
        bucket_bytes=max(config.weight_sync.bucket_mib * 2**20, *(info.num_bytes for info in weights.metadata())),
        timeout=config.weight_sync.timeout,
    )
    sender = TransportSender(weights, receivers)
    sender.connect(TRANSPORTS[transport].init_info(plan), plan.timeout)
    return sender
