"""A part to be checked: its name for messages, and the function behind it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from seed_grpo.errors import ConfigError
from seed_grpo.extensions import is_import_path, load

Part = str | Callable[..., Any]
"""built-in name, import path `module:name`, or function"""


def name_of(part: Part) -> str:
    """The part's name: a function's is its import path."""
    if isinstance(part, str):
        return part
    return f"{getattr(part, '__module__', None) or '?'}:{getattr(part, '__qualname__', None) or type(part).__name__}"


def function_of(part: Part) -> Any:
    """The function that an import path names, or the function itself.

    Raises:
        AssertionError: nothing can be imported under the path.
    """
    if not isinstance(part, str):
        return part
    try:
        return load(part)
    except ConfigError as error:
        raise AssertionError(str(error)) from error


def path_of(part: Part) -> str:
    """The import path under which another process finds a function; a built-in name as it is.

    Raises:
        AssertionError: another process could not import it.
    """
    name = name_of(part)
    if not isinstance(part, str):
        assert is_import_path(name) and not name.startswith("__main__:") and function_of(name) is part, (
            f"{name} cannot be imported by its name: it runs in a process of its own, so write it into a file, at the "
            "top level, and name it as module:function"
        )
    return name


@contextmanager
def importable_elsewhere() -> Iterator[None]:
    """Lets processes that are started in the block import what can be imported here."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
