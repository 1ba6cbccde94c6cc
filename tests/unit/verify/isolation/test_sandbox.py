"""The sandbox: what a program does comes out, and no program gets out of it, outlasts it or fills it.

Each hostile program prints what it managed, so that a hole shows as what it prints.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seed_grpo.verify.isolation.bounds import BoundReachedError
from seed_grpo.verify.isolation.sandbox import Behaviour, run_program
from seed_grpo.verify.isolation.sandbox_main import FILES_MIB, OUTPUT_BYTES, PROCESSES
from support.sandboxes import LONG, LOOP, MEMORY_MIB, needs_sandbox

pytestmark = needs_sandbox


def run(program, text="", seconds=LONG, memory_mib=MEMORY_MIB):
    return run_program(program, text, seconds, memory_mib)


def told(program, **arguments):
    """Report of a program on itself, as one JSON line."""
    behaviour = run(program, **arguments)
    assert behaviour.success, behaviour
    return json.loads(behaviour.stdout)


def left_behind():
    """Processes that run a program of a sandbox."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [path.parent.name] if b"/program.py" in path.read_bytes() else []
        except OSError:
            continue  # it has just ended
    return found


def nothing_is_left():
    until = time.monotonic() + LONG
    while left_behind() and time.monotonic() < until:
        time.sleep(0.02)
    return not left_behind()


# what a program does


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("print(int(input()) + 1, input())", Behaviour("4 é\n", True)),
        ("print(open(0).read().count('\\n'))", Behaviour("2\n", True)),
        ("print('a')\n1/0", Behaviour("a\n", False)),
        ("print('a')\nraise SystemExit(3)", Behaviour("a\n", False)),
        ("raise SystemExit", Behaviour("", True)),
        ("import os\nos.kill(os.getpid(), 9)\nos.abort()", Behaviour("", False)),
        ("def f(:", Behaviour("", False)),
        ("print('\0')", Behaviour("", False)),
        ("print('\ud800')", Behaviour("", False)),
        ("import sys\nsys.stdout.buffer.write(b'\\xff')", Behaviour("\\xff", True)),
        ("import json, math, itertools, collections, heapq, re\nprint(math.gcd(4, 6))", Behaviour("2\n", True)),
        ("import numpy", Behaviour("", False)),  # the standard library alone
        ("print(input(), file=__import__('sys').stderr)", Behaviour("", True)),
    ],
)
def test_what_a_program_does(program, expected):
    assert run(program, "3\né\n") == expected


def test_a_program_does_the_same_each_time():
    program = "print({str(n) for n in range(40)})"
    assert run(program) == run(program)  # by chance one time in 40!, were hashes salted


# what a program cannot do


@pytest.mark.parametrize(
    "program",
    [
        LOOP,
        "import signal\nfor n in set(range(1, 32)) - {9, 19}: signal.signal(n, signal.SIG_IGN)\nwhile True: pass",
        "import os\nos.close(1)\nwhile True: pass",
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        "import time\ntime.sleep(1000)",
        "import ctypes, time\nctypes.CDLL(None).prctl(1, 0, 0, 0, 0)\ntime.sleep(1000)",
    ],
    ids=["loop", "no signals", "closed output", "fork bomb", "sleep", "no signal of a parent's death"],
)
def test_it_cannot_go_on_beyond_its_time(program):
    started = time.monotonic()
    with pytest.raises(BoundReachedError, match=r"over 1 s; raise verifier\.judge_timeout"):
        run(program, seconds=1.0)
    assert time.monotonic() - started < LONG and nothing_is_left()


@pytest.mark.parametrize("program", ["while True: print('a' * 999)", "print('a' * 10**7)"])
def test_it_cannot_print_without_end(program):
    with pytest.raises(BoundReachedError, match="printed over 65536 bytes"):
        run(program)
    assert nothing_is_left()
    assert run(f"print('a' * {OUTPUT_BYTES - 1})").stdout == "a" * (OUTPUT_BYTES - 1) + "\n"
    assert run("import sys\nsys.stderr.write('a' * 10**7)") == Behaviour("", True)


def test_it_cannot_start_many_processes_or_threads():
    forks = "import os, time\nn = 0\ntry:\n    while n < 99:\n"
    forks += "        if not os.fork(): time.sleep(99)\n        n += 1\n"
    assert told(forks + "except OSError: pass\nprint(n)") == PROCESSES - 1
    threads = "import threading, time\nn = 0\ntry:\n    while n < 99:\n"
    threads += "        threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n        n += 1\n"
    assert told(threads + "except RuntimeError: pass\nprint(n)") == PROCESSES - 1
    assert nothing_is_left()


def test_it_cannot_take_more_memory():
    take = "a = []\ntry:\n    while len(a) < 2000: a.append(bytearray(2**20))\n"
    assert MEMORY_MIB / 2 < told(take + "except MemoryError: pass\nprint(len(a))") < MEMORY_MIB
    assert not run("bytearray(10**9)").success


