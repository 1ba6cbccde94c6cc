"""The scripts of cluster/, run with fakes of Slurm, Ray and the program that write down how they were called."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seed_grpo.runtime.cluster.placement import KINDS

CLUSTER = Path(__file__).parents[2] / "cluster"


@pytest.mark.parametrize("script", sorted(CLUSTER.rglob("*.sh")), ids=lambda path: path.name)
def test_scripts_pass_shellcheck(script: Path) -> None:
    assert os.access(script, os.X_OK)
    shellcheck = Path(sys.executable).with_name("shellcheck")
    result = subprocess.run([shellcheck, script], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


FAKES = {
    "srun": """echo "srun $*" >> $CALLS; while [[ $1 == --* ]]; do shift; done; exec "$@" """,
    "scontrol": """
        echo "scontrol $*" >> $CALLS
        if [[ $1 == show ]]; then printf 'n%s\\n' $(seq $SLURM_JOB_NUM_NODES); fi""",
    "getent": 'echo "10.0.0.5 STREAM $2"',
    "sleep": "exec /bin/sleep 0.1",
    "ray": """
        if [[ $1 == list ]]; then sed 's/.*/{"node_id": "&"}/' $CALLS.up | paste -s -d ,; exit; fi
        echo "ray $*" >> $CALLS
        if [[ $1 == start ]]; then
            printf '%s ' "$RAY_AUTH_MODE" $(stat -c %a "${RAY_AUTH_TOKEN_PATH:-/}") > $CALLS.auth
            cp "${RAY_AUTH_TOKEN_PATH:-/dev/null}" $CALLS.token
            if [[ $* != *"${BROKEN:-none}"* ]]; then echo up >> $CALLS.up; fi
            if [[ $* == *--block* ]]; then
                trap 'echo ended >> $CALLS.ended; exit' TERM
                for _ in {1..600}; do /bin/sleep 0.1; done
            fi
        fi""",
    "seed-grpo": """
        trap 'echo checkpoint >> $CALLS; exit 130' TERM
        echo "seed-grpo $* at $RAY_ADDRESS" >> $CALLS
        if [[ -n ${DRIVER_STATUS:-} ]]; then exit $DRIVER_STATUS; fi
        for _ in {1..600}; do /bin/sleep 0.1; done""",
}


class Slurm:
    """A machine with fakes of Slurm and Ray on PATH, in whose checkout slurm.sh runs."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder, self.calls_file = folder, folder / "calls"
        (folder / "bin").mkdir()
        for name, text in FAKES.items():
            path = folder / "bin" / name
            path.write_text(f"#!/usr/bin/env bash\n{text}\n")
            path.chmod(0o755)
        (folder / "calls.up").touch()
        own = {"SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "4", "SLURM_JOB_NODELIST": "n[1-4]"}
        own |= {"SLURM_CPUS_ON_NODE": "96", "SLURM_GPUS_ON_NODE": "8", "SLURM_SUBMIT_DIR": str(folder)}
        path = f"{folder / 'bin'}:{os.environ['PATH']}"
        self.clearing = "srun --overlap --ntasks-per-node=1 rm -rf /tmp/ray-7"
        self.environment = os.environ | own | {"CALLS": str(self.calls_file), "PATH": path} | environment

    def start(self) -> subprocess.Popen[str]:
        command = [CLUSTER / "slurm.sh", "jobs/mine.yaml", "run.seed=1"]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self.environment, stdout=pipe, stderr=pipe, text=True)

    def calls(self) -> list[str]:
        """All but the last of Slurm's, which clears up."""
        calls = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        return [call for call in calls if call != self.clearing]

    def wait_for_driver(self) -> None:
        deadline = time.monotonic() + 30
        while not any(call.startswith("seed-grpo") for call in self.calls()):
            assert time.monotonic() < deadline, self.calls()
            time.sleep(0.05)


