"""Fixtures of more than one test file."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from seed_grpo.config import VerifierConfig
from seed_grpo.verify.judge import Judge
from support.judging import JUDGE_TIMEOUT

if TYPE_CHECKING:
    from support.ray_workers import MakeCrew


@pytest.fixture(scope="module")
def judge():
    """A judge with short limits."""
    judge = Judge(VerifierConfig(judge_timeout=JUDGE_TIMEOUT))
    yield judge
    judge.close()


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Ray on this machine."""
    import ray

    from support.ray_workers import start_ray

    start_ray()
    yield
    ray.shutdown()


@pytest.fixture
def crew(cluster: None, tmp_path: Path) -> "Iterator[MakeCrew]":
    """Makes a crew whose workers are all up."""
    from support.ray_workers import Crew

    made: list[Crew] = []

    def make(*arguments: Any, **changes: Any) -> Crew:
        made.append(Crew(tmp_path, *arguments, **changes))
        made[-1].until(made[-1].all_serve)
        return made[-1]

    yield make
    for each in made:
        each.close()
