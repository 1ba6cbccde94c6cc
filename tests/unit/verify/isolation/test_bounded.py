r"""The bounded process: limits reached are verdicts, one comparison leaves nothing for the next, nothing stays behind.

Bounds on time are those of a busy machine: what is shown is that a comparison ends, not how fast.
"""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seed_grpo.config.sections import VerifierConfig
from seed_grpo.errors import VerifierError
from seed_grpo.messages import Verdict
from seed_grpo.verify import relations
from seed_grpo.verify.isolation.bounded import BoundedProcess
from seed_grpo.verify.isolation.bounds import BoundReachedError, JudgeFaultError, OutOfTimeError
from seed_grpo.verify.judge import Judge
from seed_grpo.verify.relations import RELATIONS, Relation
from support.bounded_oracles import FAULTS
from support.judging import verdict

MEMORY_MIB = 256
LONG = 30.0
"""seconds for what takes a fraction of one, on a machine that others use too"""

TIMED_OUT = (OutOfTimeError, r"over 0\.5 s; raise verifier.judge_timeout")
NO_MEMORY = (OutOfTimeError, "over 256 MiB or too deep a recursion; raise verifier.memory_mib")
EXPECTED = {
    "hang": TIMED_OUT,
    "spin": TIMED_OUT,
    "swallow": TIMED_OUT,
    "read": TIMED_OUT,
    "allocate": NO_MEMORY,
    "allocate at once": NO_MEMORY,
    "allocate small": NO_MEMORY,
    "recurse": NO_MEMORY,
    "raise": (JudgeFaultError, "support.bounded_oracles:same failed: KeyError"),
    "die": (JudgeFaultError, "exit status 3"),
    "leave": (JudgeFaultError, "SystemExit"),
    "segfault": (JudgeFaultError, "signal 11"),
    "kill worker": (JudgeFaultError, "ended in a call, status -9"),
}
HARMLESS = sorted(set(FAULTS) - set(EXPECTED))
"""calls that do no harm, so that the comparison goes on"""


@pytest.fixture(autouse=True)
def importable(monkeypatch, tmp_path):
    """Lets the worker import the oracles; it works in a folder of its own."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def process():
    process = BoundedProcess("support.bounded_oracles:same", MEMORY_MIB)
    yield process
    process.close()


def is_alive(pid):
    """Running; a zombie whose parent is init's stand-in of a container is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition):
    until = time.monotonic() + LONG
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return condition()


