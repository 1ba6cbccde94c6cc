"""Findings of `doctor --live` on workers and links that are at fault; `test_job` runs it whole on a cluster."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import ray

from seed_grpo.commands.doctor import Page
from seed_grpo.commands.live_check import check_engine, check_storage, check_worker
from seed_grpo.errors import PlacementError, SeedGrpoError, TrainerLostError, WeightSyncError
from seed_grpo.runtime.cluster.connection import spawn
from seed_grpo.runtime.cluster.placement import Pool
from seed_grpo.runtime.workers.probes import Watched

pytestmark = pytest.mark.engine

PLACE = Pool("trainer", 1, 0.1, 0.0, {"CUDA_VISIBLE_DEVICES": "3,4"})


class Rank:
    """A worker as it should be."""


class Elsewhere:
    """On a machine that has other storage at this path."""

    def leave_mark(self, folder: Path) -> None:
        Watched().leave_mark(folder / "not here")


class Gone:
    """Its process ends when it is asked."""

    def echo(self, _payload: bytes) -> int:
        import os

        os._exit(1)


@pytest.fixture
def worker(cluster: None) -> Callable[[type, str], Any]:
    return lambda cls, name: spawn(cls, PLACE, name)


def test_a_worker_is_told_of_with_its_machine_devices_and_link(worker: Callable[[type, str], Any]) -> None:
    actor = worker(Rank, "sound")
    machine, _ = ray.get(actor.pulse.remote())
    text = check_worker("trainer-0", actor, 30.0)
    assert text.startswith(f"on {machine}, GPU 3,4: a call ") and ", an object of 16.0 MiB in" in text


def test_a_worker_that_does_not_answer_is_named(worker: Callable[[type, str], Any]) -> None:
    with pytest.raises(PlacementError, match="rollout-3 died in an answer to a small question"):
        check_worker("rollout-3", worker(Gone, "gone"), 30.0)


def test_ranks_that_do_not_share_the_storage_are_named(worker: Callable[[type, str], Any], tmp_path: Path) -> None:
    sound = worker(Rank, "sharing")
    directory = tmp_path / "not/yet/there"
    assert check_storage(directory, {"trainer-0": sound}, 30.0).endswith(f"that this machine made in {tmp_path}")
    with pytest.raises(PlacementError, match="trainer-1 failed in writing to shared storage: FileNotFoundError"):
        check_storage(directory, {"trainer-0": sound, "trainer-1": worker(Elsewhere, "elsewhere")}, 30.0)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(PlacementError, match=r"run\.directory must be on storage"):
        check_storage(Path("/proc/runs/mine"), {}, 30.0)


class Trainer:
    """Stands for the ranks, of which one link is cut."""

    def __init__(self, cut: str, error: type[SeedGrpoError]) -> None:
        self.cut, self.error, self.reached, self.is_lost = cut, error, "", False

    def restart(self, _cause: Exception) -> None:
        self.is_lost = False

    def weight_bytes(self) -> int:
        return 2**20

    def connect(self, engines: Mapping[str, Any]) -> None:
        assert not self.is_lost
        (self.reached,) = engines

    def send(self, _version: int) -> None:
        if self.reached == self.cut:
            self.is_lost = self.error is TrainerLostError
            raise self.error(f"weights of version 0 failed in sending: {self.reached}: connection reset")


@pytest.mark.parametrize("error", [WeightSyncError, TrainerLostError])
@pytest.mark.parametrize(("transport", "hint"), [("nccl", True), ("gloo", False)])
def test_an_engine_without_weights_is_named_and_the_others_are_measured(
    transport: str, hint: bool, error: type[SeedGrpoError]
) -> None:
    """Also where it took the trainer with it."""
    lines: list[str] = []
    page, trainer = Page(lines.append), Trainer("rollout-1", error)
    for name in ("rollout-0", "rollout-1", "rollout-2"):
        page.check(f"to {name}", check_engine, name, None, trainer, transport)
    assert [line.split()[0] for line in lines] == ["ok", "FAULT", "ok"] and not page.well
    assert f"{transport} opened in 0.0 s, 1.0 MiB in" in lines[0] and "rollout-1: connection reset" in lines[1]
    assert ("NCCL_SOCKET_IFNAME" in lines[1]) == hint
