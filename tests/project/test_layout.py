"""The rules of the layout hold in this tree, and each one that is broken on purpose is caught."""

import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from support import layout

ROOT = Path(__file__).parents[2]
PACKAGE, TESTS = ROOT / "seed_grpo", ROOT / "tests"
TOP_LEVEL = {"seed_grpo", "cluster", "jobs", "tests", "docker", "findings", "LICENSE", "pyproject.toml", "README.md"}
HEAVY = ("torch", "vllm", "ray", "deepspeed", "transformers", "sympy", "matplotlib")
LIGHT: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("seed_grpo", "seed_grpo.errors", "seed_grpo.messages", "seed_grpo.config.loading", "seed_grpo.cli"): HEAVY,
    ("seed_grpo.importing.reading", "seed_grpo.commands.import_file"): HEAVY,
    ("seed_grpo.semantics.entropy", "seed_grpo.semantics.partition"): HEAVY,
    ("seed_grpo.testing",): ("torch", "vllm", "ray", "deepspeed", "transformers", "pytest"),
    ("seed_grpo.algo.scale", "seed_grpo.algo.advantage", "seed_grpo.loop.controller"): ("vllm", "ray", "deepspeed"),
    ("seed_grpo.rollout.engine", "seed_grpo.train.engine", "seed_grpo.weight_sync.base"): HEAVY,
    ("seed_grpo.runtime.cluster.placement", "seed_grpo.loop.queue"): HEAVY,
    ("seed_grpo.pretrained.shape", "seed_grpo.records.throughput", "seed_grpo.records.trackers.process_main"): HEAVY,
    ("seed_grpo.commands.train",): ("vllm", "deepspeed"),
}
"""modules -> what importing them must not load"""


def hold(violations: list[str]) -> None:
    """Fails with all violations, one a line."""
    assert not violations, "\n" + "\n".join(violations)


def test_nothing_imports_upwards() -> None:
    hold(layout.check_floors(PACKAGE))


def test_no_two_files_reach_each_other() -> None:
    hold(layout.check_circles(PACKAGE))


def test_third_party_packages_appear_only_at_the_edge_that_owns_them() -> None:
    hold(layout.check_owners(PACKAGE))


def test_folders_stay_small() -> None:
    hold(layout.check_folders(PACKAGE))


@pytest.mark.parametrize("folder", [PACKAGE, TESTS], ids=lambda folder: folder.name)
def test_files_and_functions_stay_short(folder: Path) -> None:
    hold(layout.check_sizes(folder))


def test_every_docstring_and_every_note_stands_alone() -> None:
    hold([fault for folder in (PACKAGE, TESTS) for fault in layout.check_docstrings(folder)])


def test_unit_tests_stand_where_their_modules_do() -> None:
    hold(layout.check_places_of_tests(PACKAGE, TESTS / "unit"))


def test_tests_are_marked_by_what_they_start() -> None:
    hold(layout.check_marks(TESTS))


def test_names_of_tests_stay_short() -> None:
    hold(layout.check_names_of_tests(TESTS))


def test_tests_use_no_private_name_but_their_own() -> None:
    hold(layout.check_private_names(TESTS))


def test_model_output_is_never_evaluated() -> None:
    hold(layout.check_evaluation(PACKAGE))


def test_the_top_level_holds_what_the_layout_names() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    assert (
        layout.check_top_level([name for name in listed.stdout.splitlines() if (ROOT / name).is_file()], TOP_LEVEL)
        == []
    )


def test_the_tests_that_hold_the_invariants_are_there() -> None:
    """Every bullet of the README: a link to a file, and names of its tests."""
    bullets = re.findall(r"^   - \[(.+?)\]\((.+?)\)(.*(?:\n     .*)*)", (TESTS / "README.md").read_text(), re.MULTILINE)
    assert len(bullets) > 20
    for shown, link, names in bullets:
        assert shown == link
        for name in re.findall(r"`(\w+)`", names):
            assert f"def {name}(" in (TESTS / link).read_text(), f"{link} has no {name}"


@pytest.mark.parametrize(
    ("module", "forbidden"), [(module, heavy) for modules, heavy in LIGHT.items() for module in modules]
)
def test_light_modules_load_nothing_heavy(module: str, forbidden: tuple[str, ...]) -> None:
    """In a fresh interpreter: what `sys.modules` holds after the import."""
    code = f"import sys, {module}; print([m for m in {forbidden!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{module} does not import:\n{done.stderr}"
    assert done.stdout.strip() == "[]", f"importing {module} loads {done.stdout.strip()}"


# ---------------------------------------------------------------- each rule, broken on purpose

