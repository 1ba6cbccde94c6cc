"""Start of an engine's process on CPU as a fork of the rollout worker, which has imported vLLM.

vLLM spawns it there, and a spawned process imports all of vLLM again, which is most of an engine's start. vLLM forks
neither where a GPU is in use nor in a Ray actor, whose connections a fork would share. This one closes them, so that
Ray sees the worker's death, and ends with the worker.
"""

from __future__ import annotations

import gc
import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.context import ForkContext, ForkProcess

from vllm.v1.engine import utils

from seed_grpo.rollout.vllm.plugin import end_with_parent


class ForkedEngine(ForkProcess):
    """Process of an engine, which keeps nothing of its parent but what is in memory."""

    def run(self) -> None:
        """Lets go of the rollout worker, and runs the engine."""
        end_with_parent()
        gc.freeze()  # what is garbage in the worker stays: the threads that its destructors wait for are not here
        signal.set_wakeup_fd(-1)  # that of the worker's event loop
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):  # the one that lists them is closed by now
                if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                    os.close(int(name))
        super().run()


class ForkingContext(ForkContext):
    """Context of `multiprocessing` whose processes are those of engines."""

    Process = ForkedEngine  # type: ignore[assignment]


@contextmanager
def forked_process() -> Iterator[None]:
    """Has vLLM fork the process of an engine that is started meanwhile; on CPU alone."""
    spawning = utils.get_mp_context
    utils.get_mp_context = ForkingContext
    try:
        yield
    finally:
        utils.get_mp_context = spawning
