"""Joins vLLM's trainer-side engines to the rollout engines.

Consumes `Receivers`; produces the object with the four methods of vLLM's `VLLMWeightSyncClient`. It adds what vLLM's
client lacks: a rank of its own for each of several engines, our weight version, and the failure by name. It carries no
weights.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any

from seed_grpo.weight_sync.base import Receivers


class EngineClient:
    """Used by the sending rank only; vLLM calls `update_weights` from a thread of its own while it sends."""

    def __init__(self, receivers: Receivers) -> None:
        self._receivers = receivers
        self.version = 0
        """of the weights that are sent next"""
        self.phase = "init_weight_transfer"
        """the method of `RolloutEngine` that was called last"""
        self.failure: Exception | None = None
        """of the first call that failed"""
        self.on_failure: Callable[[], None] = lambda: None
        """called from the calling thread when an engine fails: ends a transfer that would wait for that engine"""

    def init_weight_transfer_engine(self, init_info: dict[str, Any]) -> None:
        """Engine i joins at `rank_offset` plus the devices of the engines before it; vLLM would give all the same."""
        sizes = self._receivers.world_sizes
        before = list(accumulate(sizes, initial=0))[: len(sizes)]
        if "rank_offset" in init_info:
            infos = [{**init_info, "rank_offset": init_info["rank_offset"] + offset} for offset in before]
        else:
            infos = [init_info for _ in sizes]
        self._call("init_weight_transfer", [(info,) for info in infos])

    def start_weight_update(self) -> None:
        self._call_all("start_weight_update")

    def update_weights(self, update_info: dict[str, Any] | list[dict[str, Any]]) -> None:
        self._call_all("update_weights", update_info)

    def finish_weight_update(self, weight_version: str | None = None) -> None:
        """vLLM's engines give no version; ours goes along."""
        self._call_all("finish_weight_update", self.version)

    def _call_all(self, method: str, *arguments: Any) -> None:
        self._call(method, [arguments for _ in self._receivers.names])

    def _call(self, method: str, arguments: list[tuple[Any, ...]]) -> None:
        self.phase = method
        try:
            self._receivers.call(method, arguments)
        except Exception as error:
            self.failure = self.failure or error
            self.on_failure()
            raise
