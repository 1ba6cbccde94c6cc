"""SEED-GRPO (arXiv 2505.12346) as a distributed RL system on Ray, and as a library.

Consumes nothing; gives the names of `__all__`, each loaded on its first use, so that `import seed_grpo` loads neither
torch nor vLLM nor Ray. `seed_grpo.testing` has what users test their own parts with. README.md shows both at work.

`train` and `evaluate` are functions here, and folders of the package too. A folder's modules are imported by
`from seed_grpo.train import worker`; `import seed_grpo.train.worker as worker` does not work.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seed_grpo.commands.evaluate import Evaluation, evaluate
    from seed_grpo.commands.train import TrainedRun, train
    from seed_grpo.config import Config
    from seed_grpo.config.loading import load_config
    from seed_grpo.config.sections import ScaleConfig, SemanticEntropyConfig, VerifierConfig
    from seed_grpo.errors import ConfigError, SeedGrpoError
    from seed_grpo.evaluate.answers import judge, partition
    from seed_grpo.evaluate.metrics.pass_at_k import pass_at_k
    from seed_grpo.messages import (
        Completion,
        FinishReason,
        Group,
        GroupSummary,
        GroupTask,
        JudgedGroup,
        Judgement,
        Probe,
        Problem,
        Sample,
        Sampling,
        StepResult,
        Verdict,
    )
    from seed_grpo.records.files import read_records
    from seed_grpo.records.rollout_table import RecordedGroup, read_groups
    from seed_grpo.semantics.entropy import SemanticEntropy, semantic_entropy

__version__ = "0.3.0"

__all__ = [
    "Completion",
    "Config",
    "ConfigError",
    "Evaluation",
    "FinishReason",
    "Group",
    "GroupSummary",
    "GroupTask",
    "JudgedGroup",
    "Judgement",
    "Probe",
    "Problem",
    "RecordedGroup",
    "Sample",
    "Sampling",
    "ScaleConfig",
    "SeedGrpoError",
    "SemanticEntropy",
    "SemanticEntropyConfig",
    "StepResult",
    "TrainedRun",
    "Verdict",
    "VerifierConfig",
    "evaluate",
    "judge",
    "load_config",
    "partition",
    "pass_at_k",
    "read_groups",
    "read_records",
    "semantic_entropy",
    "train",
]

_HOMES = {
    "commands.evaluate": ("Evaluation", "evaluate"),
    "commands.train": ("TrainedRun", "train"),
    "config": ("Config",),
    "config.loading": ("load_config",),
    "config.sections": ("ScaleConfig", "SemanticEntropyConfig", "VerifierConfig"),
    "errors": ("ConfigError", "SeedGrpoError"),
    "evaluate.answers": ("judge", "partition"),
    "evaluate.metrics.pass_at_k": ("pass_at_k",),
    "messages": (
        *("Completion", "FinishReason", "Group", "GroupSummary", "GroupTask", "JudgedGroup", "Judgement"),
        *("Probe", "Problem", "Sample", "Sampling", "StepResult", "Verdict"),
    ),
    "records.files": ("read_records",),
    "records.rollout_table": ("RecordedGroup", "read_groups"),
    "semantics.entropy": ("SemanticEntropy", "semantic_entropy"),
}
"""names by the module that they live in, as type checkers read them above"""


if not TYPE_CHECKING:  # a type checker would take any name for one of this module

    def __getattr__(name: str) -> Any:
        for home, names in _HOMES.items():
            if name in names:
                value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
                globals()[name] = value
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Library(ModuleType):
    """The class of this module. Python binds a folder here once a module of it is imported, and would put the folders
    `train` and `evaluate` in the place of the functions."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Library
