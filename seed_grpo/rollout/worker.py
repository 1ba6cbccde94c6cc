"""Rollout worker: a plain class around one engine, wrapped as a Ray actor by the runtime.

The engine's module is imported when the worker starts, in its own process: nobody else pays for vLLM.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from seed_grpo.config import Config
from seed_grpo.messages import Group, GroupTask
from seed_grpo.rollout.engine import ReceivingEnd, RolloutEngine


class RolloutWorker:
    """One engine. Calls run at once, on one event loop."""

    def __init__(self, config: Config, name: str, receiving: ReceivingEnd) -> None:
        """Starts nothing.

        Args:
            name: name of this worker in groups and errors.
            receiving: the engine's end of the weight transport.
        """
        self._config = config
        self._name = name
        self._receiving = receiving
        self._engine: RolloutEngine

    async def start(self) -> None:
        """Loads the model.

        Raises:
            RolloutError: the engine does not come up.
        """
        with kept_from_collector():
            from seed_grpo.rollout.vllm.engine import VllmEngine

            engine = VllmEngine(self._config, self._name, self._receiving)
            await engine.start()
        self._engine = engine

    async def generate(self, task: GroupTask) -> tuple[tuple[float], Group]:
        """Samples a group; raises as `RolloutEngine.generate`.

        Returns:
            the seconds it took, and the group. These are two results, so that the large one can stay in the object
            store, and a failure shows in the small one.
        """
        group = await self._engine.generate(task)
        return (group.seconds,), group

    async def call(self, method: str, *arguments: Any) -> Any:
        """Calls a method of `RolloutEngine` by name."""
        return await getattr(self._engine, method)(*arguments)


@contextmanager
def kept_from_collector() -> Iterator[None]:
    """Keeps objects made inside, and still in use, out of the garbage collector for good.

    Else Python goes through all of vLLM's objects every few hundred completions, for half a second in which no token
    gets out of the engine.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()
