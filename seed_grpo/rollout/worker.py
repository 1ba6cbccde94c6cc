"""The rollout worker: a plain class around one engine, wrapped as a Ray actor by the runtime.

The engine's module is imported when the worker starts, in its own process: nobody else pays for vLLM.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from seed_grpo.config import Config
from seed_grpo.messages import Group, GroupTask
from seed_grpo.rollout.engine import RolloutEngine


class RolloutWorker:
    """One engine. Calls run at once, on one event loop."""

    def __init__(self, config: Config, name: str) -> None:
        """Starts nothing.

        Args:
            name: of this worker, as groups and errors carry it.
        """
        self._config = config
        self._name = name
        self._engine: RolloutEngine

    async def start(self) -> None:
        """Loads the model.

        Raises:
            RolloutError: the engine does not come up.
        """
        with _made_to_stay():
            from seed_grpo.rollout.vllm.engine import VllmEngine

            engine = VllmEngine(self._config, self._name)
            await engine.start()
        self._engine = engine

    async def generate(self, task: GroupTask) -> tuple[tuple[float], Group]:
        """The group, behind how many seconds it took: two results, so that what is large can stay in the object store
        and a failure is told by what is small. Raises as `RolloutEngine.generate`."""
        group = await self._engine.generate(task)
        return (group.seconds,), group

    async def call(self, method: str, *arguments: Any) -> Any:
        """Calls a method of `RolloutEngine`; which of them, its interface tells."""
        return await getattr(self._engine, method)(*arguments)


@contextmanager
def _made_to_stay() -> Iterator[None]:
    """What is made inside, and needed, is never looked at again by the garbage collector. Else Python goes through all
    of vLLM's objects every few hundred completions, for half a second, in which no token gets out of the engine."""
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()
