"""`seed-grpo evaluate` over a fake pipeline: what is asked, what is on disk, and what is refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from seed_grpo.commands import evaluate
from seed_grpo.config import Config
from seed_grpo.config.loading import dump_config, parse_config
from seed_grpo.data.prompts import PromptSet
from seed_grpo.errors import ConfigError
from seed_grpo.messages import GroupTask, Problem
from seed_grpo.testing.fake_pipeline import FakePipeline, OneOrTwo

PROBLEMS = 100


class World:
    """A directory, problems under names, and every task that was ever asked."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.prefix = "question"
        self.tasks: list[GroupTask] = []
        self.stop_after: int | None = None
        self.failing: set[int] = set()
        monkeypatch.setattr(evaluate, "load_policy_tokenizer", lambda _config: None)
        monkeypatch.setattr(evaluate, "load_prompts", lambda data, _tokenizer: self.prompts(data.source))
        monkeypatch.setattr(evaluate, "served", self.served)

    def prompts(self, source: str) -> PromptSet:
        problems = [Problem(f"{source}-{i}", f"{self.prefix} {i}", ("1",), "file") for i in range(PROBLEMS)]
        return PromptSet([(problem, (1, 2)) for problem in problems], 0, 0)

    @contextmanager
    def served(self, config: Config, _console: object) -> Iterator[FakePipeline]:
        engine = OneOrTwo()
        engine.version = 0
        pipeline = FakePipeline(engine)
        pipeline.slots = 3  # so that they come a few at a time
        pipeline.failing = self.failing
        (self.path / "config.yaml").write_text(dump_config(config))

        def pump() -> None:
            if self.stop_after is not None and len(pipeline.tasks) - len(pipeline.jobs) >= self.stop_after:
                raise KeyboardInterrupt

        pipeline.on_pump = pump
        try:
            yield pipeline
        finally:
            self.tasks += pipeline.tasks

    def evaluate(self, *sets: str, temperature: float = 1.0) -> str:
        tree = {
            "run": {"directory": self.path, "steps": 1}, "model": {"path": "m"}, "data": {"source": "-"},
            "rollout": {"completions_per_prompt": 2, "max_completion_tokens": 9, "temperature": temperature},
        }  # fmt: skip
        made = evaluate.evaluate_sets(parse_config(tree, "a test"), sets, None)
        return (made.directory / "results.md").read_text()

    def rows(self) -> int:
        return sum(pq.read_metadata(file).num_rows for file in self.path.glob("responses/*/*.parquet"))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_what_is_on_disk_is_not_asked_again(world: World) -> None:
    """Stopped in the middle of the samples: the greedy ones and some samples are there, and nothing is asked twice."""
    world.stop_after = PROBLEMS + 70
    with pytest.raises(KeyboardInterrupt):
        world.evaluate("a")
    stored = world.rows()
    assert PROBLEMS + 2 * 60 <= stored < PROBLEMS + 2 * PROBLEMS
    world.stop_after = None
    begun = len(world.tasks)
    assert "| all | 100 |" in world.evaluate("a")
    assert len(world.tasks) - begun == (PROBLEMS * 3 - stored) / 2
    assert world.rows() == 3 * PROBLEMS
    count = len(world.tasks)
    world.evaluate("a", "b")
    assert {task.problem.id[0] for task in world.tasks[count:]} == {"b"}


def test_a_problem_that_workers_fail_on_is_told_and_asked_for_again(world: World) -> None:
    world.failing = {7}
    written = world.evaluate("a")
    assert "a: 100 problems. 1 of them lack answers, since workers failed on them again and again" in written
    assert "| all | 99 |" in written
    world.failing.clear()
    begun = len(world.tasks)
    written = world.evaluate("a")
    assert [task.problem.id for task in world.tasks[begun:]] == ["a-7", "a-7"]
    assert "lack answers" not in written and "| all | 100 |" in written


def test_two_sets_have_seeds_and_folders_of_their_own(world: World) -> None:
    written = world.evaluate("x/y", "x_y")
    assert "### x/y" in written and "### x\\_y" in written
    assert len(list((world.path / "responses").iterdir())) == 2
    seeds = [task.sampling.seed for task in world.tasks if task.sampling.temperature > 0]
    assert len(set(seeds)) == 2 * PROBLEMS


def test_what_is_not_what_was_asked_before_is_refused(world: World) -> None:
    with pytest.raises(ConfigError, match="name one set or more, each once"):
        world.evaluate("a", "a")
    with pytest.raises(ConfigError, match="name one set or more"):
        world.evaluate("")
    world.evaluate("a")
    with pytest.raises(ConfigError, match=r"rollout.temperature was 1.0 and is 0.5"):
        world.evaluate("a", temperature=0.5)
    world.prefix = "another question"
    with pytest.raises(ConfigError, match="the set a or its template has changed"):
        world.evaluate("a")
