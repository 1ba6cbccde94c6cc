"""Twenty kills in a row of each kind of process, and of a whole machine, in learning runs of real engines:
`tests/run.sh -m long -s tests/test_chaos.py`. What they measure goes into `runs/chaos`, a file for each kind, and is
printed.

Each run trains the quickstart's model asynchronously, with two rollout workers. A process is killed at a random moment,
and the next one as soon as all is well again and a random time has passed. The run has to end by itself, with every
group that was issued trained once or dropped with its reason, and no worse than one that nobody disturbed.
"""

import json
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest
import ray
from ray.cluster_utils import Cluster

from chaos_run import PROGRAM, ROOT, ChaosRun, lines

KILLS = 20
MOST_SECONDS_BETWEEN = 2.0
STEPS = {
    "rollout worker": 400,
    "engine": 400,
    "verifier worker": 250,
    "trainer rank": 200,
    "driver": 150,
    "machine": 200,
}
"""enough for the kills: what cannot be done without the dead process waits for its replacement"""
STALENESS = 1
NODE_CPUS = 1
"""of each of two nodes: neither holds all workers, of 0.5 for the trainer and 0.25 for each of the three others"""
TOLERANCE = 0.05
"""in accuracy. At 0.95 of 500 problems two runs differ by 1.96 sqrt(2 0.95 0.05 / 500) = 0.027 in measuring alone, and
seeds of the quickstart differ by 0.016."""

pytestmark = [pytest.mark.long, pytest.mark.engine, pytest.mark.timeout(3000)]

SETTINGS = [
    str(ROOT / "jobs/quickstart.yaml"),
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


def chaos_run(kind: str, directory: Path, *changes: str) -> ChaosRun:
    """A run that is long enough for the kills of a kind."""
    return ChaosRun(directory, [*SETTINGS, f"run.steps={STEPS[kind]}", *changes], limit=900)


def warm_model() -> None:
    """Makes the model, unless it is there."""
    subprocess.run([*PROGRAM, "warm-start", SETTINGS[0]], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def model() -> None:
    warm_model()


@pytest.fixture
def start_run(model: None, tmp_path: Path) -> Iterator[Callable[[str], ChaosRun]]:
    made: list[ChaosRun] = []

    def start(kind: str) -> ChaosRun:
        made.append(chaos_run(kind, tmp_path / "run"))
        made[-1].start()
        return made[-1]

    yield start
    for run in made:
        run.end()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[int, float]:
    """Accuracy of a run that is left alone, by step."""
    warm_model()
    directory = tmp_path_factory.mktemp("undisturbed") / "run"
    run = ChaosRun(directory, [*SETTINGS, f"run.steps={max(STEPS.values())}", "evaluation.every=50"], limit=900)
    began = time.monotonic()
    run.start()
    run.finish()
    report("nothing", run, [], time.monotonic() - began)
    return {record["step"]: record["accuracy"] for record in lines(directory / "evaluations.jsonl")}


@pytest.mark.parametrize("kind", ["rollout worker", "engine", "verifier worker", "trainer rank"])
def test_twenty_kills_in_a_row(
    start_run: Callable[[str], ChaosRun], undisturbed: dict[int, float], kind: str
) -> None:
    rng = random.Random(kind)
    began = time.monotonic()
    run = start_run(kind)
    for kill in range(1, KILLS + 1):
        run.wait_until(f"all to be well before kill {kill}", lambda: run.step > 0 and run.is_whole())
        time.sleep(rng.uniform(0, MOST_SECONDS_BETWEEN))
        run.send(kind, rng.randrange(2), signal.SIGKILL)
        run.wait_until(f"kill {kill} to be noticed", lambda kill=kill: len(run.events("failed")) >= kill)
    run.wait_until("the last one to be back", lambda: len(run.events("recovered")) >= KILLS)
    run.finish()
    check(kind, run, undisturbed)
    report(kind, run, [event["seconds"] for event in run.events("recovered")], time.monotonic() - began)


def test_twenty_kills_of_the_driver(
    start_run: Callable[[str], ChaosRun], undisturbed: dict[int, float]
) -> None:
    """With everything that it started, as where its machine goes; the same command goes on."""
    rng = random.Random("driver")
    seconds = []
    began = time.monotonic()
    run = start_run("driver")
    for kill in range(1, KILLS + 1):
        run.wait_until(f"steps before kill {kill}", run.has_stepped)
        time.sleep(rng.uniform(0, MOST_SECONDS_BETWEEN))
        run.kill_driver()
        killed = time.monotonic()
        run.start()
        run.wait_until(f"a step after kill {kill}", run.has_stepped)
        seconds.append(time.monotonic() - killed)
    run.finish()
    check("driver", run, undisturbed)
    report("driver", run, seconds, time.monotonic() - began)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": NODE_CPUS, "include_dashboard": False})
    yield cluster
    cluster.shutdown()
    ray.shutdown()


def test_twenty_kills_of_a_machine(cluster: Cluster, tmp_path: Path, undisturbed: dict[int, float]) -> None:
    """Two machines are two Ray nodes here, on one computer. One is killed with all workers that it has and its part of
    the object store, and a new one joins, as an autoscaler would have it."""
    rng = random.Random("machine")
    node = cluster.add_node(num_cpus=NODE_CPUS)
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
            node = cluster.add_node(num_cpus=NODE_CPUS)
            run.wait_until(f"kill {kill} to be noticed", lambda before=failed: len(run.events("failed")) > before)
            run.wait_until(f"all to be back after kill {kill}", run.is_whole)
            seconds.append(time.monotonic() - killed)
        run.finish()
    finally:
        run.end()
    check("machine", run, undisturbed)
    report("machine", run, seconds, time.monotonic() - began)


def check(kind: str, run: ChaosRun, undisturbed: dict[int, float]) -> None:
    """That all steps were made, all groups are accounted for, and the accuracy is what it would have been."""
    fates = run.check_accounts(STALENESS)
    assert fates["trained"] >= 0.99 * sum(fates.values()), fates
    assert [record["step"] for record in lines(run.directory / "metrics.jsonl")] == list(range(1, STEPS[kind] + 1))
    assert _accuracy(run) >= undisturbed[STEPS[kind]] - TOLERANCE


def _accuracy(run: ChaosRun) -> float:
    return lines(run.directory / "evaluations.jsonl")[-1]["accuracy"]


def report(kind: str, run: ChaosRun, seconds: list[float], total: float) -> None:
    """A line of the table of recovery times."""
    found = {
        "killed": kind,
        "kills": len(seconds),
        "recovery_seconds": sorted(round(each, 1) for each in seconds),
        "run_seconds": round(total),
        "accuracy": _accuracy(run),
        "groups": dict(run.check_accounts(STALENESS)),
    }
    folder = ROOT / "runs" / "chaos"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{kind.replace(' ', '-')}.json").write_text(json.dumps(found, indent=1) + "\n")
    times = f"back after {median(seconds):.1f} s (at most {max(seconds):.1f})" if seconds else ""
    print(f"\n{kind}: {len(seconds)} kills, {times}; run {total:.0f} s, accuracy {found['accuracy']:.1%}")
