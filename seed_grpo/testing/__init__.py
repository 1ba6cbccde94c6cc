"""Checks of a user's own parts, and fakes of the program's: what the program's own tests use, for anybody's tests.

Consumes a reward, a relation, a scale or a transport, or its name; raises one AssertionError that says what does not
hold, with the numbers and what to change. It needs no test framework:

    from seed_grpo.testing import check_reward

    def test_brevity():
        check_reward("my_rewards:brevity", {"target": 20})

It stands on the top floor of the layout, beside the command line: it reaches every part that can be somebody's own, and
nothing in the program may import it. So the program runs without it, and a fake cannot slip into a run.
"""

from __future__ import annotations

from seed_grpo.testing.fake_pipeline import FakeEngine, FakePipeline
from seed_grpo.testing.fake_world import (
    FakeCheckpoints,
    FakePrompts,
    FakeRecorder,
    FakeSync,
    FakeTrainer,
    World,
    fake_config,
)
from seed_grpo.testing.relations import check_relation
from seed_grpo.testing.rewards import check_reward
from seed_grpo.testing.scales import check_scale
from seed_grpo.testing.transports import check_transport

__all__ = [
    "FakeCheckpoints",
    "FakeEngine",
    "FakePipeline",
    "FakePrompts",
    "FakeRecorder",
    "FakeSync",
    "FakeTrainer",
    "World",
    "check_relation",
    "check_reward",
    "check_scale",
    "check_transport",
    "fake_config",
]
