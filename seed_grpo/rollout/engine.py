"""What the program asks of an inference engine. Implementations: `vllm_engine.VllmEngine`."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from seed_grpo.messages import Group, GroupTask


class RolloutEngine(Protocol):
    """One engine on one or more devices. All methods run on one event loop.

    Generation and weight updates may interleave: an update pauses generation, keeps the requests, and lets them go
    on under the new version; `Completion.versions_T` tells which version sampled which token.
    """

    async def generate(self, task: GroupTask) -> Group:
        """Samples the G completions of a prompt, each with its own seed; a request past its deadline is aborted and
        returned as far as it came, with `FinishReason.TIMEOUT`.

        Raises:
            RolloutError: the engine is dead, or refuses the prompt.
        """
        ...

    async def score(self, token_ids_T: np.ndarray) -> np.ndarray:
        """Log-probabilities [T-1] of tokens 1..T-1 given their predecessors, under the present weights."""
        ...

    async def pause(self) -> None:
        """Holds all requests; those handed in later wait."""
        ...

    async def resume(self) -> None:
        """Ends `pause`."""
        ...

    async def init_weight_transfer(self, init_info: dict[str, Any]) -> None:
        """Joins the transport's process group; `init_info` is what the transport's sender made for this engine."""
        ...

    async def start_weight_update(self) -> None:
        """Pauses generation and makes ready for new weights."""
        ...

    async def update_weights(self, update_info: dict[str, Any]) -> None:
        """Receives weights; blocks until they are in the model."""
        ...

    async def finish_weight_update(self, version: int) -> None:
        """Takes the received weights into use as `version` and resumes generation."""
        ...

    async def heartbeat(self) -> None:
        """Returns as soon as the engine's own process has answered.

        Raises:
            RolloutError: it is dead.
        """
        ...

    async def abort_all(self) -> None:
        """Gives up all groups that are being generated; they are returned as far as they came."""
        ...

    async def shutdown(self) -> None:
        """Ends the engine's processes."""
        ...
