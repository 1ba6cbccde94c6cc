"""The user's own functions: import paths `module:name` beside the built-in names, and the code that they come from.

Consumes names of the configuration and the files of `run.code`; produces the functions behind the names. The files are
copied once, so that a run keeps the code that it began with; the copy is what this process imports, what Ray brings to
the workers, and what the run directory keeps. It calls none of the functions.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import re
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, TypeVar

from seed_grpo.errors import ConfigError

T = TypeVar("T")

IMPORT_PATH = re.compile(r"(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_]\w*)")
"""an import path, such as `my_rewards:brevity` or `my_package.rewards:brevity`"""
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".git", ".gitignore", ".rayignore")
"""files that are no code; the last two would make Ray leave out others on the way to a worker"""
MOST_MIB = 100
"""size of a run's own code, which goes to every machine and into the run directory"""

_installed: tempfile.TemporaryDirectory[str] | None = None


def is_import_path(name: str) -> bool:
    """Tells an import path from a built-in name."""
    return IMPORT_PATH.fullmatch(name) is not None


def entry(table: Mapping[str, T], name: str) -> T:
    """The entry of a table, or the user's own function where the name is an import path. What that one raises becomes a
    `ConfigError`.

    Raises:
        ConfigError: nothing can be imported under the path, or no function.
    """
    return table[name] if name in table else _named(name, load(name))


def _named(path: str, function: Any) -> Any:
    """The function of an import path, whose errors name it."""
    if not callable(function):
        raise ConfigError(f"{path} is {function!r:.100}, which is no function; name a function")

    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as error:  # whatever the user's code raises
            raise ConfigError(f"{path} failed with {type(error).__name__}: {_said(error)}; correct it") from error

    return call


def load(path: str) -> Any:
    """Imports what an import path names.

    Raises:
        ConfigError: there is no such module or name, or the module fails as it is imported.
    """
    match = IMPORT_PATH.fullmatch(path)
    assert match is not None, f"{path!r} is no import path"
    try:
        module = importlib.import_module(match["module"])
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{path}: there is no module {error.name!r}; add its file or package to run.code, or install it"
        ) from error
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise ConfigError(
            f"{path}: importing {match['module']} failed with {type(error).__name__}: {_said(error)}; correct it"
        ) from error
    if not hasattr(module, match["name"]):
        raise ConfigError(f"{path}: {match['module']} has no {match['name']!r}; name a function of it")
    return getattr(module, match["name"])


def _said(error: BaseException) -> str:
    """Words and place of an error, in the user's own file where it came from a call there."""
    if isinstance(error, SyntaxError):
        return f"{error.msg} ({Path(error.filename or '').name}, line {error.lineno})"
    frames = [each for each in traceback.extract_tb(error.__traceback__) if each.filename != __file__]
    own = [each for each in frames if not each.filename.startswith(("<frozen", sys.prefix, sys.base_prefix))]
    if not frames:  # the call itself failed
        return str(error)
    place = (own or frames)[-1]
    return f"{error} ({Path(place.filename).name}, line {place.lineno})"


def num_positional(function: Callable[..., Any]) -> int:
    """Number of positional parameters of a function, those with a default not counted.

    Raises:
        ConfigError: it is no function.
    """
    if not callable(function):
        raise ConfigError(f"an import path names {function!r:.100}, which is no function")
    parameters = inspect.signature(function).parameters.values()
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty for p in parameters)


def install(code: Sequence[Path]) -> list[Path]:
    """Copies the files and packages of `run.code`, and makes the copies importable here and in processes started here.

    What an earlier call made importable no longer is.

    Returns:
        the copies, in the order of `code`.

    Raises:
        ConfigError: one of them is missing, is no Python file or package, has the name of another module, or cannot
            be copied; or they are too large.
    """
    global _installed
    _uninstall()
    if not code:
        return []
    names = [_module_name(path) for path in code]
    for path, name in zip(code, names, strict=True):
        if names.count(name) > 1:
            raise ConfigError(f"run.code has {names.count(name)} modules {name!r}; rename all but one")
        if name in sys.builtin_module_names or _hides(path, name):
            raise ConfigError(f"run.code: {path} would hide the module {name!r} that is installed here; rename it")
    _check_size(code)
    _forget(names)
    _installed = tempfile.TemporaryDirectory(prefix="seed_grpo_code_")
    try:
        copies = [_copy(path, Path(_installed.name)) for path in code]
    except OSError as error:
        _uninstall()
        raise ConfigError(f"run.code cannot be copied: {error}; give files that this program can read") from error
    sys.path.insert(0, _installed.name)  # before the originals, which may be importable too
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_installed.name, os.environ.get("PYTHONPATH")]))
    importlib.invalidate_caches()
    return copies


@contextmanager
def installing(code: Sequence[Path]) -> Iterator[None]:
    """Makes code importable as `install` does, until the block ends. Raises as `install`."""
    install(code)
    try:
        yield
    finally:
        install([])


def installed() -> list[Path]:
    """The copies that `install` made, sorted by name; none where a run has no code of its own."""
    return [] if _installed is None else sorted(Path(_installed.name).iterdir())


def digests(code: Sequence[Path]) -> dict[str, str]:
    """SHA-256 of every file of some code, by its path below the folder of the code."""
    files = [(path, file) for path in code for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    return {
        file.relative_to(path.parent).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for path, file in files
        if file.is_file() and "__pycache__" not in file.parts
    }


def _module_name(path: Path) -> str:
    """The module that a file or a folder is imported as."""
    is_file, is_folder = path.is_file() and path.suffix == ".py", path.is_dir()
    name = path.resolve().name.removesuffix(".py")
    if not is_file and not is_folder:
        raise ConfigError(
            f"run.code: {path} is no Python file and no package in {Path.cwd()}; give paths of .py files or of folders"
        )
    if not name.isidentifier():
        raise ConfigError(f"run.code: {path} cannot be imported as {name!r}; rename it to a Python name")
    return name


def _hides(path: Path, name: str) -> bool:
    """Tells whether there is a module of the name that is not the file or folder itself."""
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # a module without a spec, such as __main__
        return True
    return spec is not None and path.resolve() not in _places(spec)


def _places(spec: ModuleSpec) -> list[Path]:
    """The file or the folders of a module."""
    return [Path(place).resolve() for place in spec.submodule_search_locations or [spec.origin or ""]]


def _check_size(code: Sequence[Path]) -> None:
    total = 0
    for path in code:
        for file in [path] if path.is_file() else path.rglob("*"):
            total += file.stat().st_size if file.is_file() else 0
            if total > MOST_MIB * 2**20:
                raise ConfigError(
                    f"run.code is over {MOST_MIB} MiB with {path}; give the files and packages that are imported, and "
                    "name data by absolute paths"
                )


def _copy(path: Path, folder: Path) -> Path:
    target = folder / path.resolve().name
    if path.is_dir():
        shutil.copytree(path, target, ignore=LEFT_OUT)
    else:
        shutil.copyfile(path, target)
    return target


def _forget(names: Collection[str]) -> None:
    """Has the next import of these modules read them anew."""
    for module in [module for module in sys.modules if module.partition(".")[0] in names]:
        del sys.modules[module]


def _uninstall() -> None:
    global _installed
    if _installed is None:
        return
    _forget([path.name.removesuffix(".py") for path in installed()])
    sys.path[:] = [part for part in sys.path if part != _installed.name]
    kept = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part != _installed.name]
    os.environ["PYTHONPATH"] = os.pathsep.join(kept)
    _installed.cleanup()
    _installed = None
