"""Faults that happen to real runs, one of each kind, on a tiny model: the run goes on by itself, or says why it ends.

Many of them in a row are in `test_chaos.py`. They run with `tests/run.sh long tests/long/test_faults.py`.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.chaos_run import PROGRAM, ROOT, ChaosRun
from support.tiny_model import make_digit_problems, make_tiny_model

STEPS = 40
MANY_STEPS = "run.steps=10000"
"""more than there is time for: the test ends the run"""
DISK = "6m"
"""room for two or three checkpoints"""

pytestmark = [pytest.mark.engine, pytest.mark.long, pytest.mark.timeout(400)]

SMALL = [
    str(ROOT / "jobs/quickstart.yaml"),
    f"run.steps={STEPS}",
    "run.deterministic=false",
    "run.max_staleness=1",
    "run.checkpoint_every=3",
    "rollout.num_workers=2",
    "rollout.cpus_per_worker=0.25",
    "rollout.prompts_per_step=4",
    "rollout.completions_per_prompt=4",
    "rollout.max_completion_tokens=12",
    "verifier.extraction=last_number",
    "cluster.dashboard=false",
    "evaluation=null",
    "warm_start=null",
    "weight_sync.timeout=20",
    "supervision.heartbeat_every=1",
]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A random model, and problems."""
    folder = tmp_path_factory.mktemp("inputs")
    make_tiny_model(folder / "tiny", tied=True, seed=0)
    problems = make_digit_problems(folder / "digits.jsonl")
    return [f"model.path={folder / 'tiny'}", f"data.source={problems}"]


@pytest.fixture
def make_run(inputs: list[str], tmp_path: Path) -> Iterator[Callable[..., ChaosRun]]:
    made: list[ChaosRun] = []

    def make(*changes: str) -> ChaosRun:
        made.append(ChaosRun(tmp_path / f"run{len(made)}", [*SMALL, *inputs, *changes]))
        made[-1].start()
        return made[-1]

    yield make
    for run in made:
        run.end()


def test_killed_workers_are_replaced_and_every_group_is_accounted_for(make_run: Callable[..., ChaosRun]) -> None:
    """In one run, one after the other: a rollout worker, an engine, a verifier worker, and the trainer, which goes back
    to its last checkpoint."""
    run = make_run(MANY_STEPS)
    for kind in ("rollout worker", "engine", "verifier worker", "trainer rank"):
        begun = run.step
        run.wait_until(f"steps before the {kind} is killed", lambda: run.step >= begun + 2 and run.is_whole())  # noqa: B023
        before = len(run.events("recovered"))
        run.send(kind, 0, signal.SIGKILL)
        run.wait_until(f"the {kind} to be back", lambda: len(run.events("recovered")) > before)  # noqa: B023
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(timeout=60) == 130, run.said()
    assert [event["worker"].partition("-")[0] for event in run.events("failed")] == [
        "rollout", "rollout", "verifier", "trainer",
    ]  # fmt: skip
    assert set(run.check_accounts(staleness=1)) == {"trained"}


def test_a_stopped_engine_is_found_out_written_down_and_replaced(make_run: Callable[..., ChaosRun]) -> None:
    run = make_run(MANY_STEPS, "supervision.heartbeat_timeout=20")
    run.wait_until("steps", lambda: run.step >= 2 and run.is_whole())
    run.send("engine", 0, signal.SIGSTOP)
    run.wait_until("another in its place", lambda: len(run.events("recovered")) > 0)
    hang = run.events("hang")[0]
    file = min((run.directory / "hangs").iterdir())
    text = file.read_text()
    assert text.startswith(f"culprit: {hang['worker']}\n")
    assert text.index(f"===== {hang['worker']}") < text.index("=====", text.index("=====") + 6)  # it comes first
    assert "VLLM::EngineCore" in text and "being generated" in text and "weight sync" in text
    assert "trainer-0" in text and "verifier-0" in text
    begun = run.step
    run.wait_until("further steps", lambda: run.step > begun + 2)


def test_a_stopped_trainer_rank_is_found_out_and_the_run_goes_on(make_run: Callable[..., ChaosRun]) -> None:
    run = make_run("supervision.heartbeat_timeout=20", "run.steps=60")
    run.wait_until("a checkpoint", lambda: run.step >= 4)
    run.send("trainer rank", 0, signal.SIGSTOP)
    run.wait_until("the trainer to be back", lambda: len(run.events("recovered")) > 0)
    assert run.events("hang")[0]["worker"] == "trainer-0"
    run.finish()
    assert run.check_accounts(staleness=1)["trained"] == 60 * 4


def test_groups_of_a_verifier_that_sleeps_for_ever_are_judged_by_another(make_run: Callable[..., ChaosRun]) -> None:
    run = make_run("supervision.heartbeat_timeout=20", "run.steps=60")
    run.wait_until("steps", lambda: run.step >= 2 and run.is_whole())
    run.send("verifier worker", 0, signal.SIGSTOP)
    run.wait_until("another in its place", lambda: len(run.events("recovered")) > 0)
    assert run.events("hang")[0]["worker"] == "verifier-0"
    run.finish()
    assert run.check_accounts(staleness=1) == {"trained": 60 * 4}


