"""Prints the version matrix: what docker/requirements/*.in ask for, at the version of each lock file and as installed.

Consumes: the files of docker/requirements, and the metadata of the environment whose Python runs it. Produces: a
Markdown table on standard output; a dash where a package is not. Does not: import or change anything; the packages that
these bring are in the lock files.

    .venv/bin/python docker/versions.py
"""

import importlib.metadata
import platform
import re
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements"
VARIANTS = ("cpu", "gpu")
NAME = re.compile(r"[A-Za-z0-9._-]+")


def asked_for(path: Path) -> list[str]:
    """Names of packages in a requirements file, in its order, in lower case as the lock files write them."""
    return [match[0].lower() for line in path.read_text().splitlines() if (match := NAME.match(line))]


def locked(variant: str) -> dict[str, str]:
    """Package to version in the lock file of a variant. Lines are `name==version`, else ValueError."""
    return dict(line.split("==") for line in (REQUIREMENTS / f"{variant}.lock").read_text().splitlines())


def installed(package: str) -> str:
    """Its version in this environment, or a dash."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "-"


def matrix() -> list[tuple[str, ...]]:
    """Rows of package, version in each variant's lock file, version installed here."""
    names = dict.fromkeys(name for part in (*VARIANTS, "common") for name in asked_for(REQUIREMENTS / f"{part}.in"))
    locks = [locked(variant) for variant in VARIANTS]
    return [(name, *(lock.get(name, "-") for lock in locks), installed(name)) for name in names]


if __name__ == "__main__":
    header = ("package", *VARIANTS, f"here (Python {platform.python_version()})")
    for row in (header, ("---",) * len(header), *matrix()):
        print(f"| {' | '.join(row)} |")
