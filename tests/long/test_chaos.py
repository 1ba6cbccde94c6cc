"""Sixty kills in a row, ten of each of six kinds, in a learning run: `tests/run.sh long -s tests/long/test_chaos.py`.

The run trains the quickstart's model asynchronously, with two rollout workers, on two Ray nodes. A process, or a whole
node with all that runs there, is killed at a random moment, and the next one as soon as all is well again and a random
time has passed. The run has to end by itself, with every group that was issued trained once or dropped with its reason,
and no worse than one that nobody disturbed. `runs/chaos.json` has what is measured.
"""

import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from seed_grpo.records.files import read_records
from support.chaos_run import PROGRAM, ROOT, ChaosRun

KINDS = ("rollout worker", "engine", "verifier worker", "trainer rank", "driver", "node")
KILLS = 60
MOST_SECONDS_BETWEEN = 3.0
STEPS = 1500
STALENESS = 1
NODE_CPUS = 1
"""CPUs of each of two nodes: neither holds all workers, of 0.5 for the trainer and 0.25 for each of the three others"""
TOLERANCE = 0.05
"""in accuracy. At 0.95 of 500 problems two runs differ by 1.96 sqrt(2 0.95 0.05 / 500) = 0.027 in measuring alone, and
seeds of the quickstart differ by 0.016."""

pytestmark = [pytest.mark.long, pytest.mark.engine, pytest.mark.timeout(5000)]

SETTINGS = [
    str(ROOT / "jobs/quickstart.yaml"),
    f"run.steps={STEPS}",
    f"run.max_staleness={STALENESS}",
    "run.deterministic=false",
    "run.checkpoint_every=5",
    "rollout.num_workers=2",
    "rollout.cpus_per_worker=0.25",
    "rollout.prompts_per_step=8",
    "rollout.completions_per_prompt=8",
    "weight_sync.timeout=20",
    "supervision.heartbeat_every=1",
    "supervision.max_restarts=1000",
    "cluster.dashboard=false",
]


class Nodes:
    """Two Ray nodes, the second of which may be killed, and is replaced, as an autoscaler would have it."""

    def __init__(self) -> None:
        head = {"num_cpus": NODE_CPUS, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.second: Any = self.cluster.add_node(num_cpus=NODE_CPUS)

    def kill(self) -> None:
        """The raylet goes at once, with the workers and the object store of its node."""
        self.cluster.remove_node(self.second, allow_graceful=False)
        self.second = self.cluster.add_node(num_cpus=NODE_CPUS)


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    nodes = Nodes()
    yield nodes
    nodes.cluster.shutdown()
    ray.shutdown()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Accuracy and seconds of a run that is left alone, on a cluster of its own."""
    subprocess.run([*PROGRAM, "warm-start", SETTINGS[0]], cwd=ROOT, check=True)
    run = ChaosRun(tmp_path_factory.mktemp("undisturbed") / "run", SETTINGS, limit=1500)
    began = time.monotonic()
    run.start()
    run.finish()
    return {"accuracy": accuracy(run), "seconds": time.monotonic() - began}


def test_sixty_kills_in_a_row(nodes: Nodes, undisturbed: dict[str, float], tmp_path: Path) -> None:
    rng = random.Random(0)
    kinds = [KINDS[i % len(KINDS)] for i in range(KILLS)]
    rng.shuffle(kinds)
    run = ChaosRun(tmp_path / "run", [*SETTINGS, f"cluster.address={nodes.cluster.address}"], limit=1500)
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    began = time.monotonic()
    run.start()
    try:
        for number, kind in enumerate(kinds, 1):
            run.wait_until(f"all to be well before kill {number}", lambda: run.has_stepped() and run.is_whole())
            time.sleep(rng.uniform(0, MOST_SECONDS_BETWEEN))
            seconds[kind].append(kill(run, kind, nodes, rng))
            print(f"kill {number}: {kind} at step {run.step}, back after {seconds[kind][-1]:.1f} s", flush=True)
        run.finish()
    finally:
        run.end()
    fates = run.check_accounts(STALENESS)
    report(run, seconds, undisturbed, time.monotonic() - began)
    assert fates["trained"] >= 0.99 * sum(fates.values()), fates
    assert [record["step"] for record in read_records(run.directory / "metrics.jsonl")] == list(range(1, STEPS + 1))
    assert accuracy(run) >= undisturbed["accuracy"] - TOLERANCE


def kill(run: ChaosRun, kind: str, nodes: Nodes, rng: random.Random) -> float:
    """Seconds until all workers are well again and a step was made."""
    failed, killed = len(run.events("failed")), time.monotonic()
    if kind == "driver":
        run.process.kill()
        run.process.wait()
        run.start()
    elif kind == "node":
        nodes.kill()
    else:
        run.send(kind, rng.randrange(2), signal.SIGKILL)
    if kind != "driver":
        run.wait_until(f"the {kind} to be missed", lambda: len(run.events("failed")) > failed)
    run.wait_until(f"all to be back without the {kind}", lambda: run.has_stepped() and run.is_whole())
    return time.monotonic() - killed


def accuracy(run: ChaosRun) -> float:
    return read_records(run.directory / "evaluations.jsonl")[-1]["accuracy"]


def report(run: ChaosRun, seconds: dict[str, list[float]], undisturbed: dict[str, float], total: float) -> None:
    """The table of recovery times, into `runs/chaos.json`."""
    found = {
        "recovery_seconds": {kind: sorted(round(each, 1) for each in own) for kind, own in seconds.items()},
        "median_seconds": {kind: round(median(own), 1) for kind, own in seconds.items()},
        "run_seconds": round(total),
        "accuracy": accuracy(run),
        "groups": dict(run.check_accounts(STALENESS)),
        "undisturbed": undisturbed,
    }
    (ROOT / "runs").mkdir(exist_ok=True)
    (ROOT / "runs" / "chaos.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
