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

from seed_grpo.extensions import load
from seed_grpo.verify.rewards import SHOWN_CHARS, RewardGroup, numbers_of


def serve(path: str, settings: Mapping[str, Any], memory_mib: int) -> None:
    """Answers requests until the input closes."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's to handle
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = memory_mib * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    try:
        reward = of_groups(load(path), settings)
    except Exception as error:  # the owner says so
        print(json.dumps({"said": f"{path}: {error}"}), file=replies, flush=True)
        return
    print(json.dumps({}), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(_reply(reward, json.loads(line))), file=replies, flush=True)


def of_groups(function: Callable[..., Any], settings: Mapping[str, Any]) -> Callable[[RewardGroup], Any]:
    """A reward of whole groups, from one of groups or of single completions, async or not.

    Raises:
        TypeError: the signature is neither, or does not take the settings.
    """
    names = [p.name for p in inspect.signature(function).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    positional = [name for name in names if name not in settings]
    if positional[:1] == ["group"]:
        inspect.signature(function).bind(None, **settings)
        return lambda group: _awaited(function(group, **settings))
    if positional[:1] == ["completion"]:
        with_problem = positional[1:2] == ["problem"]
        inspect.signature(function).bind(*[None] * (1 + with_problem), **settings)
        return lambda group: [
            _awaited(function(completion, *[group.problem] * with_problem, **settings))
            for completion in group.completions
        ]
    raise TypeError(
        f"its parameters are {', '.join(names) or 'none'}; the first is to be named `group`, for G numbers, or "
        "`completion`, for one, and then the second `problem`, if it takes that"
    )


def _awaited(value: Any) -> Any:
    return asyncio.run(value) if inspect.iscoroutine(value) else value


def _reply(reward: Callable[[RewardGroup], Any], request: Mapping[str, Any]) -> dict[str, Any]:
    group = RewardGroup.from_json(request)
    try:
        return {"rewards": numbers_of(reward(group), len(group.completions))}
    except Exception as error:  # it travels as text
        return {"error": f"{type(error).__name__}: {error}"[:SHOWN_CHARS], "traceback": traceback.format_exc()}


def main(arguments: Sequence[str]) -> None:
    """Reads the command line."""
    path, settings, memory_mib = arguments
    serve(path, json.loads(settings), int(memory_mib))


if __name__ == "__main__":
    main(sys.argv[1:])
