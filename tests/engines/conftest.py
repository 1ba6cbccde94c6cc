"""Ray on this machine, crews of its workers, and what the processes of an engine log."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from support.ray_workers import Crew, MakeCrew, start_ray


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Ray on this machine."""
    start_ray()
    yield
    ray.shutdown()


@pytest.fixture
def crew(cluster: None, tmp_path: Path) -> Iterator[MakeCrew]:
    """Makes a crew whose workers are all up."""
    made: list[Crew] = []

    def make(*arguments: Any, **changes: Any) -> Crew:
        made.append(Crew(tmp_path, *arguments, **changes))
        made[-1].until(made[-1].all_serve)
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def engine_log(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Reads what was logged since the last call, in the processes of an engine too.

    They are forked from the test's process; what pytest's own handlers are given there stays in their memory.
    """
    handler = logging.StreamHandler()
    logging.getLogger("seed_grpo").addHandler(handler)
    yield lambda: capfd.readouterr().err
    logging.getLogger("seed_grpo").removeHandler(handler)
