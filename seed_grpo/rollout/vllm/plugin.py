"""Makes the gloo transport known to vLLM. The entry point in pyproject.toml has every process of an engine call
`register` before it loads a model.

The transport's classes are only named: they are loaded when an engine first asks for it.
"""

from __future__ import annotations

import ctypes
import os
import signal
from multiprocessing import parent_process

from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory, WeightTransferTrainerFactory

from seed_grpo.rollout.vllm.unpacked_matrices import keep_matrices_plain

MODULE = "seed_grpo.weight_sync.gloo.engines"
PR_SET_PDEATHSIG = 1
"""of <linux/prctl.h>"""


def register() -> None:
    """Prepares a process of an engine; a second call changes nothing."""
    register_transport()
    keep_matrices_plain()
    _end_with_parent()


def _end_with_parent() -> None:
    """Has the kernel kill this process when the one that started it is gone, a rollout worker or an engine: vLLM's
    processes would stay, with their devices, where it is killed."""
    parent = parent_process()
    if parent is None:
        return  # a rollout worker or a trainer rank, which are Ray's
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent.pid:  # it was gone before
        os._exit(1)


def register_transport() -> None:
    """Registers both ends; a second call changes nothing."""
    if "gloo" not in WeightTransferEngineFactory._registry:
        WeightTransferEngineFactory.register_engine("gloo", MODULE, "GlooWorkerEngine")
    if "gloo" not in WeightTransferTrainerFactory._registry:
        WeightTransferTrainerFactory.register_engine("gloo", MODULE, "GlooTrainerEngine")
