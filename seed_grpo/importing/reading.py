"""Reading of a file of another library: which library it is of, and its settings.

Consumes a path; produces a `Found`. A YAML file is TRL's; a script is that of the library whose training it starts. No
part of a file is run, and its size is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from seed_grpo.errors import ConfigError
from seed_grpo.importing.arguments import MOST_DEPTH, is_deep, refined
from seed_grpo.importing.peers.oat import OAT
from seed_grpo.importing.peers.openrlhf import OPENRLHF
from seed_grpo.importing.peers.trl import GONE, RECOGNISED_BY, TRL, renamed
from seed_grpo.importing.peers.verl import VERL
from seed_grpo.importing.rules import Peer
from seed_grpo.importing.shell import Command, read_commands

PEERS = (VERL, OPENRLHF, OAT, TRL)
MOST_BYTES = 100_000
YAML_SUFFIXES = (".yaml", ".yml", ".json")
KINDS = (
    "a YAML file of TRL, or a script that starts `python -m verl.trainer.main_ppo`, "
    "`python -m openrlhf.cli.train_ppo_ray`, `python -m oat.experiment.run_math_rl`, `train_zero_math.py` or `trl grpo`"
)


@dataclass(frozen=True)
class Found:
    """Settings of a file, e.g. `Found(VERL, {"data.train_batch_size": 1024}, ["extra"], [])`."""

    peer: Peer
    given: dict[str, Any]
    strays: list[str]
    """words of the command that are no settings"""
    remarks: list[str]
    unresolved: frozenset[str] = frozenset()
    """settings whose values only a shell could know"""


def read(path: Path, number: int | None) -> Found:
    """Reads a file.

    Args:
        number: of the training to read, from 1, where a script starts several.

    Raises:
        ConfigError: the file cannot be read, is of no known kind, or starts several trainings and `number` is None.
    """
    text = _text(path)
    if path.suffix.lower() in YAML_SUFFIXES:
        return _from_yaml(text, path)
    commands = read_commands(text, str(path))
    started = [found for command in commands for found in _started(command)]
    if not started:
        if _is_mapping(text):
            return _from_yaml(text, path)
        raise ConfigError(f"{path} is of no kind that can be imported: {KINDS}")
    return _chosen(started, path, number)


def _text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ConfigError(f"{path} has {size:,} bytes, and settings at most {MOST_BYTES:,}; name {KINDS}")
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; name {KINDS}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no text in UTF-8 (byte {error.start}); name {KINDS}") from error
    if "\0" in text:
        raise ConfigError(f"{path} is no text: it holds a byte of 0; name {KINDS}")
    if not text.strip():
        raise ConfigError(f"{path} is empty; name {KINDS}")
    return text


def _is_mapping(text: str) -> bool:
    try:
        return not is_deep(text) and isinstance(yaml.safe_load(text), dict)
    except (yaml.YAMLError, RecursionError, ValueError):
        return False


def _from_yaml(text: str, path: Path) -> Found:
    if is_deep(text):
        raise ConfigError(f"{path} has brackets more than {MOST_DEPTH} deep; TRL's settings are flat")
    try:
        aliased = any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text))
        tree = None if aliased else yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())[:300]}") from error
    if aliased:
        raise ConfigError(f"{path} has aliases (`*name`), which are not read; write the values out")
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} holds {type(tree).__name__}, not settings by name; name {KINDS}")
    names = {str(name) for name in tree}
    if {"run", "model", "data"} <= names:
        raise ConfigError(f"{path} is a configuration of seed_grpo already; use it as it is")
    if "actor_rollout_ref" in names:
        raise ConfigError(f"{path} is a tree of verl's settings; name the script that starts verl with them")
    if len(RECOGNISED_BY & names) < 2:
        raise ConfigError(f"{path} is of no kind that can be imported: {KINDS}")
    earlier = ", ".join(name for name in GONE if name in names)
    remark = f"CHECK algo.loss: {earlier} tell a file for a TRL before {TRL.version}, whose defaults differ; see below."
    return Found(TRL, renamed(refined(tree)), [], [remark] if earlier else [])


def _started(command: Command) -> Iterator[tuple[Peer, Command, Sequence[str]]]:
    """The training that a command starts, with the words behind its name; none, or one."""
    words = command.words
    for place, word in enumerate(words):
        pair = f"{words[place - 1]} {word}" if place else word
        for peer in PEERS:
            if peer.command.fullmatch(word) or peer.command.fullmatch(pair):
                yield peer, command, words[place + 1 :]
                return


def _chosen(started: list[tuple[Peer, Command, Sequence[str]]], path: Path, number: int | None) -> Found:
    if number is None and len(started) > 1:
        places = ", ".join(f"{order}: line {command.line}" for order, (_, command, _) in enumerate(started, 1))
        raise ConfigError(f"{path} starts {len(started)} trainings ({places}); choose one with --command N")
    place = 1 if number is None else number
    if not 1 <= place <= len(started):
        raise ConfigError(f"{path} starts {len(started)} trainings, and --command is {number}; choose another")
    peer, command, words = started[place - 1]
    given, strays = peer.parse(words)
    if peer is TRL and "config" in given:
        raise ConfigError(f"{path} starts TRL with the settings of {given['config']}; name that file")
    elsewhere = [word for word in strays if word.startswith("--config")]
    remarks = [f"CHECK all of it: {word} names a file of further settings, which is not read." for word in elsewhere]
    if command.cut_at is not None:
        remarks.append(
            f"CHECK all of it: line {command.cut_at} ends the command, as in a shell, by a comment or a blank behind "
            "its backslash; what follows is no part of it."
        )
    unresolved = frozenset(name for name, value in given.items() if _is_unresolved(value))
    return Found(peer, given, [word for word in strays if word not in elsewhere], remarks, unresolved)


def _is_unresolved(value: Any) -> bool:
    if isinstance(value, list):
        return any(_is_unresolved(each) for each in value)
    return isinstance(value, str) and re.search(r"\$[\w{(]|`", value) is not None