def test_slurm_starts_ray_on_every_machine_and_passes_on_how_the_run_ended(tmp_path: Path) -> None:
    slurm = Slurm(tmp_path, DRIVER_STATUS="3", TRAINER_NODES="1", ROLLOUT_NODES="2", VERIFIER_NODES="1")
    process = slurm.start()
    output = "".join(process.communicate(timeout=60))
    assert process.returncode == 3, output
    calls = slurm.calls()
    starts = [call for call in calls if call.startswith("srun")]
    assert sorted(re.search(r"--nodelist=(\S+) ", call)[1] for call in starts) == ["n1", "n2", "n3", "n4"]
    given = {re.search(r"--nodelist=(\S+) ", call)[1]: re.search(r"--resources=({.*?})", call)[1] for call in starts}
    assert {node: list(json.loads(each)) for node, each in given.items()} == {
        "n1": ["trainer"], "n2": ["rollout"], "n3": ["rollout"], "n4": ["verifier"],
    }  # fmt: skip
    assert "--head --port=6379 --node-ip-address=10.0.0.5 --dashboard-host=127.0.0.1" in starts[0]
    assert all(call.endswith(" --address=10.0.0.5:6379") for call in starts[1:])
    assert calls[-1] == "seed-grpo train jobs/mine.yaml run.seed=1 cluster.node_groups=true at 10.0.0.5:6379"
    # the token: 256 bits, for this user's eyes alone, in no argument and no log, gone afterwards; and Ray ended
    token = (tmp_path / "calls.token").read_text()
    assert re.fullmatch("[0-9a-f]{64}", token) and token not in output + "".join(calls)
    assert (tmp_path / "calls.auth").read_text().split() == ["token", "600"]
    assert not list(tmp_path.glob(".seed-grpo*"))
    assert (tmp_path / "calls.ended").read_text().count("ended") == 4
    assert (tmp_path / "calls").read_text().splitlines()[-1] == slurm.clearing


def test_slurm_puts_kinds_without_machines_of_their_own_on_all_others(tmp_path: Path) -> None:
    slurm = Slurm(tmp_path, DRIVER_STATUS="0", SLURM_JOB_NUM_NODES="2")
    assert slurm.start().wait(timeout=60) == 0
    given = [json.loads(re.search(r"--resources=({.*?})", call)[1]) for call in slurm.calls() if call[:4] == "srun"]
    assert [set(each) for each in given] == [{"trainer", "verifier"}, {"rollout", "verifier"}]


@pytest.mark.parametrize(("received", "requeued"), [(signal.SIGUSR1, True), (signal.SIGTERM, False)])
def test_slurm_passes_a_signal_on_and_waits_for_the_checkpoint(
    tmp_path: Path, received: signal.Signals, requeued: bool
) -> None:
    slurm = Slurm(tmp_path)
    process = slurm.start()
    slurm.wait_for_driver()
    process.send_signal(received)
    output = "".join(process.communicate(timeout=60))
    assert process.returncode == 130, output
    after = ["checkpoint", "scontrol requeue 7"] if requeued else ["checkpoint"]
    assert slurm.calls()[-len(after) :] == after and ("scontrol requeue 7" in slurm.calls()) == requeued


def test_slurm_says_what_is_wrong_before_anything_is_paid_for(tmp_path: Path) -> None:
    (tmp_path / "split").mkdir()
    process = Slurm(tmp_path / "split", TRAINER_NODES="2", ROLLOUT_NODES="4").start()
    message = "TRAINER_NODES=2 (at least 1) + ROLLOUT_NODES=4 + VERIFIER_NODES=0 must be the 4 machines of the job"
    assert message in process.communicate(timeout=60)[1] and process.returncode == 1
    (tmp_path / "lost").mkdir()
    lost = Slurm(tmp_path / "lost", NODES_TIMEOUT="3", ROLLOUT_NODES="2", VERIFIER_NODES="1", BROKEN='"verifier"')
    process = lost.start()
    output, errors = process.communicate(timeout=60)
    assert "waiting for Ray: up on 3 of 4 machines" in output
    assert "Ray is up on 3 of 4 machines after 3 s" in errors and process.returncode == 1
    assert not any(call.startswith("seed-grpo") for call in lost.calls())