def test_it_cannot_write_outside_its_folder_or_fill_that(tmp_path):
    places = ["/planted", "/program.py", "/input", "/usr/planted", "/usr/lib/planted", f"{sys.base_prefix}/planted"]
    places += [f"{tmp_path}/planted", "/dev/shm/planted", "../planted", json.__file__, "/tmp/planted"]
    written = "import json\ndone = []\n"
    written += f"for place in {places!r}:\n    try:\n        open(place, 'a').write('x')\n        done.append(place)\n"
    assert told(written + "    except OSError: pass\nprint(json.dumps(done))") == ["/tmp/planted"]
    mounts = f"import os\nprint([os.statvfs(p).f_flag & os.ST_RDONLY for p in ('/', '/usr/lib', {sys.base_prefix!r})])"
    assert told(mounts) == [os.ST_RDONLY] * 3  # not by the permissions of its user alone
    assert list(tmp_path.iterdir()) == [] and not Path("/tmp/planted").exists()
    assert told("import os, json\nprint(json.dumps(os.listdir('/tmp')))") == []  # nor does the next find it
    fill = "n = 0\ntry:\n    while n < 99:\n"
    fill += "        with open(f'/tmp/{n}', 'wb') as f: f.write(bytes(2**20))\n        n += 1\n"
    assert told(fill + "except OSError: pass\nprint(n)") in (FILES_MIB - 1, FILES_MIB)


def test_it_cannot_read_what_is_none_of_its_business(tmp_path, monkeypatch):
    monkeypatch.setenv("A_TOKEN", "hunter2")
    (tmp_path / "secret").write_text("hunter2")
    places = ["/etc/passwd", "/proc/1/environ", "/proc/self/environ", f"/proc/{os.getpid()}/environ", __file__]
    places += [f"{tmp_path}/secret", "/dev/mem", "/proc/self/root/etc/passwd", pytest.__file__]
    program = f"import json, os\nread = []\nfor place in {places!r}:\n"
    program += "    try: read.append((place, open(place).read()))\n    except OSError: pass\n"
    seen = told(program + "print(json.dumps([read, dict(os.environ), sorted(os.listdir('/'))]))")
    assert seen[0] == [] and set(seen[1]) == {"PYTHONHASHSEED", "LC_CTYPE"}  # the second is the interpreter's own
    top = Path(sys.base_prefix).parts[1]
    assert set(seen[2]) <= {"input", "program.py", "tmp", "usr", "lib", "lib64", top}
    descriptors = "import os, json\nfound = []\nfor n in range(64):\n"
    descriptors += "    try:\n        os.fstat(n)\n        found.append(n)\n"
    assert told(descriptors + "    except OSError: pass\nprint(json.dumps(found))") == [0, 1, 2]


def test_it_cannot_reach_anybody():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0seed-grpo-{os.getpid()}")
        abstract.listen()
        program = (
            "import json, socket\nreached = []\n"
            f"for kind, place in ((2, ('127.0.0.1', {server.getsockname()[1]})), (2, ('192.0.2.1', 80)),\n"
            f"                    (1, '\\0seed-grpo-{os.getpid()}')):\n"
            "    for how in (1, 2):\n"
            "        try:\n"
            "            with socket.socket(kind, how) as s:\n"
            "                s.settimeout(2)\n                s.connect(place)\n                s.send(b'x')\n"
            "            reached.append((place, how))\n"
            "        except OSError: pass\n"
            "print(json.dumps(reached))\n"
        )
        assert told(program) == []


def test_it_cannot_signal_anybody():
    mine = subprocess.Popen(["sleep", "60"])
    targets = [0, -1, os.getpid(), mine.pid, os.getppid(), -os.getpgrp()]
    program = (
        f"import os, signal\nhit = []\nfor pid in {targets}:\n"
        "    try:\n        os.kill(pid, signal.SIGTERM)\n        hit.append(pid)\n    except OSError: pass\n"
        "print([pid for pid in hit if pid != 0])"  # its own process group it may; what started it is not in there
    )
    assert told(program) == []
    assert mine.poll() is None
    assert told("import os\nprint([os.getpgrp(), os.getsid(0)])") == [1, 1]  # what watches it is in another group
    mine.kill()
    mine.wait()


def test_it_cannot_leave_a_process_behind():
    daemon = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(1000)\n"
        "    os._exit(0)\nprint('done')\n"
    )
    started = time.monotonic()
    assert run(daemon) == Behaviour("done\n", True)  # though the daemon holds its output open
    assert time.monotonic() - started < LONG and nothing_is_left()


def test_it_cannot_gain_privileges():
    """No mount, no namespace, no other user, no change of its limits: each call gives -1."""
    program = (
        "import ctypes, json, resource\nc = ctypes.CDLL(None)\n"
        "calls = [c.mount(b'tmpfs', b'/tmp', b'tmpfs', 0, None), c.mount(None, b'/', None, 0x1020, None),\n"
        "    c.mount(None, b'/usr/lib', None, 0x1020, None), c.umount2(b'/tmp', 2), c.unshare(0x10000000),\n"
        "    c.unshare(0x20000), c.setuid(0), c.chroot(b'/tmp'), c.sethostname(b'x', 1)]\n"
        "try: resource.setrlimit(resource.RLIMIT_NPROC, (999, 999)); calls.append(0)\nexcept ValueError: pass\n"
        "print(json.dumps(calls))"
    )
    assert set(told(program)) == {-1}


@pytest.mark.parametrize("prelude", ["", "import ctypes, os\nctypes.CDLL(None).prctl(1, 0, 0, 0, 0)\n"])
def test_it_cannot_outlive_an_owner_that_was_killed(prelude):
    script = "from seed_grpo.verify.isolation.sandbox import run_program\n"
    script += f"run_program({prelude + LOOP!r}, '', 5.0, {MEMORY_MIB})\n"
    owner = subprocess.Popen([sys.executable, "-c", script])
    until = time.monotonic() + LONG
    while not left_behind() and time.monotonic() < until:
        time.sleep(0.02)
    assert left_behind()
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert nothing_is_left()
