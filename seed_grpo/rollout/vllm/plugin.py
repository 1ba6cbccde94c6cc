"""Plugin of vLLM: an entry point in pyproject.toml has every process of an engine call `register` before it loads a
model.

The engine names the module that registers its transport in the environment, since its processes read nothing else so
early.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
from multiprocessing import parent_process

from seed_grpo.rollout.vllm.unpacked_matrices import keep_matrices_plain

RECEIVING_MODULE = "SEED_GRPO_RECEIVING_MODULE"
"""environment variable with `ReceivingEnd.module`"""
PR_SET_PDEATHSIG = 1
"""number in <linux/prctl.h>"""


def register() -> None:
    """Prepares a process of an engine; a second call changes nothing."""
    if module := os.environ.get(RECEIVING_MODULE):
        importlib.import_module(module)
    keep_matrices_plain()
    end_with_parent()


def end_with_parent() -> None:
    """Has the kernel kill this process when the one that started it is gone, a rollout worker or an engine.

    Else vLLM's processes would outlive a killed worker, and keep its devices.
    """
    parent = parent_process()
    if parent is None:
        return  # a rollout worker or a trainer rank, which are Ray's
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent.pid:  # it was gone before
        os._exit(1)