def test_one_machine_has_all_kinds_of_workers_and_takes_jobs_on_loopback(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    script = shutil.copy(CLUSTER / "single-node.sh", tmp_path / "cluster")
    environment = Slurm(tmp_path).environment | {"HOME": str(tmp_path)}
    token = tmp_path / ".ray/auth_token"  # as Ray leaves it
    token.parent.mkdir()
    token.touch(0o644)
    output = subprocess.run([script], env=environment, check=True, capture_output=True, text=True).stdout
    generate, start = (tmp_path / "calls").read_text().splitlines()
    assert generate == "ray get-auth-token --generate"
    arguments = shlex.split(start.replace("{", "'{").replace("}", "}'"))
    assert arguments[:3] == ["ray", "start", "--head"]
    assert "--dashboard-host=127.0.0.1" in arguments
    assert json.loads(arguments[-1].partition("=")[2]) == dict.fromkeys(KINDS, 1)
    assert (tmp_path / "calls.auth").read_text().startswith("token")
    assert token.stat().st_mode & 0o777 == 0o600
    assert f"jobs/submit.sh train jobs/qwen2.5-math-7b.yaml run.directory={tmp_path}/" in output


FAKE_RAY = """#!/usr/bin/env bash
printf '%s\\n' "$@" > $CALLS
while [[ $1 != --working-dir ]]; do shift; done
(cd $2 && find . -type f -printf '%s %P\\n') > $CALLS.files
echo $2 > $CALLS.folder
exit 3
"""


def fake_ray(folder: Path) -> dict[str, str]:
    """The environment in which `ray` is the fake, with a python beside it."""
    for name, text in (("ray", FAKE_RAY), ("python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(folder / "calls")}


def test_a_job_brings_code_and_configuration_and_returns_its_exit_code(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("run: {steps: 1}")
    environment = fake_ray(tmp_path)
    submit = CLUSTER.parent / "jobs/submit.sh"
    command = [submit, "--no-wait", "--", "doctor", tmp_path / "mine.yaml", "--live", "run.seed=a b"]
    assert subprocess.run(command, env=environment).returncode == 3
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[:2] == ["job", "submit"] and "--no-wait" in calls
    program = ["python", "-m", "seed_grpo.cli", "doctor", "config.yaml", "--live", "run.seed=a b"]
    assert calls[calls.index("--") :] == ["--", *program]
    uploaded = [line.split(" ", 1) for line in (tmp_path / "calls.files").read_text().splitlines()]
    files = [Path(name) for _, name in uploaded]
    assert {file.parts[0] for file in files} == {"config.yaml", "seed_grpo"} and Path("seed_grpo/cli.py") in files
    assert {file.suffix for file in files} <= {".py", ".yaml", ".html", ".css", ".js"}
    assert sum(int(size) for size, _ in uploaded) < 2_000_000
    assert not Path((tmp_path / "calls.folder").read_text().strip()).exists()
    wrong = subprocess.run([submit, "train", "absent.yaml"], env=environment, capture_output=True, text=True)
    assert wrong.returncode == 2 and "no file 'absent.yaml'" in wrong.stderr


@pytest.mark.parametrize("place", ["yaml", "override"])
def test_a_job_brings_the_users_own_code(tmp_path: Path, place: str) -> None:
    """Files and packages by paths from where the script is called, whichever of the two names them."""
    environment, submit = fake_ray(tmp_path), CLUSTER.parent / "jobs/submit.sh"
    work = tmp_path / "some where"
    (work / "lib/package/__pycache__").mkdir(parents=True)
    for name in ("my rewards.py", "lib/package/__init__.py", "lib/package/words.txt", "lib/package/__pycache__/x.pyc"):
        (work / name).write_text("VALUE = 1")
    code = '["my rewards.py", lib/package/]'
    run = {"yaml": f"{{steps: 1, code: {code}}}", "override": "{steps: 1, code: [absent.py]}"}[place]
    (work / "mine.yaml").write_text(f"run: {run}")
    settings = {"yaml": ["run.seed=1"], "override": ["run.code=[absent.py]", f"run.code={code}"]}[place]
    done = subprocess.run([submit, "train", "mine.yaml", *settings], cwd=work, env=environment)
    assert done.returncode == 3  # of the fake
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[-1] == 'run.code=["code/my rewards.py", "code/package"]'  # the last setting of a name counts
    uploaded = [line.split(" ", 1)[1] for line in (tmp_path / "calls.files").read_text().splitlines()]
    assert sorted(name for name in uploaded if name.startswith("code/")) == [
        "code/my rewards.py", "code/package/__init__.py", "code/package/words.txt",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("[absent.py]", "run.code has absent.py, which is not here"),
        ("absent.py", "run.code is the text 'absent.py'; write a list of paths: [absent.py]"),
        ("[a/x.py, b/x.py]", "b/x.py, and another of its name"),
    ],
)
def test_a_job_without_its_code_is_not_submitted(tmp_path: Path, code: str, message: str) -> None:
    environment, submit = fake_ray(tmp_path), CLUSTER.parent / "jobs/submit.sh"
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.py").touch()
    (tmp_path / "mine.yaml").write_text("run: {steps: 1}")
    command = [submit, "train", "mine.yaml", f"run.code={code}"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "calls").exists()
