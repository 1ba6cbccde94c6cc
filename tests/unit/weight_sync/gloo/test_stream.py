"""Buckets, and the memory they take in a transfer: lent as long as anything refers to it, never more than a bucket."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, wait
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch

from seed_grpo.weight_sync.gloo.buckets import PARTS, Staging, pack, plan_buckets, unpack
from seed_grpo.weight_sync.gloo.engines import GlooInitInfo, GlooUpdateInfo, GlooWorkerEngine
from seed_grpo.weight_sync.gloo.group import GlooGroup
from seed_grpo.weight_sync.gloo.in_place import find_places
from seed_grpo.weight_sync.gloo.stream import receive, send
from support.sent_weights import TIMEOUT, FakeWeights, assert_same
from support.sockets import free_port


def test_buckets_by_hand() -> None:
    # float32 (3,) is 12 bytes, at 0; bfloat16 (5,) is 10 bytes and starts at the next multiple of 16, ending at 26;
    # float32 (2, 2) would start at 32 and end at 48 > 40, so it opens the second bucket, of 16 bytes; (20,) float32 is
    # 80 bytes, larger than a bucket, and goes alone. Without alignment the bfloat16 tensor would start at 12.
    weights = [
        ("a", torch.float32, (3,)),
        ("b", torch.bfloat16, (5,)),
        ("c", torch.float32, (2, 2)),
        ("d", torch.float32, (20,)),
        ("e", torch.float32, ()),
    ]
    buckets = list(plan_buckets(weights, 40))
    layout = [[(slot.name, slot.start, slot.stop) for slot in bucket.slots] for bucket in buckets]
    assert layout == [[("a", 0, 12), ("b", 16, 26)], [("c", 0, 16)], [("d", 0, 80)], [("e", 0, 4)]]
    assert [bucket.num_bytes for bucket in buckets] == [26, 16, 80, 4]


def test_a_large_weight_has_a_bucket_of_its_own() -> None:
    # 2^18 float32 are 2^20 bytes, from which on a weight travels alone; one number less travels with its neighbours.
    sizes = {"a": 8, "b": 2**18, "c": 2**18 - 1, "d": 8, "e": 2**18, "f": 2**18}
    buckets = plan_buckets([(name, torch.float32, (size,)) for name, size in sizes.items()], 2**24)
    layout = [[slot.name for slot in bucket.slots] for bucket in buckets]
    assert layout == [["a"], ["b"], ["c", "d"], ["e"], ["f"]]


def test_packing_and_unpacking_gives_the_weights_back() -> None:
    tensors = {"a": torch.arange(3.0), "b": torch.arange(5).bfloat16(), "c": torch.arange(12.0).view(4, 3).T}
    (bucket,) = plan_buckets([(n, t.dtype, t.shape) for n, t in tensors.items()], 1000)
    buffer = torch.empty(bucket.num_bytes, dtype=torch.uint8)
    pack(bucket, iter(tensors.items()), buffer)
    assert_same(dict(unpack(bucket, buffer)), tensors)


def test_weights_that_differ_from_their_metadata_are_refused() -> None:
    (bucket,) = plan_buckets([("a", torch.float32, (2,)), ("b", torch.float32, (2,))], 1000)
    with pytest.raises(ValueError, match=r"b torch.float32 \(2,\) was declared, c torch.float32 \(2,\) came"):
        pack(bucket, iter([("a", torch.zeros(2)), ("c", torch.zeros(2))]), torch.empty(24, dtype=torch.uint8))


def test_memory_is_lent_again_only_when_nothing_refers_to_it() -> None:
    # Limit 4 pages in 4 parts: four buffers, and no fifth. A view of a view keeps its buffer, as a weight that the
    # layerwise reload keeps does; lent again all the same, the weight would change under the layer.
    staging = Staging(PARTS * 4096)
    buffers = [staging.take(4096) for _ in range(PARTS)]
    assert staging.take(1) is None
    first = buffers.pop(0)
    assert first is not None
    kept, address = first[16:64].view(torch.float32).narrow(0, 2, 3), first.data_ptr()
    del first
    assert staging.take(1) is None
    kept.fill_(7.0)
    beyond = staging.take(4096, beyond=True)
    assert beyond is not None
    beyond.zero_()
    assert kept.tolist() == [7.0, 7.0, 7.0]
    assert staging.num_bytes == (PARTS + 1) * 4096
    del kept
    again = staging.take(100)
    assert again is not None
    assert again.data_ptr() == address  # used again, not allocated
    assert len(again) == 100


def test_a_buffer_of_the_whole_limit_replaces_the_free_ones() -> None:
    staging = Staging(PARTS * 4096)
    buffers = [staging.take(4096) for _ in range(PARTS)]
    assert staging.take(PARTS * 4096) is None
    buffers.clear()
    assert staging.take(PARTS * 4096) is not None
    assert staging.num_bytes == PARTS * 4096


class CountedStaging(Staging):
    """Knows the most that it ever held, and what was asked of it."""

    peak = 0

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.taken: list[int] = []

    def take(self, num_bytes: int, beyond: bool = False) -> torch.Tensor | None:
        buffer = super().take(num_bytes, beyond)
        if buffer is not None:
            self.taken.append(num_bytes)
        self.peak = max(self.peak, self.num_bytes)
        return buffer


class Layers:
    """Keeps weights without copying them until a layer of three is whole, as vLLM's layerwise reload does; "large" is a
    layer of its own, as embeddings are."""

    def __init__(self) -> None:
        self.kept: dict[str, torch.Tensor] = {}
        self.loaded: dict[str, torch.Tensor] = {}

    def load(self, weights: list[tuple[str, torch.Tensor]]) -> None:
        for name, weight in weights:
            self.kept[name] = weight
            if len(self.kept) == 3 or name == "large":
                self.loaded |= {name: kept.clone() for name, kept in self.kept.items()}
                self.kept.clear()


class Groups(NamedTuple):
    sending: GlooGroup
    receiving: GlooGroup


@pytest.fixture
def groups() -> Groups:
    port = free_port()
    with ThreadPoolExecutor() as pool:
        joining = pool.submit(GlooGroup, "127.0.0.1", port, 1, 2, TIMEOUT)
        return Groups(GlooGroup("127.0.0.1", port, 0, 2, TIMEOUT), joining.result())


def test_neither_end_holds_more_than_a_bucket_and_no_kept_weight_changes(groups: Groups) -> None:
    # 64 KiB a bucket, pieces of 16: layers of three weights of 4 to 9 KiB straddle the pieces, and "large" of 60 KiB
    # fills most of the bucket alone.
    generator = torch.Generator().manual_seed(0)
    limit = 64 * 1024
    tensors = {f"{i}": torch.randn(1000 + 100 * (i % 13), generator=generator) for i in range(60)}
    tensors["large"] = torch.randn((120, 128), generator=generator)
    buckets = list(plan_buckets([(n, t.dtype, t.shape) for n, t in tensors.items()], limit // PARTS))
    assert any(len(bucket.slots) > 1 for bucket in buckets)
    outgoing, incoming, layers = CountedStaging(limit), CountedStaging(limit), Layers()
    with ThreadPoolExecutor() as pool:
        sent = pool.submit(send, groups.sending, buckets, iter(FakeWeights(tensors)), outgoing)
        receive(groups.receiving, buckets, incoming, {}, layers.load)
        sent.result()
    assert_same(layers.loaded, tensors)
    assert 0 < outgoing.peak <= limit
    assert 0 < incoming.peak <= limit


def test_a_large_weight_is_sent_from_and_received_where_it_lies(groups: Groups) -> None:
    # The small ones travel together, of 20 and 24 bytes, the second from byte 32 on. "other" is as large as "large",
    # but has no place at the receiving end; "turned" does not lie as it is sent.
    sizes = {"small": 5, "placed": 6, "large": 2**18, "other": 2**18}
    tensors = {name: torch.randn(size) for name, size in sizes.items()} | {"turned": torch.randn(2**9, 2**9).T}
    buckets = list(plan_buckets([(n, t.dtype, t.shape) for n, t in tensors.items()], 2**20))
    places = {"large": torch.zeros(2**18), "placed": torch.zeros(6), "turned": torch.zeros(2**9, 2**9)}
    outgoing, incoming = CountedStaging(2**22), CountedStaging(2**22)
    handed: dict[str, torch.Tensor] = {}
    with ThreadPoolExecutor() as pool:
        sent = pool.submit(send, groups.sending, buckets, iter(FakeWeights(tensors)), outgoing)
        receive(groups.receiving, buckets, incoming, places, handed.update)
        sent.result()
    for name in ("large", "turned"):
        assert torch.equal(places[name], tensors.pop(name))
    assert_same(handed, tensors)
    assert not places["placed"].any()  # that is left to whom it was handed over
    assert outgoing.taken == [56, 2**20]
    assert incoming.taken == [56, 2**20]


def test_sending_ends_when_the_last_byte_has_left(groups: Groups) -> None:
    # 32 MiB are more than the connection buffers: the first waits for the receiver, the second for the first, and no
    # third is asked for, which ZeRO-3 would gather. All are spoilt as soon as sending ends, as training would.
    tensors = {f"{number}": torch.randn(2**23) for number in range(4)}
    buckets = list(plan_buckets([(name, torch.float32, (2**23,)) for name in tensors], 2**20))
    places = {name: torch.zeros(2**23) for name in tensors}
    weights = FakeWeights(tensors)
    with ThreadPoolExecutor() as pool:
        sent = pool.submit(send, groups.sending, buckets, iter(weights), Staging(2**20))
        while weights.gathered < 2 and not sent.done():
            time.sleep(0.01)
        assert not wait([sent], timeout=0.3).done
        assert weights.gathered == 2
        receive(groups.receiving, buckets, Staging(2**20), places, lambda _: None)
        sent.result()
    assert_same(places, tensors)


class Large(torch.nn.Module):
    """A model of one weight, "large", which may not be able to load it."""

    def __init__(self, breaks: bool) -> None:
        super().__init__()
        self.large = torch.nn.Parameter(torch.zeros(2**23), requires_grad=False)
        self.breaks = breaks

    def load_weights(self, weights: list[tuple[str, torch.Tensor]]) -> None:
        if self.breaks:
            raise MemoryError
        self.large.copy_(dict(weights)["large"])


def test_a_process_that_fails_frees_the_sender_and_the_other_processes() -> None:
    port = free_port()

    def join(rank: int) -> GlooWorkerEngine:
        vllm_config: Any = SimpleNamespace(parallel_config=SimpleNamespace(rank=rank), model_config=None)
        config: Any = None
        engine = GlooWorkerEngine(config, vllm_config, torch.device("cpu"), Large(breaks=rank == 0))
        engine.init_transfer_engine(GlooInitInfo("127.0.0.1", port, 1, 3, 2**20, TIMEOUT))
        return engine

    update = GlooUpdateInfo(["large"], ["float32"], [[2**23]])
    slots = [slot for bucket in update.buckets(2**20) for slot in bucket.slots]
    find_places(Large(breaks=False), slots)  # loads vLLM's layers, for seconds in which one process would be late
    with ThreadPoolExecutor() as pool:
        joining = [pool.submit(join, rank) for rank in range(2)]
        sending = GlooGroup("127.0.0.1", port, 0, 3, TIMEOUT)
        started = time.monotonic()
        receiving = [pool.submit(each.result().receive_weights, update) for each in joining]
        with pytest.raises(RuntimeError):
            send(sending, update.buckets(2**20), iter([("large", torch.ones(2**23))]), Staging(2**20))
        sending.close()  # as `GlooTrainerEngine` does
        errors = [each.exception() for each in receiving]  # the other may have had all of it, or fail
        assert time.monotonic() - started < TIMEOUT / 2
    assert isinstance(errors[0], MemoryError)
