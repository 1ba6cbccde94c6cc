"""The user's own code: imported by path, copied once, and importable in processes that are started here."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seed_grpo import extensions
from seed_grpo.errors import ConfigError
from seed_grpo.extensions import digests, entry, install, installed, is_import_path, load, num_positional


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    before = list(sys.path), os.environ.get("PYTHONPATH", "")
    yield
    install([])
    assert (sys.path, os.environ.get("PYTHONPATH", "")) == before


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def in_subprocess(expression: str, module: str) -> str:
    code = f"import {module}; print({module.partition('.')[0]}.{expression})"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    ("name", "is_path"),
    [
        ("my_rewards:brevity", True),
        ("my_package.rewards:brevity", True),
        ("math", False),
        ("my_rewards:", False),
        (":brevity", False),
        ("my rewards:brevity", False),
        ("my_rewards:Class.method", False),
        ("my-rewards:brevity", False),
        ("http://host:80", False),
        ("a:b:c", False),
        ("a..b:c", False),
        ("a:b\n", False),
    ],
)
def test_an_import_path_is_a_module_and_a_name(name: str, is_path: bool) -> None:
    assert is_import_path(name) is is_path


def test_a_built_in_name_goes_before_an_import(tmp_path: Path) -> None:
    install([write(tmp_path / "own_one.py", "def f():\n    return 7\n\nNUMBER = 3\n")])
    assert entry({"mean": 3}, "mean") == 3
    assert entry({"mean": len}, "own_one:f")() == 7
    with pytest.raises(ConfigError, match="own_one:NUMBER is 3, which is no function"):
        entry({"mean": len}, "own_one:NUMBER")


FAILING = {
    "no module": ("absent_module:f", "", "there is no module 'absent_module'; add its file or package to run.code"),
    "no import of its own": ("own_bad:f", "import absent_helper\n", "there is no module 'absent_helper'; add its file"),
    "no name": ("own_bad:g", "def f(): ...\n", "own_bad has no 'g'; name a function of it"),
    "syntax": ("own_bad:f", "x = 1\ndef f(:\n", r"SyntaxError: invalid syntax \(own_bad.py, line 2\)"),
    "raises": ("own_bad:f", "\n\n1 / 0\n", r"ZeroDivisionError: division by zero \(own_bad.py, line 3\)"),
    "in a library": ("own_bad:f", "import json\n\njson.loads('{')\n", r"JSONDecodeError: .*\(own_bad.py, line 3"),
    "exits": ("own_bad:f", "import sys\nsys.exit('no GPU')\n", r"SystemExit: no GPU \(own_bad.py, line 2\)"),
    "bytes": ("own_bad:f", "x = '\udce4'\n", r"SyntaxError: .*utf-8.* \(own_bad.py, line"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "text", "message"), FAILING.values(), ids=FAILING)
def test_what_cannot_be_imported_is_told_with_module_and_line(
    path: str, text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "own_bad.py").write_text(text, errors="surrogateescape")
    install([tmp_path / "own_bad.py"])
    with pytest.raises(ConfigError, match=message) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path}: ")


def test_ctrl_c_goes_through_an_import(tmp_path: Path) -> None:
    install([write(tmp_path / "own_bad.py", "raise KeyboardInterrupt\n")])
    with pytest.raises(KeyboardInterrupt):
        load("own_bad:f")


def test_required_positional_parameters_are_counted() -> None:
    signatures: dict[Callable[..., object], int] = {
        lambda a: a: 1,
        lambda a, b: a: 2,
        lambda a, b=1: a: 1,
        lambda a, *b, c, **d: a: 1,
        lambda: 0: 0,
        str.upper: 1,
    }
    assert {function: num_positional(function) for function in signatures} == signatures
    with pytest.raises(ConfigError, match=r"0\.5, which is no function"):
        num_positional(0.5)  # type: ignore[arg-type]


def test_the_copy_is_what_is_imported_here_and_in_processes(tmp_path: Path) -> None:
    original = write(tmp_path / "own_copied.py", "VALUE = 'first'\n")
    (copy,) = install([original])
    original.write_text("VALUE = 'edited while the run is at work'\n")
    assert load("own_copied:VALUE") == "first" and in_subprocess("VALUE", "own_copied") == "first"
    assert installed() == [copy] and copy.parent != tmp_path


def test_a_second_installation_takes_the_place_of_the_first(tmp_path: Path) -> None:
    install([write(tmp_path / "a/own_twice.py", "VALUE = 1\n"), write(tmp_path / "own_other.py", "")])
    assert load("own_twice:VALUE") == 1
    first = installed()
    install([write(tmp_path / "b/own_twice.py", "VALUE = 2\n")])
    assert load("own_twice:VALUE") == 2 and in_subprocess("VALUE", "own_twice") == "2"
    assert not any(path.exists() for path in first)
    install([])
    assert installed() == []
    with pytest.raises(ConfigError, match="there is no module 'own_twice'"):
        load("own_twice:VALUE")


def test_packages_come_with_their_submodules_and_files(tmp_path: Path) -> None:
    package = tmp_path / "own_package"
    write(package / "__init__.py", "")
    write(package / "deep/part.py", "from pathlib import Path\nfrom own_package.other import TWO\n"
          "TEXT = (Path(__file__).parent / 'words.txt').read_text()\n")  # fmt: skip
    write(package / "deep/words.txt", "some words")
    write(package / "other.py", "TWO = 2\n")
    write(package / "__pycache__/other.cpython-311.pyc", "stale")
    write(package / ".gitignore", "*.txt\n")  # Ray would heed it on the way to a worker
    (copy,) = install([package])
    assert load("own_package.deep.part:TEXT") == "some words" and load("own_package.deep.part:TWO") == 2
    assert in_subprocess("deep.part.TEXT", "own_package.deep.part") == "some words"
    assert sorted(digests([copy])) == [
        "own_package/__init__.py", "own_package/deep/part.py", "own_package/deep/words.txt", "own_package/other.py",
    ]  # fmt: skip


def test_digests_are_of_content_and_not_of_the_place(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a/own_x.py", "1\n"), write(tmp_path / "b/own_x.py", "1\n")
    expected = {"own_x.py": hashlib.sha256(b"1\n").hexdigest()}
    assert digests([first]) == digests([second]) == expected
    second.write_text("2\n")
    assert digests([second]) != expected


@pytest.mark.parametrize("name", ["queue", "numpy", "seed_grpo", "pytest", "sys", "__main__"])
def test_no_file_may_hide_a_module_that_is_installed(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"would hide the module '{name}' that is installed here; rename it"):
        install([write(tmp_path / f"{name}.py", "")])
    assert installed() == []


def test_a_module_that_is_importable_already_is_not_hidden_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        file = write(tmp_path / "own_here.py", "VALUE = __file__\n")
        package = write(tmp_path / "own_folder/__init__.py", "VALUE = __file__\n").parent
        copies = install([file, package])
        assert load("own_here:VALUE") == str(copies[0]) and load("own_folder:VALUE") == str(copies[1] / "__init__.py")
        install([])


def test_two_modules_of_one_name_are_refused(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a/own_x.py", ""), write(tmp_path / "b/own_x.py", "")
    with pytest.raises(ConfigError, match=r"run.code has 2 modules 'own_x'; rename all but one"):
        install([first, second])


def test_what_is_no_module_is_refused(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "absent.py", "is no Python file and no package"),
        (write(tmp_path / "notes.txt", ""), "is no Python file and no package"),
        (write(tmp_path / "my-rewards.py", ""), "cannot be imported as 'my-rewards'; rename it"),
    ):
        with pytest.raises(ConfigError, match=message):
            install([path])


def test_what_cannot_be_copied_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    package = write(tmp_path / "own_package/__init__.py", "").parent
    (package / "data").symlink_to(tmp_path / "absent")
    with pytest.raises(ConfigError, match=r"cannot be copied: .*own_package/data"):
        install([package])
    assert installed() == []


def test_a_folder_that_holds_more_than_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extensions, "MOST_MIB", 1)
    package = write(tmp_path / "own_package/__init__.py", "").parent
    write(package / "weights.bin", "x" * 2**20)
    install([package])  # exactly what it may be
    write(package / "more.bin", "x")
    with pytest.raises(ConfigError, match=r"run.code is over 1 MiB with .*own_package"):
        install([package])
