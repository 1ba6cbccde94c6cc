"""The process behind `seed_grpo.verify.isolation.sandbox`: runs one Python program on one input, shut off, and ends.

Reads one JSON request (program, input, seconds, memory_mib) from its standard input; writes one JSON line: what the
program printed and whether it succeeded, or which bound it reached, or why it was not started. It imports the standard
library only, since it is started as a file by a bare interpreter. Linux only.

What holds, by namespaces and limits of the kernel, each refused start naming the call that failed:

    files       a root of its own: the interpreter's and the system's libraries, read-only; no /etc, /proc, /dev, /home.
                It can write in /tmp alone, a memory file system of its own that is gone with it.
    network     none, not even the loopback device; no abstract sockets of others.
    processes   it is process 1 of its own process namespace: it sees and signals only its own, which end with it
                however they detached themselves; no more than `PROCESSES` of them and their threads.
    memory      `memory_mib` of address space a process, so up to `PROCESSES` times that, and `FILES_MIB` of files.
    privileges  none, by a user namespace without ids; it cannot mount, make namespaces, or gain any by an executable.
    time        `seconds` of wall clock, then all its processes are killed. So is it when its owner is gone.
    output      `OUTPUT_BYTES` of standard output, then it is killed; standard error goes nowhere.

What does not hold: system calls are not filtered, so a hole in the kernel is a hole in the sandbox; memory that a
program takes through System V shared memory is bounded by its time alone; it sees the clock and the kernel's version.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import resource
import selectors
import signal
import sys
import time

PROCESSES = 4
FILES_MIB = 16
OPEN_FILES = 64
OUTPUT_BYTES = 64 * 1024
NOBODY = 65534

_NEW_MOUNTS, _NEW_UTS, _NEW_IPC, _NEW_USER, _NEW_PIDS, _NEW_NET = (
    0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
_NOSUID, _NODEV, _BIND, _RECURSIVE, _PRIVATE = 2, 4, 0x1000, 0x4000, 1 << 18
_ATTRIBUTES = (ctypes.c_uint64 * 4)(1 | _NOSUID | _NODEV, 0, 0, 0)
"""attributes for `mount_setattr`: also read-only, set on a tree of mounts and never cleared"""
_MOUNT_SETATTR, _AT_RECURSIVE = 442, 0x8000
_DETACH, _DEATH_SIGNAL, _NO_NEW_PRIVILEGES = 2, 1, 38
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib", "/lib64")
_ROOT = "/proc"
"""folder in which the new root is put together: it exists, and nothing needed lies below it"""
_C = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Answers the one request on standard input with one reply."""
    request = json.load(sys.stdin)
    os.umask(0o022)
    try:
        _isolate()
        _make_root(request["program"], request["input"])
        reply = _run(request["seconds"], request["memory_mib"])
    except OSError as error:
        reply = {"refused": str(error)}
    print(json.dumps(reply), flush=True)


def _call(function: str, *arguments: object) -> None:
    if getattr(_C, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}{arguments}: {os.strerror(number)}")


def _isolate() -> None:
    """Makes new namespaces. A process of root may do so as it is; any other gets a user namespace for it."""
    user, group = os.geteuid(), os.getegid()
    spaces = _NEW_MOUNTS | _NEW_UTS | _NEW_IPC | _NEW_PIDS | _NEW_NET
    _call("unshare", spaces | (_NEW_USER if user else 0))
    if user:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)


