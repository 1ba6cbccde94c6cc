"""The canary: which difference it reports, what it refuses, what it probes with."""

from __future__ import annotations

import numpy as np
import pytest

from seed_grpo.errors import WeightSyncError
from seed_grpo.messages import Probe
from seed_grpo.weight_sync.canary import probe_token_ids, prove


def probe(*logprobs: float) -> Probe:
    return Probe(np.arange(len(logprobs) + 1, dtype=np.int32), np.array(logprobs, dtype=np.float32))


def test_canary_reports_the_largest_difference_of_either_sign() -> None:
    # |-1 - -1.25| = 0.25, |-2 - -1.5| = 0.5, |-3 - -3| = 0. The mean would be 0.25, the signed maximum 0.25.
    difference = prove(probe(-1.0, -2.0, -3.0), np.array([-1.25, -1.5, -3.0], np.float32), 0.5, "rollout-3")
    assert difference == 0.5


@pytest.mark.parametrize(
    ("logprobs", "message"),
    [
        ([-1.0, -2.6], "rollout-3: log-probabilities of the probe differ by 0.6 nats .* more than 0.5"),
        ([-1.0, np.nan], "differ by nan nats"),
        ([-1.0], "1 log-probabilities came back for the 2 of the probe"),
    ],
)
def test_canary_fails(logprobs: list[float], message: str) -> None:
    with pytest.raises(WeightSyncError, match=message):
        prove(probe(-1.0, -2.0), np.array(logprobs, np.float32), 0.5, "rollout-3")


def test_the_probe_is_the_first_prompts_one_after_the_other() -> None:
    prompts = [(5, 6, 7), (8,), (9, 10)]
    assert probe_token_ids(prompts, 5).tolist() == [5, 6, 7, 8, 9]
    assert probe_token_ids(prompts, 50).tolist() == [5, 6, 7, 8, 9, 10]
    assert probe_token_ids(prompts, 5).dtype == np.int32
