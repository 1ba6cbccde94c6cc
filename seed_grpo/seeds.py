"""Seeds of everything that is random, each derived from the run's seed and a place, never from what ran before."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Use(IntEnum):
    """Purpose of a seed; purposes never share seeds."""

    GROUP = 1
    EVALUATION = 2
    CONTROL = 3
    MINI_BATCHES = 4
    ANSWER = 5


def derive_seed(run_seed: int, use: Use, *place: int) -> int:
    """A seed in [0, 2**31) for one place, e.g. `derive_seed(0, Use.GROUP, group_id)`."""
    return int(np.random.SeedSequence((run_seed, int(use), *place)).generate_state(1)[0] >> 1)
