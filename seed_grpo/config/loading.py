"""Reads the configuration from YAML and dotted overrides like `rollout.num_workers=4`, and writes it back.

Consumes a file and strings; produces a frozen `Config`, or one error that names every fault. It checks nothing itself:
the tree in `seed_grpo.config` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from seed_grpo.config import Config
from seed_grpo.errors import ConfigError


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Reads a YAML file, applies dotted overrides, and checks the whole.

    Args:
        path: YAML file.
        overrides: strings `section.key=value`; the value is read as YAML.

    Raises:
        ConfigError: the file is missing or not YAML, a key is unknown, or a value does not fit; one line that
            names every fault.
    """
    return parse_config(read_tree(path), str(path), overrides)


def resolve_config(config: Config | str | Path, overrides: Sequence[str] = ()) -> Config:
    """The configuration of a file or of the caller, with dotted overrides applied. Raises as `load_config`."""
    if not isinstance(config, Config):
        return load_config(config, overrides)
    return parse_config(config.model_dump(mode="json"), "the configuration", overrides) if overrides else config


def read_tree(path: str | Path) -> dict[str, Any]:
    """The sections of a YAML file as they stand there, unchecked. Raises as `load_config`."""
    path = Path(path)
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}; name a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} holds {type(tree).__name__}, not a mapping of sections to settings")
    return tree


def parse_config(tree: dict[str, Any], name: str, overrides: Sequence[str] = ()) -> Config:
    """The configuration of sections of settings, which the overrides change in place. Raises as `load_config`.

    Args:
        name: of where the settings come from, for the message.
    """
    for override in overrides:
        _apply_override(tree, override)
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"{name}: {describe(error)}") from error


def dump_config(config: Config) -> str:
    """The configuration as YAML that `load_config` reads back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def _apply_override(tree: dict[str, Any], override: str) -> None:
    dotted, equals, text = override.partition("=")
    if not equals or not all(dotted.split(".")):
        raise ConfigError(f"the override {override!r} is not of the form section.key=value")
    *parents, leaf = dotted.split(".")
    node = tree
    for parent in parents:
        child = node.get(parent)
        if child is None:
            child = node[parent] = {}
        if not isinstance(child, dict):
            raise ConfigError(f"the override {override!r} goes into {parent!r}, which is a value, not a section")
        node = child
    try:
        node[leaf] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"the value of the override {override!r} is not YAML") from error


def describe(error: ValidationError) -> str:
    """Pydantic's faults, for people."""
    return "; ".join(_described(fault) for fault in error.errors() if not _is_consequence(fault))


def _is_consequence(fault: Any) -> bool:
    """Tells the fault of a list that is too short only since its items have faults of their own."""
    return fault["type"] == "too_short" and fault["ctx"]["actual_length"] < len(fault["input"])


def _described(fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        return f"unknown key {key!r}"
    if fault["type"] == "missing":
        return f"{key} is missing"
    if fault["type"] == "tuple_type":
        return f"{key} is to be a list, such as [{fault['input']}] (got {fault['input']!r})"
    return f"{key}: {message} (got {fault['input']!r})" if key and fault["type"] != "value_error" else message
