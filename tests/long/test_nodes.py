"""A Ray cluster of three machines, each for one kind of worker; one goes and another comes while a run trains."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._private.state import actors
from ray.cluster_utils import Cluster

from seed_grpo.records.files import read_records
from seed_grpo.runtime.cluster.placement import KINDS
from support.chaos_run import ROOT, ChaosRun
from support.tiny_model import SMALL, tiny_inputs

STEPS = 400
"""more than are made before the machine is lost"""
LEFT = 5
"""steps that are made after it was replaced, at least"""

pytestmark = [pytest.mark.long, pytest.mark.engine, pytest.mark.timeout(400)]


class Nodes:
    """Three Ray nodes on this machine. The trainer's is the head."""

    def __init__(self) -> None:
        head = {"num_cpus": 1, "resources": {"trainer": 1}, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.of: dict[str, Any] = {"trainer": self.cluster.head_node}
        for kind in ("verifier", "rollout"):
            self.add(kind)
        self.cluster.connect()

    def add(self, kind: str) -> None:
        """A machine for a kind of worker."""
        self.of[kind] = self.cluster.add_node(num_cpus=1, resources={kind: 1})

    def remove(self, kind: str) -> None:
        """It goes at once, with all that runs on it."""
        self.cluster.remove_node(self.of.pop(kind), allow_graceful=False)

    def placed(self) -> dict[str, set[str]]:
        """On whose machines the workers of each kind live."""
        kinds = {node.node_id: kind for kind, node in self.of.items()}
        found: dict[str, set[str]] = {}
        for actor in actors().values():
            if actor["State"] == "ALIVE":
                kind = kinds.get(actor["Address"]["NodeID"], "a machine that is gone")
                found.setdefault(actor["Name"].partition("-")[0], set()).add(kind)
        return found


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    nodes = Nodes()
    yield nodes
    ray.shutdown()
    nodes.cluster.shutdown()


def test_workers_are_on_their_machines_and_a_run_outlives_one_of_these(nodes: Nodes, tmp_path: Path) -> None:
    settings = [str(ROOT / "jobs/quickstart.yaml"), *SMALL, *tiny_inputs(tmp_path), f"run.steps={STEPS}"]
    settings += ["run.checkpoint_every=50", "run.deterministic=false"]
    settings += ["rollout.num_workers=2", "rollout.cpus_per_worker=0.5"]
    settings += ["cluster.node_groups=true", f"cluster.address={nodes.cluster.address}"]
    run = ChaosRun(tmp_path / "run", settings)
    run.start()
    try:
        run.wait_until("some steps", lambda: run.step >= 3)
        assert nodes.placed() == {kind: {kind} for kind in KINDS}
        nodes.remove("rollout")
        run.wait_until("the engines to be missed", lambda: len(run.events("failed")) >= 2)
        nodes.add("rollout")
        run.wait_until("engines on the new machine", lambda: run.is_whole() and run.has_stepped())
        assert nodes.placed() == {kind: {kind} for kind in KINDS}
        lost_at = run.step
        run.wait_until("further steps", lambda: run.step >= lost_at + LEFT)
    finally:
        run.end()
    steps = [record["step"] for record in read_records(run.directory / "metrics.jsonl")]
    assert steps == list(range(1, len(steps) + 1)) and len(steps) < STEPS
