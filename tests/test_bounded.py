r"""The bounded process: limits reached are verdicts, it serves on afterwards, and hostile answers do no harm."""

import json
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from judging import JUDGE_TIMEOUT, verdict

from seed_grpo.config import VerifierConfig
from seed_grpo.errors import VerifierError
from seed_grpo.messages import Verdict
from seed_grpo.verify import relations
from seed_grpo.verify.bounded import BoundedProcess
from seed_grpo.verify.judge import Judge
from seed_grpo.verify.limits import BoundReachedError, JudgeFaultError
from seed_grpo.verify.relations import RELATIONS, Relation

DATA = Path(__file__).parents[2] / "shared" / "data"
SLACK = 2.0
"""seconds for a replaced process to come up, on a machine that others use too"""


def records(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the shared data set {name} is not there")
    return [json.loads(line) for line in path.read_text().splitlines()]


def sleeps(first, second):
    if first == "slow":
        time.sleep(60)
    return first == second


def spins(first, second):
    return 9**9**9 == 0  # in C, where no Python signal handler runs


def dies(first, second):
    os._exit(3)


def allocates(first, second):
    return len(bytearray(8 * 2**30)) == 0


def raises(first, second):
    raise KeyError("own fault")


def oracle(function):
    return f"test_bounded:{function.__name__}"


@pytest.fixture
def importable(monkeypatch):
    """Lets the worker process import this file."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)


def judge_by(function, monkeypatch):
    relation = Relation(RELATIONS["exact"].parse, lambda first, second: None, oracle(function))
    monkeypatch.setitem(relations.RELATIONS, "exact", relation)
    return Judge(VerifierConfig(relation="exact", judge_timeout=0.5))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (sleeps, Verdict.TIMED_OUT),
        (spins, Verdict.TIMED_OUT),
        (allocates, Verdict.TIMED_OUT),
        (dies, Verdict.VERIFIER_ERROR),
        (raises, Verdict.VERIFIER_ERROR),
    ],
)
def test_failures_of_the_slow_path_are_verdicts_of_their_own(function, expected, importable, monkeypatch):
    judge = judge_by(function, monkeypatch)
    assert verdict(judge, "slow", "5") is expected
    assert verdict(judge, "5", "5") is Verdict.CORRECT
    judge.close()


def test_the_process_serves_again_after_a_kill_and_leaves_nothing(importable):
    process = BoundedProcess(oracle(sleeps), 1024)
    with pytest.raises(BoundReachedError, match=r"0\.2 s"):
        process.same("slow", "a", 0.2)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(process.same("a", "a", 5.0)))
    thread.start()
    thread.join()
    assert answers == [True] and process.same("a", "b", 5.0) is False
    pid = process._process.pid
    process.close()
    assert not Path(f"/proc/{pid}").exists()  # neither running nor a zombie


def test_the_process_ends_with_its_owner(importable):
    process = BoundedProcess(oracle(sleeps), 1024)
    process.same("a", "a", 5.0)
    process._process.stdin.close()  # what the kernel does when the owner is killed
    assert process._process.wait(timeout=5) == 0
    process._process.stdout.close()


def slow_start(monkeypatch, tmp_path):
    """An oracle whose process takes two seconds to start."""
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(2)\ndef same(a, b):\n    return a == b\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    return "slow_to_import:same"


def test_a_start_is_waited_for_to_the_deadline_and_goes_on(monkeypatch, tmp_path):
    process = BoundedProcess(slow_start(monkeypatch, tmp_path), 1024)
    started = time.monotonic()
    with pytest.raises(BoundReachedError, match="had started"):
        process.same("a", "a", 5.0, started + 0.3)
    assert time.monotonic() - started < 0.3 + 1.0
    starting = process._process.pid
    assert process.same("a", "a", 0.5, started + 60)  # the start is no part of the comparison's own time
    assert process._process.pid == starting
    process.close()


def test_a_group_waits_for_a_start_no_longer_than_its_time(monkeypatch, tmp_path):
    relation = Relation(RELATIONS["exact"].parse, lambda first, second: None, slow_start(monkeypatch, tmp_path))
    monkeypatch.setitem(relations.RELATIONS, "exact", relation)
    judge = Judge(VerifierConfig(relation="exact", group_timeout=0.3))
    started = time.monotonic()
    verdicts = [judged.judgement.verdict for judged in judge.judge([rf"\boxed{{{n}}}" for n in range(9)], ["a"])]
    assert time.monotonic() - started < 0.3 + 1.0
    assert set(verdicts) == {Verdict.TIMED_OUT}
    judge.close()


def test_a_process_that_cannot_start_is_an_error():
    process = BoundedProcess("no_such_module:same", 1024)
    with pytest.raises(VerifierError, match="did not start") as raised:
        process.same("a", "b", 1.0)
    assert not isinstance(raised.value, JudgeFaultError)


# the shared cases


def test_accuracy_on_the_development_cases(judge, capsys):
    """All unequal pairs of bare answers and every fourth equal one, to be quick."""
    cases = [record for record in records("grader_cases_dev.jsonl") if record["form"] == "answer"]
    equal = [record for record in cases if record["expected"]][::4]
    unequal = [record for record in cases if not record["expected"]]
    found = np.mean([verdict(judge, record["pred"], record["gold"]) is Verdict.CORRECT for record in equal])
    verdicts = [verdict(judge, record["pred"], record["gold"]) for record in unequal]
    merged = verdicts.count(Verdict.CORRECT)
    with capsys.disabled():
        told = verdicts.count(Verdict.INCORRECT)
        print(f"\n  equal found {found:.1%} of {len(equal)}; unequal told {told}, merged {merged} of {len(unequal)}")
    assert found >= 0.85
    assert merged <= 2  # two lists that differ in order alone, which one suite calls unequal


def text_of(parts):
    return "".join(part if isinstance(part, str) else part[0] * part[1] for part in parts)


def test_hostile_answers_are_bounded_and_nothing_is_executed(judge, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = [text_of(record["parts"]) for record in records("grader_hostile.jsonl")]
    plant = f"open({str(tmp_path / 'planted')!r}, 'w')"
    texts += [plant, rf"\text{{{plant}}}", f"5+0*len(str({plant}))", f"({plant})", rf"\frac{{{plant}}}{{2}}"]
    for text in texts:
        started = time.monotonic()
        said = verdict(judge, text, "5")
        assert time.monotonic() - started < JUDGE_TIMEOUT + SLACK, text[:80]
        assert said is not Verdict.VERIFIER_ERROR, text[:80]
    assert list(tmp_path.iterdir()) == []
    assert verdict(judge, r"\gcd(3, 18)", "3") is Verdict.CORRECT  # it still serves
