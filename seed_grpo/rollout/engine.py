"""Interface of an inference engine, and what it needs to receive weights. Implementation: `vllm.engine.VllmEngine`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from seed_grpo.messages import Group, GroupTask


@dataclass(frozen=True)
class ReceivingEnd:
    """An engine's end of a weight transport, e.g. `ReceivingEnd("nccl")`; see `weight_sync.transports`."""

    backend: str
    """name under which vLLM knows the receiving class"""
    module: str = ""
    """module that registers the receiving class, imported by every process of the engine; empty where vLLM has it"""
    environment: Mapping[str, str] = field(default_factory=dict)
    """environment variables of the engine's processes"""


class RolloutEngine(Protocol):
    """One engine on one or more devices. All methods run on one event loop.

    Generation and weight updates may interleave. An update pauses generation and keeps the requests, which go on under
    the new version; `Completion.versions_T` tells which version sampled which token.
    """

    async def generate(self, task: GroupTask) -> Group:
        """Samples the G completions of a prompt, each with its own seed.

        Log-probabilities are of the distribution that each token was drawn from, softmax(logits / temperature) cut by
        top-p; those of a greedy completion are of temperature 1. A request past its deadline is aborted and returned as
        far as it came, with `FinishReason.TIMEOUT`.

        Raises:
            RolloutError: the engine is dead, or refuses the prompt.
        """
        ...

    async def score(self, token_ids_T: np.ndarray) -> np.ndarray:
        """Log-probabilities [T-1] of tokens 1..T-1 given their predecessors, under the present weights.

        They are of temperature 1.
        """
        ...

    async def pause(self) -> None:
        """Holds all requests, those that come later too."""
        ...

    async def resume(self) -> None:
        """Ends `pause`."""
        ...

    async def connect(self, init_info: dict[str, Any]) -> None:
        """Joins the transport's process group; `init_info` is what the sender made for this engine."""
        ...

    async def start_receiving(self) -> None:
        """Pauses generation and makes ready for new weights."""
        ...

    async def receive(self, update_info: dict[str, Any]) -> None:
        """Receives weights; returns when they are in the model."""
        ...

    async def finish_receiving(self, version: int) -> None:
        """Takes the received weights into use as `version` and resumes generation."""
        ...

    async def heartbeat(self) -> None:
        """Returns as soon as the engine's own process has answered.

        Raises:
            RolloutError: it is dead.
        """
        ...

    async def abort_all(self) -> None:
        """Aborts all groups that are being generated; they are returned as far as they came."""
        ...

    async def shutdown(self) -> None:
        """Ends the engine's processes."""
        ...
