"""Rules by which settings of another library become ours, and what they make of a file.

A library is a `Peer`: a table of rules, of the defaults that count where a file says nothing, and of settings without a
counterpart, each with its reason. `bring_over` applies it to the settings of a file. Nothing is left unsaid: each of
them comes over, differs, has no counterpart, or is not known. It reads no files and writes none.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seed_grpo.errors import ConfigError

PROBLEMS, GPUS = "--problems", "--gpus"
"""settings that stand in no file: what the user says of the data set and the machine"""
SHOWN_CHARS = 100
_SECRET = re.compile(r"(?:token|secret|password|api_key|wandb\.key|use_wandb|use_wb)$", re.I)


@dataclass(frozen=True)
class Differs:
    """The outcome of a rule that cannot keep what was meant, e.g. `Differs("constant", "no cosine schedule here")`."""

    value: Any
    """value written; None: nothing is"""
    why: str
    about: str | None = None
    """setting of the peer that it concerns; None: the first that the rule reads"""


def same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Rule:
    """The way of some settings of a peer into one of ours."""

    to: str
    """setting of ours; empty for a rule that only says what differs"""
    reads: tuple[str, ...] = ()
    """settings of the peer, by the names that `make` is called with in this order"""
    make: Callable[..., Any] = same
    """function of their values to the value of ours, a `Differs`, or None where there is nothing to write"""
    note: str = ""
    """remark behind the written setting, in place of the settings that it comes from"""
    shows: int | None = None
    """settings read, the first ones, that the written one comes from; None: all. The others only help to compute it"""


@dataclass(frozen=True)
class Peer:
    """Another library, as far as its settings concern us."""

    name: str
    version: str
    """version whose defaults these are"""
    command: re.Pattern[str]
    """words of a command line that start its training, two of them with a blank between"""
    parse: Callable[[Sequence[str]], tuple[dict[str, Any], list[str]]]
    """settings and stray words of what follows on the command line"""
    defaults: Mapping[str, Any]
    """value of every setting that a rule reads, where a file says nothing"""
    rules: tuple[Rule, ...]
    without: Mapping[str, str]
    """reason by setting that has no counterpart; `*` in a name stands for any characters"""
    always: tuple[str, ...]
    """differences that no setting of the peer changes"""


@dataclass
class Written:
    """One of our settings, with its origin."""

    to: str
    value: Any
    origin: str


@dataclass
class Imported:
    """Everything that became of a file's settings."""

    peer: Peer
    written: list[Written] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    """settings of the file that came over as they were meant"""
    differing: dict[str, list[str]] = field(default_factory=dict)
    """reasons by setting of the file, shown with its value"""
    of_defaults: dict[str, list[str]] = field(default_factory=dict)
    """reasons by setting that the file leaves at the peer's default"""
    without: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    @property
    def settings(self) -> int:
        """Settings of the file."""
        return len(self.over) + len(self.differing) + len(self.without) + len(self.unknown)


def shown(name: str, value: Any) -> str:
    """A setting in one line, short, without what is secret; a flag without a value by its name alone."""
    if _SECRET.search(name) and isinstance(value, str) and not value.startswith("$"):
        return f"{name}=(not shown)"
    text = " ".join(_plain(value).split())
    text = "".join(character if character.isprintable() else "?" for character in text)
    return f"{name}={text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + '...'}"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def bring_over(
    peer: Peer, given: Mapping[str, Any], said: Mapping[str, Any], unresolved: Collection[str] = ()
) -> Imported:
    """Applies the table of a peer.

    Args:
        given: the settings of a file.
        said: values for `PROBLEMS` and `GPUS`; None where the user said nothing.
        unresolved: settings of the file whose values only a shell could know.

    Raises:
        ConfigError: a setting's value is not of the kind that the peer takes.
    """
    imported = Imported(peer)
    known = _checked(peer, given, unresolved)
    values = {**peer.defaults, **known, **said}
    reasons = {name: [_why_unresolved(peer, name, name in known)] for name in unresolved}
    for rule in peer.rules:
        outcome, differs = _outcome(peer, rule, values), ""
        if isinstance(outcome, Differs):
            reasons.setdefault(outcome.about or rule.reads[0], []).append(outcome.why)
            outcome = outcome.value
            differs = " (differs, see below)"
        if rule.to and outcome is not None:
            imported.written.append(Written(rule.to, outcome, _origin(peer, rule, values, given) + differs))
    _sort_out(imported, given, reasons, values)
    return imported


def _checked(peer: Peer, given: Mapping[str, Any], unresolved: Collection[str]) -> dict[str, Any]:
    """The settings of a file whose values can be taken: all but numbers that only a shell could know."""
    known = {}
    for name, value in given.items():
        default = peer.defaults.get(name)
        is_number = isinstance(default, int | float)
        if is_number and name in unresolved:
            continue
        if is_number and value is not None and (isinstance(default, bool), is_number) != _kind(value):
            raise ConfigError(
                f"{peer.name} takes {'true or false' if isinstance(default, bool) else 'a number'} for {name}, not "
                f"{shown(name, value).partition('=')[2]!r}; correct it there"
            )
        known[name] = value
    return known


def _why_unresolved(peer: Peer, name: str, kept: bool) -> str:
    if kept:
        return "only a shell could know it; correct it where it stands in this file"
    return f"only a shell could know it; {peer.name}'s default {peer.defaults[name]} is taken, so correct it"


def _kind(value: Any) -> tuple[bool, bool]:
    return isinstance(value, bool), isinstance(value, int | float)


def _outcome(peer: Peer, rule: Rule, values: Mapping[str, Any]) -> Any:
    try:
        return rule.make(*(values[name] for name in rule.reads))
    except (TypeError, ValueError, ArithmeticError, AttributeError, IndexError) as error:
        told = ", ".join(shown(name, values[name]) for name in rule.reads)
        raise ConfigError(
            f"{peer.name}'s {told} cannot become {rule.to or 'a setting'}: {error}; correct it there"
        ) from error


def _origin(peer: Peer, rule: Rule, values: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """The remark behind a written setting: the settings of the file that it comes from, or the peer's default."""
    if rule.note or not rule.reads:
        return rule.note
    if read := [name for name in rule.reads[: rule.shows] if name in given]:
        return ", ".join(shown(name, values[name]) for name in read)
    return f"{peer.name}'s default: {shown(rule.reads[0], values[rule.reads[0]])}"


def _sort_out(
    imported: Imported, given: Mapping[str, Any], reasons: Mapping[str, list[str]], values: Mapping[str, Any]
) -> None:
    """Puts each setting of the file where it belongs, and the reasons to it or to the peer's default."""
    read = {name for rule in imported.peer.rules for name in rule.reads}
    for name, value in given.items():
        if name in reasons:
            imported.differing[shown(name, value)] = reasons[name]
        elif name in read:
            imported.over.append(name)
        elif reason := _reason(imported.peer, name):
            imported.without[shown(name, value)] = reason
        else:
            imported.unknown.append(shown(name, value))
    for name, told in reasons.items():
        if name not in given:
            imported.of_defaults[shown(name, values[name])] = told


def _reason(peer: Peer, name: str) -> str | None:
    return next((why for pattern, why in peer.without.items() if fnmatch.fnmatchcase(name, pattern)), None)
