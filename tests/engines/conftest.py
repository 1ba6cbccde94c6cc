"""Ray on this machine, and crews of its workers."""

from collections.abc import Iterator
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
