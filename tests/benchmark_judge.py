"""The judge's benchmark: `.venv/bin/python tests/benchmark_judge.py [part ...] [--data DIR] [--groups N]`.

Consumes the grader files of the data folder; prints one part after the other: how often the judge is right beside
Math-Verify in the same run (`accuracy`), what it decides where suites disagree (`policy`), what hostile answers cost
(`hostile`), how fast it verifies and partitions (`speed`), and which reference answers it cannot read (`references`).
Each part runs in a process of its own, on one thread, so that neither memory nor caches of one reach another.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from benchmark_tables import default_data

PARTS = {
    "accuracy": "benchmark_accuracy",
    "policy": "benchmark_accuracy",
    "hostile": "benchmark_hostile",
    "speed": "benchmark_speed",
    "references": "benchmark_references",
}
"""the module that has the function of this name"""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main() -> None:
    """Runs the parts that are named, or all."""
    options = _options()
    data = options.data.resolve()
    if not data.is_dir():
        sys.exit(f"there is no data folder {data}: give --data, or set SEED_GRPO_DATA")
    if options.alone:
        (part,) = options.parts
        getattr(import_module(PARTS[part]), part)(data, options.groups)
        return
    for part in options.parts or PARTS:
        command = [sys.executable, __file__, part, "--alone", "--data", str(data), "--groups", str(options.groups)]
        status = subprocess.run(command, env={**os.environ, **ONE_THREAD}, check=False).returncode
        if status:
            sys.exit(f"the part {part} ended with status {status}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Accuracy, bounds and speed of the judge, beside Math-Verify.")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; none: all")
    parser.add_argument("--data", type=Path, default=default_data(), help="folder of the grader files")
    parser.add_argument("--groups", type=int, default=100, help="of the workload, that Math-Verify is timed on")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return options


if __name__ == "__main__":
    main()
