"""`check_scale` passes scales that keep the contract, and says of others what does not hold."""

import itertools
import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from seed_grpo.config.sections import ScaleConfig
from seed_grpo.testing import check_scale

calls = itertools.count(1)


def test_sound_scales_pass() -> None:
    check_scale("exponential")
    check_scale("focal", ScaleConfig(alpha=0.5, gamma=2.0))
    check_scale(lambda x, config: math.cos(x))  # cos falls from 1 to 0.54 on [0, 1]


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (lambda x, config: 1 - 2 * x, r"gives -0.1\d* at x=0.55; a scale lies in \[0, 1\]"),
        (lambda x, config: math.nan, "gives nan at x=0; a scale lies in"),
        (lambda x, config: 0.9 - x / 2, "gives 0.9 at x=0, without uncertainty; return 1 there"),
        (lambda x, config: 1.0 - x if x < 0.5 else 1.0, r"rises from 0.55 at x=0.45 to 1.0 at x=0.5; let it fall"),
        (lambda x, config: 1 / x, "failed at x=0 with ZeroDivisionError: float division by zero; return one number"),
        (lambda x: 1.0, "failed at x=0 with TypeError"),
        (
            lambda x, config: 1.0 if x == 0 else 1.0 / next(calls),
            r"gives 1.0 and then 0.0\d+ at x=0.05; let it depend on its arguments alone",
        ),
    ],
    ids=["leaves", "nan", "below one", "rises", "raises", "signature", "forgets"],
)
def test_a_broken_scale_is_told_by_what_it_did(scale: Callable[..., Any], message: str) -> None:
    with pytest.raises(AssertionError) as raised:
        check_scale(scale)
    assert re.search(message, str(raised.value)), raised.value