def _make_root(program: str, text: str) -> None:
    """Replaces all that can be seen of the file system by the interpreter, the program and its input."""
    interpreter = os.path.realpath(sys.executable)
    _call("mount", None, b"/", None, _RECURSIVE | _PRIVATE, None)
    _call("mount", b"tmpfs", _ROOT.encode(), b"tmpfs", _NOSUID | _NODEV, b"mode=755,size=4m")
    for folder in dict.fromkeys((sys.base_prefix, *_LIBRARIES)):
        if os.path.isdir(folder):
            os.makedirs(_ROOT + folder, exist_ok=True)
            _call("mount", os.path.realpath(folder).encode(), (_ROOT + folder).encode(), None, _BIND | _RECURSIVE, None)
    if not os.path.exists(_ROOT + interpreter):
        raise OSError(f"the interpreter {interpreter} is outside of {sys.base_prefix}")
    for name, content in (("program.py", program), ("input", text)):
        with open(f"{_ROOT}/{name}", "w", encoding="utf-8", errors="surrogatepass", newline="") as file:
            file.write(content)
    os.makedirs(f"{_ROOT}/tmp", exist_ok=True)
    attributes = ctypes.byref(_ATTRIBUTES), ctypes.c_size_t(ctypes.sizeof(_ATTRIBUTES))
    _call("syscall", ctypes.c_long(_MOUNT_SETATTR), -1, _ROOT.encode(), _AT_RECURSIVE, *attributes)
    size = f"mode=777,size={FILES_MIB}m,nr_inodes=1024"
    _call("mount", b"tmpfs", f"{_ROOT}/tmp".encode(), b"tmpfs", _NOSUID | _NODEV, size.encode())
    os.chdir(_ROOT)
    _call("pivot_root", b".", b".")
    _call("umount2", b".", _DETACH)
    os.chdir("/tmp")


def _run(seconds: float, memory_mib: int) -> dict:
    """Starts the program and watches it to its end.

    Raises:
        OSError: it could not be started.
    """
    printed, stdout = os.pipe()
    refusal, refuse = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _become_program(stdout, seconds, memory_mib)
        except BaseException as error:
            os.write(refuse, str(error).encode())
        os._exit(1)
    os.close(stdout)
    os.close(refuse)
    with os.fdopen(refusal, "rb") as file:
        refused = file.read()  # ends when the program takes the place of the child
    if refused:
        raise OSError(refused.decode())
    output, bound = _watch(child, printed, time.monotonic() + seconds)
    if bound is not None:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return {"bound": bound} if bound else {"stdout": output.decode("utf-8", "backslashreplace"), "success": status == 0}


def _become_program(stdout: int, seconds: float, memory_mib: int) -> None:
    os.setsid()  # a signal to its process group would reach this process' parent otherwise
    for target, source in enumerate((os.open("/input", os.O_RDONLY), stdout, 2)):
        os.dup2(source, target)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    # without ids in it: nobody can make further namespaces there, and its processes are counted apart from others'
    _call("unshare", _NEW_USER)
    _call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    _call("prctl", _DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)
    limits = {
        resource.RLIMIT_AS: memory_mib * 2**20,
        resource.RLIMIT_CPU: math.ceil(seconds) + 1,
        resource.RLIMIT_FSIZE: FILES_MIB * 2**20,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_NPROC: PROCESSES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    python = os.path.realpath(sys.executable)
    for limit, most in limits.items():
        resource.setrlimit(limit, (most, most))
    # -P -s and an environment of our own are what -I does, which would ignore the seed that makes `set` print alike
    command = [python, "-P", "-s", "-S", "-B", "-X", "utf8", "/program.py"]
    os.execve(python, command, {"PYTHONHASHSEED": "0"})


def _watch(child: int, printed: int, deadline: float) -> tuple[bytes, str | None]:
    """Reads what a program prints until it ends; returns that, and the bound that it reached, `time` or `output`."""
    output = b""
    ended = os.pidfd_open(child)
    with selectors.DefaultSelector() as selector:
        selector.register(printed, selectors.EVENT_READ)
        selector.register(ended, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                return output, "time"
            for key, _ in ready:
                piece = os.read(printed, 65536) if key.fd == printed else b""
                output += piece
                if not piece:
                    selector.unregister(key.fd)
            if len(output) > OUTPUT_BYTES:
                return output, "output"
    return output, None


if __name__ == "__main__":
    main()
