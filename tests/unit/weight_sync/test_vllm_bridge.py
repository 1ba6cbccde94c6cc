"""Weight sync without an engine: ranks, the gloo transport between threads, its failures."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from vllm.distributed.weight_transfer.ipc_engine import IPCTrainerInitInfo
from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo

from seed_grpo.config import Config
from seed_grpo.errors import WeightSyncError
from seed_grpo.weight_sync import vllm_bridge
from seed_grpo.weight_sync.gloo.buckets import Staging
from seed_grpo.weight_sync.gloo.engines import GlooUpdateInfo
from seed_grpo.weight_sync.gloo.group import GlooGroup
from seed_grpo.weight_sync.gloo.stream import receive
from seed_grpo.weight_sync.transports import TRANSPORTS, TransferPlan
from seed_grpo.weight_sync.vllm_bridge import PolicySource, TransportSender
from support.sent_weights import TIMEOUT, FakeWeights, assert_same
from support.sockets import beyond_loopback, free_port, listening


@pytest.fixture(scope="module", autouse=True)
def no_rendezvous_outlives_the_tests():
    """One that was given up waits its own time out; at the interpreter's end its thread would abort the process."""
    yield
    for thread in threading.enumerate():
        if thread.name == "weight-transfer-join":
            thread.join(timeout=2 * TIMEOUT)


def make_config(**weight_sync: Any) -> Config:
    return Config.model_validate(
        {
            "run": {"directory": "unused", "steps": 1},
            "model": {"path": "unused", "dtype": "float32"},
            "data": {"source": "arithmetic"},
            "cluster": {"device": "cpu"},
            "weight_sync": {"bucket_mib": 1, "timeout": TIMEOUT, **weight_sync},
        }
    )


class FakeEngine:
    """A rollout engine of several devices, each of which joins the gloo group and keeps what it receives."""

    def __init__(self, devices: int, fails_in: str = "") -> None:
        self.devices = devices
        self.fails_in = fails_in
        self.groups: list[GlooGroup] = []
        self.received: list[dict[str, torch.Tensor]] = []
        self.calls: list[str] = []
        self.version = -1

    def connect(self, info: dict[str, Any]) -> None:
        self.bucket_bytes = info["bucket_bytes"]

        def join(device: int) -> GlooGroup:
            rank = info["rank_offset"] + device
            return GlooGroup(info["master_address"], info["master_port"], rank, info["world_size"], info["timeout"])

        with ThreadPoolExecutor() as pool:
            self.groups = list(pool.map(join, range(self.devices)))

    def start_receiving(self) -> None:
        self.received = []

    def receive(self, info: dict[str, Any]) -> None:
        buckets = GlooUpdateInfo(**info).buckets(self.bucket_bytes)

        def load(group: GlooGroup) -> dict[str, torch.Tensor]:
            received: dict[str, torch.Tensor] = {}
            receive(group, buckets, Staging(self.bucket_bytes), {}, received.update)
            return received

        with ThreadPoolExecutor() as pool:
            self.received = list(pool.map(load, self.groups))

    def finish_receiving(self, version: int) -> None:
        self.version = version


