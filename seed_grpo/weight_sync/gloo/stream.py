"""Two ends of a stream of buckets: packing, broadcasting and loading at the same time, within one `Staging` each.

Consumes buckets in the order of `plan_buckets`, the same at both ends. Moves the weights from the sender's tensors to
their places at the receiver, or to its `load`. A weight that travels alone needs no buffer at an end where it lies in
one piece.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

import torch
from torch.distributed import Work

from seed_grpo.errors import WeightSyncError
from seed_grpo.weight_sync.gloo.buckets import ALONE, Bucket, Staging, as_bytes, pack, take, unpack
from seed_grpo.weight_sync.gloo.group import CLOSED, GlooGroup

LOOK = timedelta(seconds=0.05)
"""time between two looks whether the group was closed"""
AHEAD = 2
"""broadcasts begun at a time: one is on its way, and the next is there when it ends"""
RELEASE_SECONDS, RELEASE_POLLS = 0.0001, 25
"""time between two looks whether gloo's thread has released a buffer, and their number at most"""


def send(
    group: GlooGroup,
    buckets: Iterable[Bucket],
    tensors: Iterator[tuple[str, torch.Tensor]],
    staging: Staging,
) -> None:
    """Broadcasts the weights, and returns when the last byte has left.

    Args:
        staging: memory for at least the largest bucket.

    Raises:
        WeightSyncError: the group was closed while broadcasts still waited for an engine.
        ValueError: the tensors are not those of the buckets.
        RuntimeError: an engine is gone, or took nothing within the group's timeout.
    """
    sending: deque[Work] = deque()
    try:
        for bucket in buckets:
            sending.append(group.broadcast(_content(bucket, tensors, staging, group, sending)))
            _finish(sending, group, leave=AHEAD - 1)
        _finish(sending, group)
    except Exception:
        sending.clear()  # the error refers to all that is here, and what is on its way would keep the group open
        raise
    if next(tensors, None) is not None:
        raise ValueError("the weights differ from their metadata: more came than the buckets hold")


def _content(
    bucket: Bucket,
    tensors: Iterator[tuple[str, torch.Tensor]],
    staging: Staging,
    group: GlooGroup,
    sending: deque[Work],
) -> torch.Tensor:
    """The bytes of a bucket: a large weight where it lies, all others copied into a buffer."""
    if len(bucket.slots) == 1 and bucket.num_bytes >= ALONE:
        tensor = take(bucket.slots[0], tensors)
        if tensor.is_cpu and tensor.is_contiguous():
            return as_bytes(tensor)
        tensors = iter([(bucket.slots[0].name, tensor)])
    while (buffer := staging.take(bucket.num_bytes)) is None:
        _finish(sending, group)
        time.sleep(RELEASE_SECONDS)
    pack(bucket, tensors, buffer)
    return buffer


def _finish(sending: deque[Work], group: GlooGroup, leave: int = 0) -> None:
    """Waits for the oldest broadcasts until only `leave` are left; raises as soon as the group is closed."""
    while len(sending) > leave:
        while not sending[0].is_completed():
            if group.is_closed:
                raise WeightSyncError(CLOSED)
            with suppress(RuntimeError):  # not done yet; any other error comes again once it is
                sending[0].wait(LOOK)
        sending.popleft().wait()


def receive(
    group: GlooGroup,
    buckets: Iterable[Bucket],
    staging: Staging,
    places: Mapping[str, torch.Tensor],
    load: Callable[[list[tuple[str, torch.Tensor]]], object],
) -> None:
    """Receives weights, in their places where they travel alone and have one; passes all others to `load`.

    The next buckets are on their way while one is loaded.

    Args:
        places: contiguous tensors of the weights' own dtype and shape.
        load: takes weights, which stay valid, and their memory in use, as long as anything refers to them. Where that
            leaves no room, one bucket at a time is received beyond the limit.

    Raises:
        RuntimeError: rank 0 is gone, or sent nothing within the group's timeout.
    """
    outstanding = deque(buckets)
    coming: deque[_Coming] = deque()
    try:
        while outstanding or coming:
            while outstanding and len(coming) < AHEAD:
                begun = _begin(group, outstanding[0], staging, places, alone=not coming)
                if begun is None:
                    break
                coming.append(begun)
                outstanding.popleft()
            begun = None  # what is referred to stays in use
            _load_first(coming, load)
    except Exception:
        for each in coming:  # they may still write where the weights lie
            with suppress(RuntimeError):
                each.work.wait()
        raise


class _Coming(NamedTuple):
    """A bucket on its way."""

    work: Work
    weights: list[tuple[str, torch.Tensor]] | None
    """views of a buffer; None for a weight that is received in its place"""


def _begin(
    group: GlooGroup, bucket: Bucket, staging: Staging, places: Mapping[str, torch.Tensor], alone: bool
) -> _Coming | None:
    """Begins to receive a bucket, unless there is no room for it."""
    if len(bucket.slots) == 1 and (place := places.get(bucket.slots[0].name)) is not None:
        return _Coming(group.broadcast(as_bytes(place)), None)
    if (buffer := _room(staging, bucket.num_bytes, alone)) is None:
        return None
    return _Coming(group.broadcast(buffer), unpack(bucket, buffer))


def _room(staging: Staging, num_bytes: int, alone: bool) -> torch.Tensor | None:
    """A buffer, if need be beyond the limit where nothing else is on its way.

    Not beyond it at once: gloo's thread releases a buffer a moment after its broadcast has ended.
    """
    for _ in range(RELEASE_POLLS):
        if (buffer := staging.take(num_bytes)) is not None or not alone:
            return buffer
        time.sleep(RELEASE_SECONDS)
    return staging.take(num_bytes, beyond=True)


def _load_first(coming: deque[_Coming], load: Callable[[list[tuple[str, torch.Tensor]]], object]) -> None:
    """Loads the oldest bucket; a function of its own, so that its caller keeps no reference to the loaded weights."""
    coming[0].work.wait()
    weights = coming.popleft().weights
    if weights is not None:
        load(weights)
