"""The evaluator on a fake pipeline: what it samples, what it does where groups are lost, and when it gives up."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from seed_grpo.config import Config
from seed_grpo.evaluate.held_out import Evaluator, sampled_accuracy
from seed_grpo.messages import GroupTask, JudgedGroup, Problem, Sampling
from support.fake_pipeline import FakeEngine, FakePipeline, OneOrTwo

PROBLEMS, SAMPLED = 3, 2


class FakeRecords:
    """Records that were written, by step."""

    def __init__(self) -> None:
        self.groups: dict[int, list[JudgedGroup]] = {}
        self.metrics: dict[int, Mapping[str, float]] = {}

    def evaluations(self) -> Mapping[int, Mapping[str, float]]:
        return self.metrics

    def write_evaluation(
        self, step: int, metrics: Mapping[str, float], seconds: float, groups: Sequence[JudgedGroup]
    ) -> None:
        self.groups[step], self.metrics[step] = list(groups), metrics


class World:
    def __init__(self) -> None:
        tree = {
            "run": {"directory": "unused", "steps": 1},
            "model": {"path": "unused"},
            "data": {"source": "unused"},
            "rollout": {"completions_per_prompt": 2, "max_completion_tokens": 9},
            "evaluation": {"data": {"source": "unused"}, "entropy_problems": SAMPLED},
        }
        config = Config.model_validate(tree)
        assert config.evaluation is not None
        self.engine = OneOrTwo()
        self.engine.version = 4
        self.pipeline = FakePipeline(self.engine)
        self.records = FakeRecords()
        self.said: list[str] = []
        prompts = [(Problem(f"p{i}", "?", ("1",)), (1, 2)) for i in range(PROBLEMS)]
        self.evaluator = Evaluator(
            config.evaluation, config.rollout, 0, prompts, self.pipeline, self.records, self.said.append
        )


def never() -> bool:
    return False


def test_all_problems_are_answered_greedily_and_the_first_are_sampled_too() -> None:
    world = World()
    world.evaluator.evaluate(4, never)
    kinds = [(task.group_id, task.sampling.num_completions, task.sampling.temperature) for task in world.pipeline.tasks]
    assert kinds == [(0, 1, 0.0), (1, 1, 0.0), (2, 1, 0.0), (0, 2, 1.0), (1, 2, 1.0)]
    # in the order of the problems, though they come back in reverse
    assert [judged.group.task for judged in world.records.groups[4]] == world.pipeline.tasks
    assert "evaluation at step 4: greedy accuracy 100.0%" in world.said[0]


def test_the_samples_tell_the_majority_and_what_the_entropy_says() -> None:
    """Three problems of two samples, in two classes of the same entropy: both right, one, none. A majority tied between
    a right and a wrong answer is right with 1/2: (1 + 1/2 + 0) / 3, where the first of both would give 2/3. One entropy
    for all tells nothing, 1/2."""
    engine = FakeEngine()
    engine.right, engine.wrong = {0}, {2}
    sampling = Sampling(2, 1.0, 1.0, 9, 0)
    groups = [engine.judged(GroupTask(i, Problem(f"p{i}", "?", ("1",)), (1,), sampling), 0) for i in range(3)]
    assert sampled_accuracy(groups) == {
        "sampled_accuracy": 0.5, "pass_at_g": pytest.approx(2 / 3), "majority_accuracy": 0.5, "entropy_auroc": 0.5,
    }  # fmt: skip
    assert all(np.isnan(value) for value in sampled_accuracy([]).values())


def test_what_is_on_record_is_not_repeated() -> None:
    world = World()
    world.evaluator.evaluate(4, never)
    count = len(world.pipeline.tasks)
    world.evaluator.evaluate(4, never)
    assert len(world.pipeline.tasks) == count
    world.evaluator.evaluate(5, never)
    assert len(world.pipeline.tasks) == 2 * count


def test_a_payload_that_is_gone_is_sampled_anew() -> None:
    world = World()
    fetch, fetched = world.pipeline.fetch, []

    def gone_once(payload: int) -> JudgedGroup | None:
        fetched.append(payload)
        return None if fetched == [2] else fetch(payload)

    world.pipeline.fetch = gone_once  # type: ignore[method-assign]
    world.evaluator.evaluate(4, never)
    assert [task.group_id for task in world.pipeline.tasks] == [0, 1, 2, 2, 0, 1]
    assert world.pipeline.tasks[2] == world.pipeline.tasks[3]
    assert [judged.group.task.group_id for judged in world.records.groups[4]] == [0, 1, 2, 0, 1]


def test_a_problem_that_workers_fail_on_is_left_out() -> None:
    world = World()
    world.pipeline.failing = {1}
    world.evaluator.evaluate(4, never)
    assert [judged.group.task.group_id for judged in world.records.groups[4]] == [0, 2, 0]
    told = "problem p1 is left out, since it cannot be sampled or judged: rollout-0 died"
    assert world.said[:2] == [told, told]  # greedily, and in samples
    assert "100.0% [34.2%, 100.0%] on 2 problems" in world.said[2]  # Wilson: 2 / (2 + 1.96^2) = 0.342


@pytest.mark.parametrize("pumps", [0, 1, 2, 3, 4])
def test_a_stop_gives_up_with_nothing_on_record(pumps: int) -> None:
    """Three greedy and two sampled groups come one at a time; after the fifth the evaluation is whole."""
    world = World()
    done = 0

    def count() -> None:
        nonlocal done
        done += 1

    world.pipeline.on_pump = count
    world.pipeline.finish = lambda running: running[:1]
    world.evaluator.evaluate(4, lambda: done >= pumps)
    assert done == pumps and world.records.groups == {} and world.said == []


def test_the_best_step_is_told_again_by_a_resumed_run() -> None:
    """The second of three evaluations is the best: 1 of 3 right, all, all again (which is no better)."""
    world = World()
    world.engine.wrong = {0, 1}
    assert world.evaluator.evaluate(0, never)
    world.engine.wrong = set()
    assert world.evaluator.evaluate(4, never)
    assert not world.evaluator.evaluate(8, never)
    assert world.evaluator.evaluate(4, never)  # though nothing is sampled
    assert not world.evaluator.evaluate(12, lambda: True)