def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def children_of(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


# limits and faults of one comparison


@pytest.mark.parametrize("fault", EXPECTED)
def test_a_fault_is_an_error_of_its_kind_and_the_process_serves_on(process, fault):
    expected, message = EXPECTED[fault]
    for _ in range(2):
        with pytest.raises(expected, match=message):
            process.call(fault, "a", timeout=0.5 if EXPECTED[fault] is TIMED_OUT else LONG)
        assert process.call("a", "a", timeout=LONG) and not process.call("a", "b", timeout=LONG)
    assert children_of(process.pid) == []  # nor is a comparison left, running or a zombie


@pytest.mark.parametrize("fault", HARMLESS)
def test_an_oracle_may_print_write_and_start_threads(process, fault, tmp_path):
    assert process.call(fault, fault, timeout=LONG) and not process.call(fault, "a", timeout=LONG)
    assert process.call("a", "a", timeout=LONG)
    assert children_of(process.pid) == []
    assert {path.name for path in tmp_path.iterdir()} == ({"written"} if fault == "write" else set())


def test_only_a_worker_that_died_is_replaced(process):
    assert process.call("a", "a", timeout=LONG)
    first = process.pid
    for fault in ("hang", "allocate", "die", "segfault", "raise"):
        with pytest.raises((BoundReachedError, JudgeFaultError)):
            process.call(fault, "a", timeout=0.3)
        assert process.pid == first
    with pytest.raises(JudgeFaultError):
        process.call("kill worker", "a", timeout=0.3)
    assert process.pid != first and not is_alive(first)
    assert process.call("a", "a", timeout=LONG)


def test_a_worker_that_was_killed_between_comparisons_is_replaced(process):
    assert process.call("a", "a", timeout=LONG)
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(JudgeFaultError, match="status -9"):
        process.call("a", "a", timeout=LONG)
    assert process.call("a", "a", timeout=LONG)


def test_a_worker_that_is_stopped_is_replaced(process, monkeypatch):
    monkeypatch.setattr("seed_grpo.verify.isolation.bounded.GRACE_SECONDS", 0.2)
    assert process.call("a", "a", timeout=LONG)
    stopped = process.pid
    os.kill(stopped, signal.SIGSTOP)
    with pytest.raises(BoundReachedError, match=r"0\.2 s"):
        process.call("a", "a", timeout=0.2)
    assert not is_alive(stopped) and process.call("a", "a", timeout=LONG)


def test_a_reply_that_nobody_waited_for_is_not_taken_for_the_next(process):
    """Ctrl-C, or Ray's way of cancelling, raises while the reply is waited for."""

    def interrupt(number, frame):
        raise KeyboardInterrupt

    assert process.call("a", "a", timeout=LONG)
    before = signal.signal(signal.SIGUSR1, interrupt)
    timer = threading.Timer(0.3, signal.pthread_kill, (threading.main_thread().ident, signal.SIGUSR1))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        process.call("nap", "nap", timeout=LONG)
    signal.signal(signal.SIGUSR1, before)
    timer.join()
    assert not process.call("a", "b", timeout=LONG)  # the reply to the first was True


def test_one_comparison_leaves_nothing_for_the_next():
    process = BoundedProcess("support.bounded_oracles:counts", MEMORY_MIB)
    assert [process.call("a", "b", timeout=LONG) for _ in range(3)] == [True] * 3  # else only the first would be
    process.close()


def test_arguments_arrive_behind_the_texts():
    process = BoundedProcess("support.bounded_oracles:within", MEMORY_MIB)
    assert process.call("2.5", "", 1, 2.5, timeout=LONG) and not process.call("2.6", "", 1, 2.5, timeout=LONG)
    process.close()


@pytest.mark.parametrize("text", ["a\nb", "\x00", "\ud83d", "\u202e\U0001f525", '"}{', "\\", "x" * 200_000])
def test_every_text_arrives_as_it_is(process, text):
    assert process.call(text, text, timeout=LONG) and not process.call(text, text + "a", timeout=LONG)


def test_the_memory_of_a_comparison_stays_under_its_bound():
    """`allocate` takes MiB by MiB until it is refused; without a bound it would take all of the machine in 0.5 s."""
    script = (
        "import resource\n"
        "from seed_grpo.verify.isolation.bounded import BoundedProcess\n"
        "from seed_grpo.verify.isolation.bounds import BoundReachedError\n"
        f"process = BoundedProcess('support.bounded_oracles:same', {MEMORY_MIB})\n"
        "for fault in ('allocate', 'allocate at once', 'spin'):\n"
        "    try:\n"
        "        process.call(fault, 'a', timeout=1.0)\n"
        "    except BoundReachedError as error:\n"
        "        pass\n"
        "process.close()\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    peak_mib = int(done.stdout) / 1024
    assert MEMORY_MIB / 2 < peak_mib < MEMORY_MIB  # it could take much, and no more than it may


# threads


def test_several_threads_share_the_process(process):
    """Replies must not be mixed up: every thread asks for what only it knows."""
    texts = [f"{thread} {turn}" for turn in range(8) for thread in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda text: process.call(text, text, timeout=LONG), texts)) == [True] * len(texts)
        assert not any(pool.map(lambda text: process.call(text, "other", timeout=LONG), texts))


def test_the_limits_hold_in_any_thread_and_set_no_signal_handler(process):
    before = [signal.getsignal(number) for number in (signal.SIGALRM, signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE)]
    raised = []

    def ask():
        for fault, seconds in (("spin", 0.3), ("allocate", LONG), ("kill worker", LONG)):
            try:
                process.call(fault, "a", timeout=seconds)
            except (BoundReachedError, JudgeFaultError) as error:
                raised.append(type(error))
        raised.append(process.call("a", "a", timeout=LONG))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(60)
    assert raised == [OutOfTimeError, OutOfTimeError, JudgeFaultError, True]
    numbers = (signal.SIGALRM, signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE)
    assert [signal.getsignal(number) for number in numbers] == before


# nothing is left


def test_close_leaves_no_process_and_no_pipe(process):
    assert process.call("a", "a", timeout=LONG)
    open_before = len(os.listdir("/proc/self/fd"))
    pid = process.pid
    process.close()
    assert not Path(f"/proc/{pid}").exists()  # neither running nor a zombie
    assert len(os.listdir("/proc/self/fd")) == open_before - 2
    process.close()  # a second time does nothing
    assert process.call("a", "a", timeout=LONG)  # and it can be used again


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_an_owner_that_was_killed(end, tmp_path):
    """Its worker is idle or, as here, in a comparison: that one ends at its time limit, and with it the worker."""
    note = tmp_path / "processes"
    script = (
        "from seed_grpo.verify.isolation.bounded import BoundedProcess\n"
        f"BoundedProcess('support.bounded_oracles:ancestry', {MEMORY_MIB}).call({str(note)!r}, '60', timeout=2.0)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", script])
    assert wait_until(lambda: note.exists() and len(note.read_text().split()) == 2)
    child, worker = map(int, note.read_text().split())
    assert is_alive(child) and is_alive(worker)
    owner.send_signal(end)
    assert owner.wait(LONG) == -end
    assert wait_until(lambda: not is_alive(child) and not is_alive(worker))