SOUND = {
    "house/__init__.py": '"""A package that keeps the rules."""\n',
    "house/cli.py": '"""Parses."""\nfrom house.commands import train\n',
    "house/commands/__init__.py": '"""Commands."""\n',
    "house/commands/train.py": '"""Trains."""\nfrom house.loop.queue import Queue\n',
    "house/loop/__init__.py": '"""The loop."""\n',
    "house/loop/queue.py": '"""Queues."""\nfrom house import errors\nfrom . import ledger\n\n\nclass Queue: ...\n',
    "house/loop/ledger.py": '"""Remembers."""\nfrom house.errors import BadError\n',
    "house/runtime/__init__.py": '"""Starts."""\nimport ray\n',
    "house/errors.py": '"""Errors."""\n\n\nclass BadError(Exception):\n    """Anything bad."""\n',
    "tests/unit/test_cli.py": "",
    "tests/unit/test_loop.py": "",
    "tests/unit/loop/test_queue.py": "",
    "tests/unit/loop/queue/test_capacity.py": "",
    "tests/engines/test_ray.py": "import pytest\n\npytestmark = pytest.mark.engine\n",
}


def built(folder: Path, *changes: Mapping[str, str]) -> Path:
    """The package of `SOUND`, with files that take the place of some or come besides."""
    for files in (SOUND, *changes):
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    return folder / "house"


def of_tests(check: Callable[[Path, Path], list[str]]) -> Callable[[Path], list[str]]:
    return lambda package: check(package, package.parent / "tests/unit")


def marks(package: Path) -> list[str]:
    return layout.check_marks(package.parent / "tests")


def names(package: Path) -> list[str]:
    return layout.check_names_of_tests(package.parent / "tests")


def private_names(package: Path) -> list[str]:
    return layout.check_private_names(package.parent / "tests")


PLACES = of_tests(layout.check_places_of_tests)
CHECKS = [
    layout.check_floors, layout.check_circles, layout.check_owners, layout.check_folders, layout.check_sizes,
    layout.check_docstrings, layout.check_evaluation, PLACES, marks, names, private_names,
]  # fmt: skip
QUEUE = "from house.loop.queue import Queue\n"
DOC = '"""Breaks a rule."""\n'
LATE = "def late():\n    "
FLOORS, CIRCLES, OWNERS = layout.check_floors, layout.check_circles, layout.check_owners
SIZES, DOCSTRINGS = layout.check_sizes, layout.check_docstrings

