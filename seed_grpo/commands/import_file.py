"""`seed-grpo import`: settings of TRL, OpenRLHF, oat or verl, written as a configuration of this program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seed_grpo.errors import ConfigError
from seed_grpo.importing.reading import read
from seed_grpo.importing.rules import GPUS, PROBLEMS, bring_over
from seed_grpo.importing.writing import as_yaml, set_by_hand, summary


def import_file(
    file: Path,
    out: Path | None,
    command: int | None,
    gpus: int | None,
    problems: int | None,
    overrides: Sequence[str],
) -> None:
    """Writes the configuration, or prints it, and says what became of the file's settings.

    Args:
        out: file to write, which must not be there yet; None prints the configuration.
        command: number of the training to take, where a script starts several.
        gpus: GPUs of the run there; None: what the file says.
        problems: problems of its data set, to turn passes into steps.
        overrides: settings of ours, which win over those of the file.

    Raises:
        ConfigError: the file is of no known kind, its settings are no configuration, or `out` is there already.
    """
    for name, number in ((GPUS, gpus), (PROBLEMS, problems)):
        if number is not None and number < 1:
            raise ConfigError(f"{name} is {number}; give a number above 0")
    if out is not None and out.exists():
        raise ConfigError(f"{out} is there already; name another file, or remove it")
    found = read(file, command)
    imported = bring_over(found.peer, found.given, {GPUS: gpus, PROBLEMS: problems}, found.unresolved)
    imported.unknown += found.strays
    set_by_hand(imported, overrides)
    text = as_yaml(imported, file.name, found.remarks)
    if out is None:
        print(text, end="")
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}; name another file") from error
    print(f"{summary(imported)}.")
    for setting, reasons in imported.differing.items():
        print(f"  {setting}: {'; '.join(dict.fromkeys(reasons))}")
    print(f"{out} has all of it; `seed-grpo doctor {out}` checks it here")