def test_workers_do_not_keep_each_other_alive():
    """A second worker must not have inherited the pipe at whose end, when its owner is gone, the first one ends."""
    first = BoundedProcess("support.bounded_oracles:same", MEMORY_MIB)
    second = BoundedProcess("support.bounded_oracles:same", MEMORY_MIB)
    assert first.call("a", "a", timeout=LONG) and second.call("a", "a", timeout=LONG)
    input_of_first = os.readlink(f"/proc/{first.pid}/fd/0")  # both ends of a pipe have this name
    of_second = {os.readlink(file) for file in Path(f"/proc/{second.pid}/fd").iterdir()}
    assert input_of_first.startswith("pipe:") and input_of_first not in of_second
    first.close()
    second.close()


def test_comparisons_leave_no_memory_and_no_files_in_the_caller(process):
    assert process.call("a", "a", timeout=LONG)
    gc.collect()
    files, memory = len(os.listdir("/proc/self/fd")), resident_mib()
    for index in range(300):
        process.call(str(index), "a" * 3000, timeout=LONG)
    assert len(os.listdir("/proc/self/fd")) == files
    assert len(os.listdir(f"/proc/{process.pid}/fd")) < 10  # nor in the worker
    gc.collect()
    assert resident_mib() - memory < 10


# starting


def slow_start(monkeypatch, tmp_path):
    """An oracle whose process takes two seconds to start."""
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(2)\ndef same(a, b):\n    return a == b\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    return "slow_to_import:same"


def test_a_start_is_waited_for_to_the_deadline_and_goes_on(monkeypatch, tmp_path):
    process = BoundedProcess(slow_start(monkeypatch, tmp_path), MEMORY_MIB)
    starting = process.pid
    with pytest.raises(BoundReachedError, match="had started"):
        process.call("a", "a", timeout=5.0, deadline=time.monotonic() + 0.3)
    # the start is no part of the call's own time
    assert process.call("a", "a", timeout=1.0, deadline=time.monotonic() + 60)
    assert process.pid == starting
    process.close()


def test_a_process_that_cannot_start_is_an_error():
    process = BoundedProcess("no_such_module:same", MEMORY_MIB)
    for _ in range(2):
        with pytest.raises(VerifierError, match="cannot start: no_such_module:same: there is no module") as raised:
            process.call("a", "b", timeout=1.0)
        assert not isinstance(raised.value, JudgeFaultError)
    process.close()


# what a judge makes of it


def asking(oracle):
    """The relation `exact`, with an oracle that is asked about every pair."""
    return Relation(RELATIONS["exact"].parse, lambda first, second, rules: None, oracle)


FAULT_VERDICTS = {
    "hang": Verdict.TIMED_OUT,
    "allocate": Verdict.TIMED_OUT,
    "die": Verdict.VERIFIER_ERROR,
    "raise": Verdict.VERIFIER_ERROR,
}


def test_failures_of_the_slow_path_are_verdicts_of_their_own(monkeypatch):
    monkeypatch.setitem(relations.RELATIONS, "exact", asking("support.bounded_oracles:judged"))
    judge = Judge(VerifierConfig(relation="exact", judge_timeout=0.5, memory_mib=MEMORY_MIB))
    for fault, expected in FAULT_VERDICTS.items():
        assert verdict(judge, fault, "a") is expected, fault
        assert verdict(judge, "a", "a") is Verdict.CORRECT
        assert verdict(judge, fault, "a", fault) is Verdict.CORRECT  # the other reference needs no comparison
    judge.close()


def test_a_group_waits_for_a_start_no_longer_than_its_time(monkeypatch, tmp_path):
    monkeypatch.setitem(relations.RELATIONS, "exact", asking(slow_start(monkeypatch, tmp_path)))
    judge = Judge(VerifierConfig(relation="exact", group_timeout=0.3))
    verdicts = [judged.judgement.verdict for judged in judge.judge([rf"\boxed{{{n}}}" for n in range(9)], ["a"])]
    assert set(verdicts) == {Verdict.TIMED_OUT}  # had it waited, the first would be decided
    judge.close()
