"""The process behind `seed_grpo.verify.isolation.own_reward`: calls a reward of the user's own, group after group.

Usage: `python -m seed_grpo.verify.isolation.own_reward_main REWARD SETTINGS MEMORY_MIB`, the settings being a JSON
object.

Reads one JSON line a group from its standard input, writes one line of rewards, or of what the reward raised, to its
standard output, ends with its input. What the reward prints goes to standard error. It stays the same process, so that
a reward may keep what it has loaded; it is the user's own code, and may do anything.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seed_grpo.errors import ConfigError
from seed_grpo.extensions import load
from seed_grpo.verify.rewards import SHOWN_CHARS, TRACEBACK_CHARS, RewardGroup, numbers_of


def serve(path: str, settings: Mapping[str, Any], memory_mib: int) -> None:
    """Answers requests until the input closes."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's to handle
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = memory_mib * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    try:
        reward = of_groups(path, load(path), settings)
    except (ConfigError, TypeError, ValueError) as error:  # the owner says so
        print(json.dumps({"said": str(error)}), file=replies, flush=True)
        return
    print(json.dumps({}), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(_reply(reward, line)), file=replies, flush=True)


def of_groups(path: str, function: Callable[..., Any], settings: Mapping[str, Any]) -> Callable[[RewardGroup], Any]:
    """A reward of whole groups, from one of groups or of single completions, async or not.

    Raises:
        TypeError: the signature is neither, or does not take the settings.
    """
    parameters = inspect.signature(function).parameters.values() if callable(function) else ()
    names = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
    takes = [name for name in names if name not in settings][:2]
    loop = asyncio.Runner()  # one for all groups, so that a connection may be kept
    if takes[:1] == ["group"]:
        _check_settings(path, function, ["group"], settings)
        return lambda group: _awaited(loop, [function(group, **settings)])[0]
    if takes[:1] == ["completion"]:
        _check_settings(path, function, takes if takes[1:] == ["problem"] else takes[:1], settings)
        with_problem = takes[1:] == ["problem"]
        return lambda group: _awaited(
            loop,
            [function(each, *[group.problem] * with_problem, **settings) for each in group.completions],
        )
    raise TypeError(
        f"{path}: its parameters are {', '.join(names) or 'none'}; the first is to be named `group`, for G numbers, or "
        "`completion`, for one, and then the second `problem`, if it takes that"
    )


def _check_settings(path: str, function: Callable[..., Any], takes: Sequence[str], settings: Mapping[str, Any]) -> None:
    try:
        inspect.signature(function).bind(*takes, **settings)
    except TypeError as error:
        raise TypeError(
            f"{path}: {error}; it is called with {', '.join(takes)} and its settings {dict(settings)}"
        ) from None


def _awaited(loop: asyncio.Runner, values: list[Any]) -> list[Any]:
    """The values, all awaited at the same time where the first can be."""

    async def gathered() -> list[Any]:
        return await asyncio.gather(*values)

    return loop.run(gathered()) if inspect.isawaitable(values[0]) else values


def _reply(reward: Callable[[RewardGroup], Any], line: str) -> dict[str, Any]:
    try:
        group = RewardGroup.from_json(json.loads(line))
        return {"rewards": numbers_of(reward(group), len(group.completions))}
    except Exception as error:  # it travels as text
        said = f"{type(error).__name__}: {error}"[:SHOWN_CHARS]
        return {"error": said, "traceback": traceback.format_exc()[-TRACEBACK_CHARS:]}


def main(arguments: Sequence[str]) -> None:
    """Reads the command line."""
    path, settings, memory_mib = arguments
    serve(path, json.loads(settings), int(memory_mib))


if __name__ == "__main__":
    main(sys.argv[1:])
