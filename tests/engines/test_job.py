"""A run as a user of a cluster has it: submitted with `ray job submit`, watched, scaled, stopped, gone on with.

The head is started with token authentication, and all real engines run."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from support.chromium import Chromium, why_there_is_none
from support.prometheus import MONITORING, Prometheus, hastened, panels
from support.ray_head import RayHead, ray_head
from support.tiny_model import SMALL, tiny_inputs

ROOT = Path(__file__).parents[2]
STEPS = 1000
"""far more than are made until it is stopped"""
# a machine without a GPU has no such series
GPU_PANELS = {"GPU A", "GPU memory A"}

pytestmark = [pytest.mark.engine, pytest.mark.timeout(500)]


@pytest.fixture(scope="module")
def head() -> Iterator[RayHead]:
    with ray_head() as head:
        yield head


def wait_for(what: str, condition: Callable[[], bool], head: RayHead, job: str, seconds: float = 150.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}\n{head.job('logs', job)[-3000:]}"
        time.sleep(0.5)


def steps_made(directory: Path) -> int:
    metrics = directory / "metrics.jsonl"
    return len(metrics.read_text().splitlines()) if metrics.exists() else 0


def states(directory: Path) -> dict[str, str]:
    return json.loads((directory / "workers.json").read_text())


EXAMPLES = sorted(path.stem for path in (ROOT / "jobs/examples").glob("*.yaml"))


@pytest.fixture
def submit(head: RayHead, tmp_path: Path) -> Callable[..., str]:
    inputs = tiny_inputs(tmp_path)

    def submit(job: str, *further: str, command: str = "train", example: str = "") -> str:
        program = [str(ROOT / "jobs/submit.sh"), "--no-wait", "--submission-id", job, "--"]
        file = ROOT / (f"jobs/examples/{example}.yaml" if example else "jobs/quickstart.yaml")
        if example:  # a job's data lies on the cluster, in folders that are not those of the submission
            text = file.read_text().replace("jobs/examples/data", f"{ROOT}/jobs/examples/data")
            file = tmp_path / file.name
            file.write_text(text)
        sized = [inputs[0], "cluster.dashboard=false"] if example else [*SMALL, *inputs]
        settings = [*sized, "run.deterministic=false", "cluster.node_groups=true", *further]
        done = head.run(*program, command, str(file), *settings)
        assert done.returncode == 0, done.stdout + done.stderr
        return job

    return submit


@pytest.mark.parametrize("mode", ["token", "disabled"])
@pytest.mark.parametrize("token", ["", "0" * 64], ids=["none", "another"])
def test_a_client_without_the_token_is_refused(head: RayHead, token: str, mode: str, tmp_path: Path) -> None:
    """Refuses it whether it knows that one is asked for or not. At home there is none either."""
    assert head.run("ray", "job", "list").returncode == 0
    refused = head.run("ray", "job", "list", RAY_AUTH_TOKEN=token, RAY_AUTH_MODE=mode, HOME=str(tmp_path))
    said = refused.stdout + refused.stderr
    assert refused.returncode != 0 and re.search("authentication token|Unauthorized|Forbidden", said), said


def test_a_relative_run_directory_would_go_with_the_upload(head: RayHead, submit: Callable[..., str]) -> None:
    job = submit("relative", "run.directory=runs/mine")
    wait_for("the job to fail", lambda: "failed" in head.job("status", job), head, job)
    log = head.job("logs", job)
    assert "run.directory=runs/mine lies in the working directory that Ray uploaded" in log
    assert "Traceback" not in log


def test_the_live_check_starts_the_workers_and_leaves(
    head: RayHead, submit: Callable[..., str], tmp_path: Path
) -> None:
    directory = tmp_path / "run"
    job = submit("live", "--live", f"run.directory={directory}", "rollout.num_workers=2", command="doctor")
    wait_for("the check to succeed", lambda: "succeeded" in head.job("status", job), head, job)
    page = {line[9:21].strip(): line[22:] for line in head.job("logs", job).splitlines() if line.startswith("  ok  ")}
    workers = {"trainer-0", "rollout-0", "rollout-1", "verifier-0"}
    links = {"to rollout-0", "to rollout-1", "storage", "canary"}
    assert page.keys() >= workers | links
    assert all("a call" in page[worker] and "16.0 MiB in" in page[worker] for worker in workers)
    assert page["to rollout-1"].startswith("gloo opened in") and page["canary"].startswith("2 engines at once")
    assert not directory.exists()
    assert not list(tmp_path.glob(".seed-grpo-*"))
    for kind, gone in (("actors", "DEAD"), ("placement-groups", "REMOVED")):
        left = head.run("ray", "list", kind, "--address", head.dashboard, "--filter", f"state!={gone}")
        assert "No resource in the cluster" in left.stdout, left.stdout + left.stderr


def test_submitted_watched_scaled_stopped_and_gone_on_with(
    head: RayHead, submit: Callable[..., str], tmp_path: Path
) -> None:
    directory = tmp_path / "run"
    job = submit("first", f"run.directory={directory}", f"run.steps={STEPS}", "run.checkpoint_every=500")
    rules = (MONITORING / "alerts.yaml").read_text()
    with Prometheus(tmp_path, head.scraped, rules) as prometheus:
        wait_for("five steps", lambda: steps_made(directory) >= 5, head, job)
        assert str(directory) in head.job("logs", job)  # the job page of the dashboard shows this log
        scale_up(head, directory)
        wait_for("three rollout workers", lambda: list(states(directory).values()).count("healthy") == 4, head, job)
        assert silent_panels(prometheus) == GPU_PANELS
    head.job("stop", job)
    assert "was stopped" in head.job("status", job)
    made = steps_made(directory)
    assert 5 <= made < STEPS
    checkpoints = sorted(path.name for path in (directory / "checkpoints").iterdir())
    assert checkpoints[-1].endswith(f"{made:06d}")  # stopping made a checkpoint of the last step
    again = submit("second", f"run.directory={directory}", f"run.steps={made + 2}")
    wait_for("the job to succeed", lambda: "succeeded" in head.job("status", again), head, again)
    assert [json.loads(line)["step"] for line in (directory / "metrics.jsonl").read_text().splitlines()] == [
        *range(1, made + 3)
    ]


@pytest.mark.long
@pytest.mark.parametrize("example", EXAMPLES)
def test_own_code_reaches_the_workers_of_a_job(
    head: RayHead, submit: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: str
) -> None:
    monkeypatch.chdir(ROOT)  # the examples' paths are relative to it
    directory = tmp_path / "run"
    job = submit(f"own-{example}", f"run.directory={directory}", "run.steps=1", example=example)
    wait_for("the job to succeed", lambda: "succeeded" in head.job("status", job), head, job)
    (metrics,) = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    assert example != "own_reward" or "reward/graded" in metrics
    own = Path(f"jobs/examples/{example}.py")
    assert not own.exists() or (directory / "code" / own.name).read_text() == own.read_text()


@pytest.mark.long
def test_each_alert_fires_when_it_is_provoked(head: RayHead, tmp_path: Path) -> None:
    rules = (MONITORING / "alerts.yaml").read_text()
    names = {rule["alert"] for rule in yaml.safe_load(rules)["groups"][0]["rules"]}
    path = f"{ROOT}/tests:{ROOT}"
    environment = {**head.environment, "RAY_ADDRESS": "auto", "RAY_TMPDIR": str(head.folder), "PYTHONPATH": path}
    program = [sys.executable, "-m", "support.provoked_run"]
    with Prometheus(tmp_path, head.scraped, hastened(rules)) as prometheus:
        prometheus.wait("Prometheus to scrape", lambda: bool(prometheus.query("ray_node_cpu_count")))
        assert not prometheus.firing("provoked")
        provoked = subprocess.Popen(program, stdin=subprocess.PIPE, env=environment)
        try:
            prometheus.wait("all alerts", lambda: prometheus.firing("provoked") == names)
        finally:
            provoked.communicate(timeout=30)
        prometheus.wait("no alert, as the program has ended", lambda: not prometheus.firing("provoked"))


@pytest.mark.long
@pytest.mark.skipif(bool(why_there_is_none()), reason=why_there_is_none())
def test_the_ray_dashboard_shows_the_run(head: RayHead, submit: Callable[..., str], tmp_path: Path) -> None:
    """In a browser, with the token. What it looks like goes to `runs/dashboard`; the README shows it."""
    directory = tmp_path / "run"
    job = submit("quickstart", f"run.directory={directory}", "run.steps=100000", "run.checkpoint_every=100000")
    wait_for("some steps", lambda: steps_made(directory) >= 20, head, job)
    pictures = ROOT / "runs/dashboard"
    pictures.mkdir(parents=True, exist_ok=True)
    browser = Chromium(width=1500, height=1000)
    try:
        browser.open(f"{head.dashboard}/#/jobs", "document.querySelector('[role=dialog] input')")
        browser.click("[role=dialog] input")
        browser.type(head.token)
        browser.value("[...document.querySelectorAll('[role=dialog] button')].at(-1).click()")
        time.sleep(3)  # the page loads itself anew
        for page, words in (
            (f"jobs/{job}", ["RUNNING", '"config": "quickstart.yaml"', f"run directory: {directory}", "step 1"]),
            ("actors", ["trainer-0", "rollout-0", "verifier-0", "TrainerWorker"]),
            ("cluster", ["ALIVE", "reserved in placement groups"]),
        ):
            browser.call("Page.navigate", url=f"{head.dashboard}/#/{page}")
            for word in words:
                browser.until(f"document.body.innerText.includes({json.dumps(word)})")
            (pictures / f"{page.partition('/')[0]}.png").write_bytes(browser.picture())
    finally:
        browser.close()
        head.job("stop", job)


def scale_up(head: RayHead, directory: Path) -> None:
    done = head.run("seed-grpo", "scale", str(directory), "--rollout", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rollout-1" in done.stdout


def silent_panels(prometheus: Prometheus, seconds: float = 60.0) -> set[str]:
    """Panels without data, when no more than these are to come, or time is up."""
    deadline = time.monotonic() + seconds
    silent = panels()
    while silent.keys() != GPU_PANELS and time.monotonic() < deadline:
        time.sleep(1)
        silent = {name: query for name, query in silent.items() if not prometheus.query(query)}
    return set(silent)