def test_more_failures_than_the_budget_end_the_run_with_the_cause(make_run: Callable[..., ChaosRun]) -> None:
    run = make_run(MANY_STEPS, "supervision.max_restarts=0")
    run.wait_until("steps", lambda: run.step >= 1)
    run.send("verifier worker", 0, signal.SIGKILL)
    said = run.finish_badly()
    assert "=3600 s, more than supervision.max_restarts=0; the last: verifier-0 died" in said


def test_the_pools_grow_and_shrink_while_the_run_is_at_work(make_run: Callable[..., ChaosRun]) -> None:
    run = make_run(MANY_STEPS, "rollout.num_workers=1")
    run.wait_until("steps", lambda: run.step >= 1 and run.is_whole())
    done = scale(run, "--rollout", "3", "--verifier", "2")
    assert done.returncode == 0 and "rollout-2" in done.stdout, done.stdout + done.stderr
    run.wait_until("three rollout workers", lambda: run.gauge("rollout_workers") == 3)
    assert run.gauge("verifier_workers") == 2
    assert scale(run, "--rollout", "1").returncode == 0
    run.wait_until("one rollout worker", lambda: run.gauge("rollout_workers") == 1)
    begun = run.step
    run.wait_until("further steps", lambda: run.step > begun + 2)
    stop_and_check(run)
    late = scale(run, "--rollout", "2")
    assert late.returncode == 1 and "did not answer within 15 s" in late.stderr


AUTOSCALE = ("rollout.autoscale.min_workers=1", "rollout.autoscale.max_workers=2", "rollout.autoscale.every=5")


def test_the_policy_adds_a_worker_while_the_trainer_waits(make_run: Callable[..., ChaosRun]) -> None:
    run = make_run(MANY_STEPS, "rollout.num_workers=1", "rollout.max_completion_tokens=200", *AUTOSCALE)
    run.wait_until("a second rollout worker", lambda: run.gauge("rollout_workers") == 2)
    assert run.events("added")[0]["worker"] == "rollout-1"
    stop_and_check(run)


def test_the_policy_drains_a_worker_while_the_workers_wait(make_run: Callable[..., ChaosRun]) -> None:
    run = make_run(MANY_STEPS, "trainer.epochs=40", *AUTOSCALE)
    run.wait_until("one rollout worker", lambda: run.gauge("rollout_workers") == 1)
    assert run.events("drained")[0]["worker"] == "rollout-1"
    stop_and_check(run)


def test_sigterm_checkpoints_without_waiting_for_what_is_sampled(make_run: Callable[..., ChaosRun]) -> None:
    """An engine that stands still holds the groups up; the run must not wait for it."""
    long = "rollout.max_completion_tokens=200"  # so that it is sampling that is stopped, and no weight sync
    run = make_run(MANY_STEPS, "rollout.num_workers=1", "run.max_staleness=0", long)
    run.wait_until("steps", lambda: run.step >= 1)
    time.sleep(0.5)
    run.send("engine", 0, signal.SIGSTOP)
    time.sleep(2)
    run.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert run.process.wait(timeout=60) == 130, run.said()
    assert time.monotonic() - began < 30  # of which 10 are for the engine to shut down
    assert (run.directory / "checkpoints" / f"step_{run.step:08d}").is_dir()


def test_a_truncated_checkpoint_is_passed_over(make_run: Callable[..., ChaosRun]) -> None:
    run = make_run()
    run.wait_until("two checkpoints", lambda: run.step >= 8)
    run.kill_machine()
    newest = max((run.directory / "checkpoints").glob("step_*"))
    largest = max((file for file in newest.rglob("*") if file.is_file()), key=lambda file: file.stat().st_size)
    os.truncate(largest, largest.stat().st_size // 2)
    run.start()
    run.finish()
    assert f"{newest} is skipped: {largest.relative_to(newest)} has" in run.log.read_text()
    assert set(run.check_accounts(staleness=1)) == {"trained"}


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_one_message_and_the_run_goes_on_when_there_is_room(
    make_run: Callable[..., ChaosRun], tmp_path: Path
) -> None:
    disk = tmp_path / "run0" / "checkpoints"
    disk.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "small", disk], check=True)
    try:
        run = make_run("run.checkpoint_every=1", "run.keep_checkpoints=20")
        said = run.finish_badly()
        assert "CheckpointError: cannot write the checkpoint of step" in said and "No space left on device" in said
        assert "lower run.keep_checkpoints (now 20)" in said
        whole = len(list(disk.glob("step_*")))
        assert whole >= 1
        subprocess.run(["mount", "-o", "remount,size=1g", disk], check=True)
        run.start()
        run.finish()
        assert set(run.check_accounts(staleness=1)) == {"trained"}
        run.end()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def stop_and_check(run: ChaosRun) -> None:
    """SIGTERM to a run in which nothing failed; nothing is lost."""
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(timeout=60) == 130, run.said()
    assert set(run.check_accounts(staleness=1)) == {"trained"}
    assert not run.events("failed")


def scale(run: ChaosRun, *sizes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, "scale", str(run.directory), *sizes], capture_output=True, text=True, timeout=100)
