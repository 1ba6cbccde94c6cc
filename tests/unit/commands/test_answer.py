"""`seed-grpo answer` over a fake pipeline: rounds, and problems that workers fail on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seed_grpo.commands.answer import draw
from seed_grpo.config import Config
from seed_grpo.errors import RolloutError
from seed_grpo.evaluate.metrics.early_stopping import Rule
from seed_grpo.messages import Group, JudgedGroup, Problem
from seed_grpo.testing.fake_pipeline import FakeEngine, FakePipeline

PROMPTS = [(Problem(f"p{i}", "?", ("1",)), (1, 2)) for i in range(3)]


class World:
    """Every completion after the first of two is of another class, so no problem is ever settled."""

    def __init__(self) -> None:
        self.engine = FakeEngine()
        self.engine.version = 0
        self.pipeline = FakePipeline(self.engine)
        self.said: list[str] = []

    def judge_group(self, group: Group) -> JudgedGroup:
        judged, pairs = self.engine.judged(group.task, 0), len(group.completions_G) // 2
        return replace(
            judged,
            group=group,
            judgements_G=judged.judgements_G * pairs,
            rewards_G=np.tile(judged.rewards_G, pairs),
            valid_G=np.tile(judged.valid_G, pairs),
            class_ids_G=np.tile(judged.class_ids_G, pairs),
        )

    def log(self, text: str) -> None:
        self.said.append(text)

    def draw(self) -> list[Any]:
        config = Config.model_validate(
            {"run": {"directory": "unused", "steps": 1}, "model": {"path": "m"}, "data": {"source": "-"}}
        )
        console: Any = self
        verifier: Any = self
        return draw(config, PROMPTS, Rule(2, 2, 4, 0.0), self.pipeline, verifier, console)


def test_a_problem_that_workers_fail_on_keeps_the_answers_it_has() -> None:
    """The second of three problems fails from the start, the third in the second of two rounds of two answers."""
    world = World()

    def fail_the_third() -> None:
        if len(world.pipeline.rounds) == 2:
            world.pipeline.failing.add(2)

    world.pipeline.failing = {1}
    world.pipeline.on_submit = fail_the_third
    groups = world.draw()
    assert [(group.problem_id, len(group.answers_G)) for group in groups] == [("p0", 4), ("p2", 2)]
    assert world.pipeline.rounds == [3, 2]
    left_out = [text for text in world.said if "is left out" in text]
    assert [text.split()[1] for text in left_out] == ["p1", "p2"]


def test_no_answer_at_all_is_an_error() -> None:
    world = World()
    world.pipeline.failing = {0, 1, 2}
    with pytest.raises(RolloutError, match="none of 3 problems could be sampled and judged"):
        world.draw()
