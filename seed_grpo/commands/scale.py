"""`seed-grpo scale`: other sizes for the pools of a run that is at work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from seed_grpo.errors import ConfigError
from seed_grpo.runtime.workers.scaling import request


def scale(run: Path, sizes: Mapping[str, int | None]) -> None:
    """Asks the run for other sizes of its pools, and prints the states of its workers.

    Args:
        sizes: workers by pool, rollout or verifier; None leaves a pool as it is.

    Raises:
        ConfigError: no size is given, this is no run, or its pool cannot have that size.
        DeadlineError: the run does not answer.
    """
    given = {kind: size for kind, size in sizes.items() if size is not None}
    if not given:
        raise ConfigError("nothing to scale: give --rollout N, --verifier N, or both")
    for name, state in request(run, given).items():
        print(f"{name:12} {state}")
