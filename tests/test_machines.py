"""A whole machine of a Ray cluster is killed, twenty times over: `tests/run.sh -m long -s tests/test_machines.py`.

Two machines are two Ray nodes here, on one computer. The second holds some of the workers; it is killed with all of
them and their part of the object store, and a new one joins, as an autoscaler would have it.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from test_chaos import KILLS, MOST_SECONDS_BETWEEN, chaos_run, check, report, undisturbed

__all__ = ["undisturbed"]  # a fixture

CPUS = 1
"""of each node: neither holds all workers, of 0.5 for the trainer and 0.25 for each of the three others"""

pytestmark = [pytest.mark.long, pytest.mark.engine, pytest.mark.timeout(3000)]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": CPUS, "include_dashboard": False})
    yield cluster
    cluster.shutdown()
    ray.shutdown()


def test_twenty_kills_of_a_machine(cluster: Cluster, tmp_path: Path, undisturbed: dict[int, float]) -> None:  # noqa: F811
    rng = random.Random("machine")
    node = cluster.add_node(num_cpus=CPUS)
    run = chaos_run("machine", tmp_path / "run", f"cluster.address={cluster.address}")
    seconds = []
    began = time.monotonic()
    run.start()
    try:
        for kill in range(1, KILLS + 1):
            run.wait_until(f"all to be well before kill {kill}", lambda: run.has_stepped() and run.is_whole())
            time.sleep(rng.uniform(0, MOST_SECONDS_BETWEEN))
            failed = len(run.events("failed"))
            cluster.remove_node(node, allow_graceful=False)
            killed = time.monotonic()
            node = cluster.add_node(num_cpus=CPUS)
            run.wait_until(f"kill {kill} to be noticed", lambda before=failed: len(run.events("failed")) > before)
            run.wait_until(f"all to be back after kill {kill}", run.is_whole)
            seconds.append(time.monotonic() - killed)
        run.finish()
    finally:
        run.end()
    check("machine", run, undisturbed)
    report("machine", run, seconds, time.monotonic() - began)
