"""Our YAML, with the origin of each setting behind it and below it what differs, has no counterpart or is not known.

Consumes an `Imported`; produces text that `seed_grpo.config` reads, which is checked before anybody sees it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from seed_grpo.config import Config
from seed_grpo.config.loading import parse_config
from seed_grpo.errors import ConfigError
from seed_grpo.importing.rules import Imported, Written

SAID = "as you said"
TO_DO = ("SET ", "CHECK ")
"""beginnings of reasons that ask for something, which stand at the head too"""
Tree = dict[str, Any]
"""sections and settings by name; its leaves are `Written`"""


def set_by_hand(imported: Imported, overrides: Sequence[str]) -> None:
    """Puts settings of the user's own in the place of those that came over.

    Args:
        overrides: strings `section.key=value`; the value is read as YAML.

    Raises:
        ConfigError: one is not of that form.
    """
    for override in overrides:
        to, equals, text = override.partition("=")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"the value of {override!r} is not YAML; correct it") from error
        if not equals or not all(to.split(".")):
            raise ConfigError(f"{override!r} is not of the form section.key=value; correct it")
        imported.written = [each for each in imported.written if each.to != to and not each.to.startswith(f"{to}.")]
        imported.written.append(Written(to, value, SAID))


def _with_room(written: Sequence[Written]) -> Sequence[Written]:
    """The settings, with a queue that holds all groups of a step, where our own is shorter."""
    values = {each.to: each.value for each in written}
    waves = 1 + values.get("run.max_staleness", 0) + values.get("algo.dynamic_sampling_rounds", 0)
    groups = values.get("rollout.prompts_per_step", 0) * waves
    usual = Config.model_fields["cluster"].default.queue_capacity
    if groups <= usual or "cluster.queue_capacity" in values:
        return written
    return [*written, Written("cluster.queue_capacity", groups, "all groups that may be ready at once")]


def as_yaml(imported: Imported, name: str, remarks: Sequence[str]) -> str:
    """The settings as YAML with remarks, once they are known to be a configuration.

    Args:
        name: of the file that they come from.
        remarks: on the file.

    Raises:
        ConfigError: a value does not fit, or one that a run needs is missing.
    """
    tree: Tree = {}
    for written in _with_room(imported.written):
        _put(tree, written.to.split("."), written)
    order = [*Config.model_fields, *tree]
    sections = {section: tree[section] for section in sorted(tree, key=order.index)}
    text = "\n".join([*_head(imported, name), *remarks_of(remarks), "", *_lines(sections, ""), *_foot(imported)]) + "\n"
    try:
        parse_config(yaml.safe_load(text), f"{name} in our settings")
    except ConfigError as error:
        raise ConfigError(
            f"{error}. Nothing is written; give what is missing or wrong behind the file, such as model.path=..."
        ) from error
    return text


def remarks_of(remarks: Sequence[str]) -> Iterator[str]:
    for remark in remarks:
        yield f"# {_one_line(remark)}"


def summary(imported: Imported) -> str:
    """Numbers of what became of the settings."""
    peer = imported.peer
    return (
        f"{imported.settings} settings of {peer.name}: {len(imported.over)} came over, {len(imported.differing)} "
        f"differ, {len(imported.without)} have no counterpart, {len(imported.unknown)} are not known; "
        f"{len(imported.of_defaults)} that it leaves at {peer.name} {peer.version}'s defaults differ"
    )


def _put(tree: Tree, path: Sequence[str], written: Written) -> None:
    for part in path[:-1]:
        child = tree.setdefault(part, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{written.to} goes into {part}, which is a value, not a section; correct it")
        tree = child
    tree[path[-1]] = written


def _lines(tree: Tree, indent: str) -> Iterator[str]:
    for key, child in tree.items():
        if isinstance(child, Written):
            remark = f"  # {_one_line(child.origin)}" if child.origin else ""
            yield f"{indent}{_flow(key)}: {_flow(child.value)}{remark}"
        else:
            yield f"{indent}{_flow(key)}:"
            yield from _lines(child, indent + "  ")


class _OneLine(yaml.SafeDumper):
    """YAML in which a text with line breaks is quoted, with escapes, in one line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_OneLine.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, '"' if "\n" in text else None),
)


def _flow(value: Any) -> str:
    """A value in one line of YAML."""
    return yaml.dump([value], Dumper=_OneLine, default_flow_style=True, width=10**9, sort_keys=False).strip()[1:-1]


def _head(imported: Imported, name: str) -> Iterator[str]:
    yield f"# {_one_line(name)}, brought over by `seed-grpo import`."
    yield f"# {summary(imported)}."
    yield "# Behind each setting stands where it comes from; below them, what differs and what has no counterpart."
    for reasons in (*imported.differing.values(), *imported.of_defaults.values()):
        yield from (f"# {_one_line(why)}" for why in reasons if why.startswith(TO_DO))


def _foot(imported: Imported) -> Iterator[str]:
    peer = imported.peer
    yield from _list("Differs", _joined(imported.differing))
    yield from _list(f"Differs, and the file leaves it at {peer.name}'s default", _joined(imported.of_defaults))
    yield from _list("No counterpart", [f"{setting}: {why}" for setting, why in imported.without.items()])
    yield from _list("Not known", imported.unknown)
    yield from _list(f"Differs from {peer.name} whatever the settings", peer.always)


def _joined(reasons: Mapping[str, Sequence[str]]) -> list[str]:
    return [f"{setting}: {'; '.join(dict.fromkeys(told))}" for setting, told in reasons.items()]


def _list(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from ("", f"# {title}:", *(f"# - {_one_line(line)}" for line in lines))


def _one_line(text: str) -> str:
    """A text that cannot leave its comment."""
    return "".join(character if character.isprintable() else " " for character in " ".join(text.split()))
