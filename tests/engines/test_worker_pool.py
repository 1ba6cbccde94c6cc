"""Workers that die, hang and come and go, on real Ray: replaced, named, drained; and what is written down of it."""

import os
import signal
import time

import pytest
import ray

from seed_grpo.config.sections import SupervisionConfig
from seed_grpo.errors import RolloutError, VerifierError
from seed_grpo.runtime.supervision import hang_report
from seed_grpo.runtime.supervision.heartbeats import Heartbeat, RestartBudget, WorkerState
from support.ray_workers import MakeCrew

pytestmark = pytest.mark.engine


def test_a_killed_worker_is_replaced_and_others_do_its_work(crew: MakeCrew) -> None:
    made = crew(2)
    assert made.states() == {"verifier-0": "healthy", "verifier-1": "healthy"}
    first = made.worker(0)
    made.submit("1.5", "1.5", "1.5", "1.5")
    made.turn()
    assert made.stage.num_running == 4 and first.load == 2
    os.kill(made.pid(0), signal.SIGKILL)
    made.until(lambda: len(made.done) == 4)
    made.until(made.all_serve)
    assert made.worker(0) is not first and made.worker(0).name == first.name
    assert "verifier-0" not in made.done.values()  # the first of that name; the replacement's actor has another
    assert made.given_up == {} and made.stage.num_running == 0
    assert [worker.load for worker in made.pool.workers.values()] == [0, 0]
    assert made.kinds() == [("failed", "verifier-0"), ("recovered", "verifier-0")]
    failed, recovered = made.events()
    assert set(failed) == {"time", "event", "worker", "text"} and failed["text"].startswith("verifier-0 is replaced: ")
    assert 0 < recovered["seconds"] < 120 and abs(recovered["time"] - time.time()) < 120
    assert made.said == [failed["text"], recovered["text"]]
    assert made.states() == {"verifier-0": "healthy", "verifier-1": "healthy"}


def test_the_states_tell_of_a_worker_that_is_restarting(crew: MakeCrew) -> None:
    made = crew(2)
    os.kill(made.pid(1), signal.SIGKILL)
    made.until(lambda: made.kinds() == [("failed", "verifier-1")])
    made.pool.poll(now=True)
    assert made.states() == {"verifier-0": "healthy", "verifier-1": "restarting"}
    assert [worker.name for worker in made.pool.serving] == ["verifier-0"]
    made.until(made.all_serve)


def test_a_silent_worker_is_replaced_and_a_hang_report_names_it(
    crew: MakeCrew, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is stopped answers nothing; its stacks are read from outside, where the system lets us."""
    monkeypatch.setattr(hang_report, "STACKS_SECONDS", 3.0)
    made = crew(2, heartbeat_timeout=12.0)
    pid = made.pid(1)
    made.submit("0.1")
    os.kill(pid, signal.SIGSTOP)
    stopped = time.monotonic()
    made.until(lambda: made.worker(1).state is WorkerState.SUSPECT)
    assert made.kinds() == [] and time.monotonic() - stopped > 3.5  # a third of the 12 s, since it was asked
    assert made.worker(1) not in made.pool.serving
    made.until(lambda: ("failed", "verifier-1") in made.kinds())
    assert time.monotonic() - stopped > 11.5
    made.until(made.all_serve)
    assert made.kinds() == [("hang", "verifier-1"), ("failed", "verifier-1"), ("recovered", "verifier-1")]
    (file,) = (made.directory / "hangs").iterdir()
    text = file.read_text()
    assert text.startswith("culprit: verifier-1\nreason: verifier-1 has not answered for ")
    assert "(supervision.heartbeat_timeout=12)" in text and str(file) in made.events()[0]["text"]
    culprit, other = text.index("===== verifier-1\nno answer in 3 s"), text.index("===== verifier-0\nprocess ")
    assert culprit < other and "Current thread" in text[other:]
    assert f"process {pid}".lower() in text[culprit:other].lower()  # py-spy's, or why it has none


def test_a_budget_that_is_used_up_is_one_error_with_the_numbers(crew: MakeCrew) -> None:
    made = crew(2, max_restarts=1, restart_window=500.0)
    os.kill(made.pid(0), signal.SIGKILL)
    made.until(lambda: made.kinds() == [("failed", "verifier-0")])
    made.until(made.all_serve)
    os.kill(made.pid(1), signal.SIGKILL)
    message = r"^2 workers failed within .*=500 s, more than supervision\.max_restarts=1; the last: verifier-1 died"
    with pytest.raises(VerifierError, match=message):
        made.until(lambda: False)


def test_resizing_adds_and_drains_and_others_do_a_drained_workers_jobs(crew: MakeCrew) -> None:
    made = crew(1)
    made.pool.resize(3)
    assert made.kinds() == [("added", "verifier-1"), ("added", "verifier-2")]
    assert [worker.name for worker in made.pool.serving] == ["verifier-0"]
    made.until(made.all_serve)
    assert list(made.pool.workers) == ["verifier-0", "verifier-1", "verifier-2"]
    made.submit("1.5", "1.5", "1.5", "1.5", "1.5", "1.5")
    made.turn()
    assert [worker.load for worker in made.pool.workers.values()] == [2, 2, 2]
    made.pool.resize(1)
    made.until(lambda: len(made.done) == 6)
    assert set(made.done.values()) == {"verifier-0"} and made.given_up == {}
    assert made.kinds()[2:] == [("drained", "verifier-1"), ("drained", "verifier-2")]
    made.pool.poll(now=True)
    assert made.states() == {"verifier-0": "healthy"}
    made.pool.resize(2)
    made.until(made.all_serve)
    assert made.kinds()[4:] == [("added", "verifier-1")]  # nothing failed, so nothing recovered


def test_draining_costs_no_restart(crew: MakeCrew) -> None:
    made = crew(2, max_restarts=0)
    made.pool.resize(1)
    made.turn()
    assert made.kinds() == [("drained", "verifier-1")]


def test_the_budget_forgets_what_is_long_past(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("seed_grpo.runtime.supervision.heartbeats.time.monotonic", lambda: now[0])
    budget = RestartBudget(SupervisionConfig(max_restarts=2, restart_window=10.0))
    for now[0] in (0.0, 6.0, 11.0, 17.0):  # never three within 10 s
        budget.charge(RolloutError("x"))
    now[0] = 20.0  # with 11 and 17
    with pytest.raises(
        RolloutError, match=r"3 workers failed within .*=10 s, more than supervision.max_restarts=2; .* y"
    ):
        budget.charge(RolloutError("y"))


class Answers:
    """Ray calls that are answered when the test says so."""

    def __init__(self) -> None:
        self.asked = 0

    def ask(self) -> ray.ObjectRef:
        self.asked += 1
        return answer.options(num_cpus=0).remote()


@ray.remote
def answer() -> None:
    return None


def test_heartbeats_are_sent_one_at_a_time_and_as_often_as_configured(cluster: None) -> None:
    answers = Answers()
    heartbeat = Heartbeat(answers.ask, SupervisionConfig(heartbeat_every=1000.0, heartbeat_timeout=60.0))
    assert heartbeat.silence() == 0.0 and answers.asked == 1
    deadline = time.monotonic() + 60
    while heartbeat.alive < 0 and time.monotonic() < deadline:
        assert heartbeat.silence() >= 0.0
        time.sleep(0.02)
    assert heartbeat.alive > 0 and answers.asked == 1 and not heartbeat.is_late
    heartbeat.silence()
    assert answers.asked == 1
    heartbeat.hurry()
    heartbeat.silence()
    assert answers.asked == 2