BROKEN: Mapping[str, tuple[Callable[[Path], list[str]], Mapping[str, str], str]] = {
    "upwards": (FLOORS, {"house/errors.py": DOC + QUEUE}, "errors imports loop.queue, upwards"),
    "upwards in a function": (FLOORS, {"house/errors.py": DOC + LATE + QUEUE}, "errors imports loop.queue, upwards"),
    "upwards for typing": (
        FLOORS,
        {"house/errors.py": f"{DOC}from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {QUEUE}"},
        "errors imports loop.queue, upwards",
    ),
    "upwards by a relative name": (
        FLOORS,
        {"house/loop/ledger.py": DOC + "from ..commands import train\n"},
        "loop.ledger imports commands.train, upwards",
    ),
    "upwards to the public API": (
        FLOORS,
        {"house/loop/ledger.py": DOC + "from house import __version__\n"},
        "loop.ledger imports the package, upwards",
    ),
    "a fake in the program": (
        FLOORS,
        {
            "house/testing/__init__.py": DOC,
            "house/cli.py": DOC,
            "house/loop/ledger.py": DOC + LATE + "import house.testing\n",
        },
        "loop.ledger imports testing, upwards",
    ),
    "past the commands": (FLOORS, {"house/cli.py": DOC + LATE + QUEUE}, "cli imports loop.queue, past the commands"),
    "no floor": (FLOORS, {"house/utils.py": DOC}, "utils has no floor"),
    "circle of three": (
        CIRCLES,
        {"house/loop/ledger.py": DOC + "from house.loop.clock import now\n", "house/loop/clock.py": DOC + QUEUE},
        "a circle: loop.clock, loop.ledger, loop.queue",
    ),
    "circle through a folder": (
        CIRCLES,
        {"house/loop/__init__.py": DOC + QUEUE, "house/loop/ledger.py": DOC + LATE + "from house.loop import Queue\n"},
        "a circle: loop, loop.ledger, loop.queue",
    ),
    "ray outside": (OWNERS, {"house/commands/train.py": DOC + "import ray\n"}, "commands.train imports ray"),
    "vllm in a function": (
        OWNERS,
        {"house/loop/queue.py": DOC + LATE + "from vllm.outputs import Output\n"},
        "loop.queue imports vllm",
    ),
    "pytest in the checks": (OWNERS, {"house/testing/__init__.py": DOC + "import pytest\n"}, "testing imports pytest"),
    "torch in the loop": (OWNERS, {"house/loop/queue.py": DOC + "import torch\n"}, "loop.queue imports torch"),
    "folder": (
        layout.check_folders,
        {f"house/loop/part_{number}.py": DOC for number in range(13)},
        "house/loop has 15 files, at most 14",
    ),
    "file": (SIZES, {"house/errors.py": DOC + "\n" * 350}, "house/errors.py has 351 lines, and its head"),
    "function": (
        SIZES,
        {"house/errors.py": DOC + "def long():\n" + "    pass\n" * 60},
        "house/errors.py: long has 61 lines",
    ),
    "no docstring": (DOCSTRINGS, {"house/errors.py": "\n"}, "house/errors.py has no docstring"),
    "first word of a module": (
        DOCSTRINGS,
        {"house/errors.py": '"""What may go wrong."""\n'},
        "house/errors.py: the docstring of the module begins with What",
    ),
    "first word of a method": (
        DOCSTRINGS,
        {"house/errors.py": DOC + 'class A:\n    def f(self):\n        """`Of` it."""\n'},
        "house/errors.py: the docstring of f begins with Of",
    ),
    "first word of a field's note": (
        DOCSTRINGS,
        {"house/errors.py": DOC + 'class A:\n    size: int\n    """of the pool"""\n'},
        "house/errors.py: the docstring of size begins with of",
    ),
    "first word of a constant's note": (
        DOCSTRINGS,
        {"house/errors.py": DOC + 'A, B = 1, 2\n"""How many."""\n'},
        "house/errors.py: the docstring of (A, B) begins with How",
    ),
    "test of no module": (PLACES, {"tests/unit/loop/test_clock.py": ""}, "unit/loop/test_clock.py tests neither"),
    "topic of no module": (PLACES, {"tests/unit/loop/clock/test_now.py": ""}, "unit/loop/clock/test_now.py tests"),
    "test in another folder": (PLACES, {"tests/unit/test_queue.py": ""}, "unit/test_queue.py tests neither a module"),
    "no mark": (marks, {"tests/engines/test_x.py": ""}, "engines/test_x.py has no mark engine"),
    "engine as a unit": (marks, {"tests/unit/test_cli.py": "mark.engine"}, "unit/test_cli.py starts engines"),
    "name of a test": (
        names,
        {"tests/unit/test_cli.py": f"def test_{'a' * 65}(): ...\ndef test_{'b' * 66}(): ...\n"},
        f"unit/test_cli.py: test_{'b' * 66} has 71 characters, at most 70",
    ),
    "attribute": (private_names, {"tests/unit/test_cli.py": "queue._items"}, "unit/test_cli.py:1 uses _items"),
    "attribute of a base class": (
        private_names,
        {"tests/support/fake.py": "class Fake(Queue):\n    def all(self):\n        return self._items\n"},
        "support/fake.py:3 uses _items",
    ),
    "import": (private_names, {"tests/unit/test_cli.py": "from house.cli import _parser\n"}, "unit/test_cli.py:1 uses"),
    "by a name": (
        private_names,
        {"tests/benchmarks/step.py": 'patch.setattr("house.cli._parser", None)\n'},
        "benchmarks/step.py:1 uses _parser",
    ),
    "of another package": (
        private_names,
        {"tests/long/test_x.py": "mark.long\nimport os\nos._exit(3)\nrun._registry\n"},
        "long/test_x.py:4 uses _registry",
    ),
    "eval": (layout.check_evaluation, {"house/errors.py": DOC + "eval(text)\n"}, "house/errors.py:2: eval(text)"),
    "shell": (layout.check_evaluation, {"house/errors.py": DOC + "run(a, shell=True)\n"}, "house/errors.py:2: run"),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_sound_package_passes_every_check(check: Callable[[Path], list[str]], tmp_path: Path) -> None:
    assert check(built(tmp_path)) == []


@pytest.mark.parametrize(("check", "changes", "violation"), BROKEN.values(), ids=BROKEN)
def test_a_broken_rule_is_caught(
    check: Callable[[Path], list[str]], changes: Mapping[str, str], violation: str, tmp_path: Path
) -> None:
    found = check(built(tmp_path, changes))
    assert len(found) == 1 and found[0].startswith(violation), found


def test_a_long_file_that_says_it_is_one_thing_may_be_long(tmp_path: Path) -> None:
    grammar = '"""A grammar. It is one thing."""\n' + "\n" * 400
    assert layout.check_sizes(built(tmp_path, {"house/errors.py": grammar})) == []


def test_a_stranger_at_the_top_level_is_named() -> None:
    assert layout.check_top_level(["README.md", ".ci/run", "notes/a.md", "notes/b.md"], {"README.md"}) == [
        "notes is at the top level"
    ]
