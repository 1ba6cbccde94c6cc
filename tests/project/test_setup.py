"""Installation: what docker/setup.sh says before it installs anything, and the wheel of the program."""

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("bash", "dirname", "cat", "sha256sum", "awk", "df", "wc", "rm", "grep")
"""programs that setup.sh calls before it installs"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the parts of a clone that setup.sh reads, and `bin` with the tools that it finds on PATH."""
    shutil.copytree(ROOT / "docker", tmp_path / "docker")
    (tmp_path / "bin").mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found
        (tmp_path / "bin" / name).symlink_to(found)
    return tmp_path


def command_of(clone: Path, name: str, script: str) -> Path:
    path = clone / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def setup(clone: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", clone / "docker/setup.sh", *arguments],
        env={"PATH": str(clone / "bin"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tpu"], "setup: 'tpu' is neither cpu nor gpu\n"),
        (["cpu", "all"], "setup: 'all' is neither packages nor tests\n"),
    ],
)
def test_what_is_unknown_is_refused(clone: Path, arguments: list[str], message: str) -> None:
    done = setup(clone, *arguments)
    assert (done.returncode, done.stderr, (clone / ".venv").exists()) == (2, message, False)


def test_without_a_python_that_fits_it_says_what_to_install(clone: Path) -> None:
    command_of(clone, "python3", "exit 1")  # as one of another version answers
    done = setup(clone)
    assert (done.returncode, (clone / ".venv").exists()) == (2, False)
    assert "PATH has no Python 3.11 to 3.13; install one (uv python install 3.12;" in done.stderr


def test_a_named_python_that_does_not_fit_is_named(clone: Path) -> None:
    old = command_of(clone, "python3.9", "exit 1")
    done = setup(clone, PYTHON=str(old))
    assert done.returncode == 2
    assert f"setup: {old} has no Python 3.11 to 3.13" in done.stderr


def test_an_interpreter_without_venv_leaves_nothing_half_done(clone: Path) -> None:
    command_of(clone, "python3.12", '[ "$1" = -c ] && exit 0; /bin/mkdir .venv; exit 1')
    done = setup(clone)
    assert (done.returncode, (clone / ".venv").exists()) == (2, False)
    assert "setup: python3.12 makes no environment; on Debian and Ubuntu its package" in done.stderr


def test_the_first_interpreter_that_fits_is_taken_by_uv_where_it_is(clone: Path) -> None:
    command_of(clone, "python3.11", "exit 1")
    command_of(clone, "python3.13", "exit 0")
    command_of(clone, "uv", 'echo "$@"; exit 1')
    done = setup(clone)
    assert "venv --quiet --seed --python python3.13 .venv" in done.stdout, done.stderr


def test_a_full_disk_is_told_before_anything_is_installed(clone: Path) -> None:
    (clone / "bin/df").unlink()
    command_of(clone, "df", 'echo "Filesystem 1024-blocks Used Available Capacity Mounted"; echo "d 1 1 3145728 1% /"')
    done = setup(clone, "gpu")
    assert (done.returncode, (clone / ".venv").exists()) == (2, False)
    assert done.stderr == "setup: 3 GB free here, 16 are needed; free some, or clone elsewhere\n"


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "seed_grpo", folder / "seed_grpo", ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", ".", cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_of_the_package_that_it_reads(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("seed_grpo/")}
    files = [path for path in (ROOT / "seed_grpo").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert packed == {str(path.relative_to(ROOT)) for path in files if path.suffix != ".md"}


def test_the_wheel_installs_where_vllm_is_and_runs(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", "venv", cwd=tmp_path)
    bin = tmp_path / "venv/bin"
    (site,) = (tmp_path / "venv/lib").glob("python3.*/site-packages")
    for package in Path(sysconfig.get_path("purelib")).iterdir():  # all that is here, but for this program itself
        if "seed_grpo" not in package.name:
            (site / package.name).symlink_to(package)
    # without an index, pip finds all that the program asks for in the environment, or fails
    run(bin / "python", "-m", "pip", "install", "--quiet", "--no-index", wheel, cwd=tmp_path)
    shown = run(
        bin / "python",
        "-c",
        "import os, seed_grpo; print(os.path.dirname(seed_grpo.__file__)); print(seed_grpo.pass_at_k(2, 1, 1))",
        cwd=tmp_path,
    )
    assert shown.split() == [str(site / "seed_grpo"), "0.5"]
    plugins = "from importlib.metadata import entry_points; print(entry_points(group='vllm.general_plugins').names)"
    assert "seed_grpo_engine" in run(bin / "python", "-c", plugins, cwd=tmp_path)
    assert "equal number" in run(bin / "seed-grpo", "judge", "1/2", "0.5", cwd=tmp_path)