class FakeReceivers:
    """Implements `weight_sync.base.Receivers` with threads."""

    def __init__(self, *engines: FakeEngine) -> None:
        self.engines = engines
        self.names: Sequence[str] = [f"rollout-{i}" for i in range(len(engines))]
        self.world_sizes: Sequence[int] = [engine.devices for engine in engines]
        self.arguments: list[tuple[str, Sequence[tuple[Any, ...]]]] = []

    def call(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> None:
        self.arguments.append((method, arguments))
        with ThreadPoolExecutor() as pool:
            for name, engine in zip(self.names, self.engines, strict=True):
                if engine.fails_in == method:
                    raise WeightSyncError(f"{name} is dead")
            for future in [pool.submit(getattr(e, method), *a) for e, a in zip(self.engines, arguments, strict=True)]:
                future.result()


def some_tensors(seed: int, kib: int = 600) -> dict[str, torch.Tensor]:
    """Three tensors of `kib` KiB, a small one in bfloat16 between them, and an odd scalar."""
    generator = torch.Generator().manual_seed(seed)
    shape = (kib, 256)
    return {
        "a": torch.randn(shape, generator=generator),
        "norm": torch.randn(7, generator=generator).bfloat16(),
        "b": torch.randn(shape, generator=generator),
        "scalar": torch.randn((), generator=generator),
        "c": torch.randn(shape, generator=generator),
    }


@pytest.fixture
def open_sender() -> Iterator[Any]:
    senders: list[TransportSender] = []

    def opened(weights: FakeWeights, receivers: FakeReceivers, **weight_sync: Any) -> TransportSender:
        config = make_config(**weight_sync)
        senders.append(vllm_bridge.connect("gloo", 0, weights, receivers, "127.0.0.1", free_port(), config))
        return senders[-1]

    yield opened
    for sender in senders:
        sender.close()


def test_each_engine_has_its_own_ranks() -> None:
    # World: sender 0, then engines of 1, 2 and 1 devices at ranks 1, 2-3 and 4. Without the shift all would join at 1.
    receivers = FakeReceivers(FakeEngine(1), FakeEngine(2), FakeEngine(1))
    calls: list[Any] = []
    receivers.call = lambda method, arguments: calls.append((method, arguments))  # type: ignore[method-assign]
    client = TransportSender(FakeWeights({}), receivers)
    client.init_weight_transfer_engine({"rank_offset": 1, "world_size": 5})
    client.init_weight_transfer_engine({"packed": True})
    client.version = 9
    client.finish_weight_update()
    assert [info["rank_offset"] for (info,) in calls[0][1]] == [1, 2, 4]
    assert calls[1] == ("connect", [({"packed": True},)] * 3)
    assert calls[2] == ("finish_receiving", [(9,)] * 3)


def test_gpu_transports_are_packed_in_our_buckets() -> None:
    plan = TransferPlan(rank=2, world_size=4, address="10.0.0.7", port=29600, bucket_bytes=123, timeout=5.0)
    nccl, ipc = TRANSPORTS["nccl"].init_info(plan), TRANSPORTS["ipc"].init_info(plan)
    assert isinstance(nccl, NCCLTrainerInitInfo)
    assert isinstance(ipc, IPCTrainerInitInfo)
    assert (nccl.master_address, nccl.master_port, nccl.world_size, nccl.rank) == ("10.0.0.7", 29600, 4, 2)
    assert (nccl.packed, nccl.packed_buffer_size_bytes) == (True, 123)
    assert (ipc.packed, ipc.packed_buffer_size_bytes, ipc.rank) == (True, 123, 2)


def test_weights_reach_every_device_of_every_engine(open_sender: Any) -> None:
    one, two = FakeEngine(1), FakeEngine(2)
    weights = FakeWeights(some_tensors(0))
    receivers = FakeReceivers(one, two)
    sender = open_sender(weights, receivers)
    sender.send(1)
    first = dict(one.received[0])
    for received in (*one.received, *two.received):
        assert_same(received, weights.tensors)
    weights.tensors = some_tensors(1)
    sender.send(2)
    for received in (*one.received, *two.received):
        assert_same(received, weights.tensors)
    assert_same(first, some_tensors(0))  # an engine may keep what it received
    assert (one.version, two.version) == (2, 2)
    methods = ["connect", *["start_receiving", "receive", "finish_receiving"] * 2]
    assert [method for method, _ in receivers.arguments] == methods


def test_the_source_is_the_trainers_own_memory() -> None:
    weights = FakeWeights(some_tensors(0, kib=1))
    source = PolicySource(weights)
    source.begin()
    name, first = next(iter(source))
    assert torch.equal(first, weights.tensors[name])
    source.drain()
    assert weights.gathered == len(weights.tensors)
    assert not first.any()  # trained again, and no copy
    assert [meta.dtype for meta in source.metadata()] == [t.dtype for t in weights.tensors.values()]


def test_other_ranks_gather_and_send_nothing() -> None:
    weights, receivers = FakeWeights(some_tensors(0, kib=1)), FakeReceivers(FakeEngine(1))
    sender = vllm_bridge.connect("gloo", 1, weights, receivers, "127.0.0.1", 1, make_config())
    sender.send(1)
    assert weights.gathered == len(weights.tensors)
    assert receivers.arguments == []


@pytest.mark.parametrize("phase", ["start_receiving", "receive", "finish_receiving"])
def test_an_engine_that_fails_ends_the_sending_soon_and_by_name(open_sender: Any, phase: str) -> None:
    # 20 MB a tensor is more than the sockets buffer: the broadcast waits for the engine that never calls receive.
    healthy, failing = FakeEngine(1), FakeEngine(1, fails_in=phase)
    weights = FakeWeights(some_tensors(0, kib=20_000))
    sender = open_sender(weights, FakeReceivers(healthy, failing), timeout=5.0)
    started = time.monotonic()
    with pytest.raises(WeightSyncError, match=f"version 1 failed in {phase}: rollout-1 is dead"):
        sender.send(1)
    assert time.monotonic() - started < 4.0
    # Left in the middle, the trainer's other ranks would wait in the gathering of the next weight for ever.
    assert weights.gathered == len(weights.tensors)


def test_an_engine_that_cannot_join_is_named_at_once(open_sender: Any) -> None:
    started = time.monotonic()
    with pytest.raises(WeightSyncError, match="the transport failed in connect: rollout-0 is dead"):
        open_sender(FakeWeights(some_tensors(0, 1)), FakeReceivers(FakeEngine(1, "connect")), timeout=5)
    assert time.monotonic() - started < 4.0


def test_an_engine_that_never_joins_is_given_up(open_sender: Any) -> None:
    class Idle(FakeEngine):
        def connect(self, info: dict[str, Any]) -> None:
            time.sleep(2.0)

    with pytest.raises(WeightSyncError, match="join"):
        open_sender(FakeWeights(some_tensors(0, 1)), FakeReceivers(Idle(1)), timeout=1)


def test_nothing_listens_beyond_loopback(open_sender: Any) -> None:
    before = listening()
    open_sender(FakeWeights(some_tensors(0, 1)), FakeReceivers(FakeEngine(1)))
    opened = listening() - before
    assert len(opened) >= 3  # the store, and both ends of gloo
    assert beyond_loopback(opened) == set()
