"""The contract of a scale: the factor that semantic entropy puts on a prompt's advantages (arXiv 2505.12346, Eq. 6)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from seed_grpo.algo.scale import SCALES
from seed_grpo.config.sections import ScaleConfig
from seed_grpo.testing.parts import Part, function_of, name_of

POINTS = 21
"""values of x that are tried, evenly from 0 to alpha"""


def check_scale(scale: Part, config: ScaleConfig | None = None) -> None:
    """Checks that a scale is 1 without uncertainty, stays in [0, 1], and falls or stays as uncertainty grows.

    A scale that rises is no error in a run, which asks for [0, 1] alone; it is none of SEED-GRPO's.

    Args:
        scale: function of x = alpha SE / SE_max, in [0, alpha], and of `algo.scale`; its import path; or a built-in
            name.
        config: `algo.scale`, whose alpha and gamma it is tried with; alpha = 1 by default. Its `kind` is not looked at.

    Raises:
        AssertionError: says which x gives what, and what a scale gives instead.
    """
    name, config = name_of(scale), config or ScaleConfig(alpha=1.0)
    function = SCALES[scale] if isinstance(scale, str) and scale in SCALES else function_of(scale)
    values = []
    for x in np.linspace(0.0, config.alpha, POINTS):
        try:
            values.append((float(x), float(function(float(x), config))))
        except Exception as error:  # whatever the user's code raises
            raise AssertionError(
                f"the scale {name} failed at x={x:.4g} with {type(error).__name__}: {error}; return one number"
            ) from error
    for x, value in values:
        assert 0.0 <= value <= 1.0, f"the scale {name} gives {value} at x={x:.4g}; a scale lies in [0, 1]"
    assert values[0][1] == 1.0, f"the scale {name} gives {values[0][1]} at x=0, without uncertainty; return 1 there"
    for (x, value), (further, next_value) in pairwise(values):
        assert next_value <= value, (
            f"the scale {name} rises from {value} at x={x:.4g} to {next_value} at x={further:.4g}; let it fall, or "
            "stay, as the policy is less certain"
        )
    for x, value in values:
        again = float(function(x, config))
        assert again == value, (
            f"the scale {name} gives {value} and then {again} at x={x:.4g}; let it depend on its arguments alone: a "
            "resumed run computes it again"
        )
