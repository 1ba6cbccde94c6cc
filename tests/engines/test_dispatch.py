"""A stage over real Ray workers: every group is done once, whatever its workers do, or given up with its cause."""

import pytest

from seed_grpo.runtime.supervision.heartbeats import WorkerState
from seed_grpo.runtime.workers.dispatch import ATTEMPTS
from support.ray_workers import MakeCrew

pytestmark = pytest.mark.engine


def test_work_goes_to_the_worker_with_the_least(crew: MakeCrew) -> None:
    made = crew(2)
    made.submit("1", "1", "1")
    assert [job.task.group_id for job in made.stage.dispatch()] == [0, 1, 2]
    assert [worker.load for worker in made.pool.workers.values()] == [2, 1]
    made.until(lambda: len(made.done) == 3)
    assert sorted(made.done.values()) == ["verifier-0", "verifier-0", "verifier-1"]


def test_workers_of_one_call_share_what_waits(crew: MakeCrew) -> None:
    made = crew(2, one_call=True)
    made.submit("0", "0", "0", "0.5", "0")
    made.stage.dispatch()
    assert sorted(worker.load for worker in made.pool.workers.values()) == [2, 3]
    assert len(made.stage.running) == 2 and not made.stage.waiting
    made.submit("9")  # waits, though there are workers: both have their call
    assert made.stage.dispatch() == []
    made.stage.waiting.clear()
    made.until(lambda: len(made.done) == 5)
    assert [made.done[i] for i in range(5)] == ["verifier-0"] * 3 + ["verifier-1"] * 2


def test_a_failing_call_puts_its_worker_under_suspicion_until_it_answers(crew: MakeCrew) -> None:
    made = crew(2, heartbeat_every=1000.0)  # none but the one that the doubt asks for
    made.submit("verifier-0: fail")
    made.stage.dispatch()
    first = made.worker(0)
    made.until(lambda: first.state is WorkerState.SUSPECT)
    assert [worker.name for worker in made.pool.serving] == ["verifier-1"]
    made.until(lambda: made.done == {0: "verifier-1"})
    made.until(made.all_serve)
    assert made.worker(0) is first and made.kinds() == []  # it lives: nothing is replaced
    assert first.load == 0


def test_a_group_that_every_worker_fails_on_is_given_up_with_its_cause(crew: MakeCrew) -> None:
    made = crew(2)
    made.submit("0", "fail", "0")
    made.until(lambda: len(made.done) == 2 and len(made.given_up) == 1)
    assert sorted(made.done) == [0, 2]
    assert "failed in judging group 1: ValueError: this group cannot be done" in str(made.given_up[1])
    assert made.kinds() == [] and made.stage.num_running == 0 and not made.stage.waiting


def test_a_group_that_kills_its_workers_is_given_up_after_so_many(crew: MakeCrew) -> None:
    made = crew(2, max_restarts=ATTEMPTS)
    made.submit("die")
    made.until(lambda: len(made.given_up) == 1)
    assert [kind for kind, _ in made.kinds()].count("failed") == ATTEMPTS
    assert "died" in str(made.given_up[0])
    made.until(made.all_serve)


def test_a_bad_group_among_others_of_a_call_takes_none_of_them_with_it(crew: MakeCrew) -> None:
    """All six are of one call; after it failed, each is tried alone."""
    made = crew(1, one_call=True)
    made.submit("0", "0", "fail", "0", "0", "0")
    made.until(lambda: len(made.done) == 5 and len(made.given_up) == 1)
    assert list(made.given_up) == [2]


def test_a_worker_that_hangs_in_its_work_is_replaced_after_its_deadline(crew: MakeCrew) -> None:
    """It answers its heartbeats all the while, so only the deadline tells."""
    made = crew(2, seconds=6.0)
    made.submit("verifier-0: hang", "0.1")
    made.until(lambda: sorted(made.done) == [0, 1])
    made.until(made.all_serve)
    assert made.done[0] != "verifier-0" and made.given_up == {}
    assert made.kinds() == [("hang", "verifier-0"), ("failed", "verifier-0"), ("recovered", "verifier-0")]
    (file,) = (made.directory / "hangs").iterdir()
    text = file.read_text()
    assert text.startswith("culprit: verifier-0\nreason: verifier-0 is past its deadline judging group 0\n")
    assert '"being judged": 1' in text
    own = text[text.index("===== verifier-0") : text.index("===== verifier-1")]
    assert "in hang_here" in own  # where it hangs


def test_what_is_forgotten_is_never_done(crew: MakeCrew) -> None:
    made = crew(1)
    made.submit("0.5", "0.5")
    made.stage.dispatch()
    made.submit("0.1")
    made.stage.clear()
    assert made.stage.num_running == 0 and made.worker(0).load == 0
    made.submit("0", "0", "0", "0")
    made.until(lambda: len(made.done) == 4)
