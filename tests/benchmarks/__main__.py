"""All benchmarks: `.venv/bin/python tests/benchmarks [part ...] [--data DIR] [--json DIR]`.

Every part compares within one run, in a process of its own, prints its tables, and writes them with the machine to
`runs/benchmarks/<part>.json`. Parts of the judge read the grader files of the data folder; the others make what they
need.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[0] = str(TESTS)  # a folder that is run as a program is its own first place to import from

from benchmarks.tables import default_data, write_tables  # noqa: E402 - the line above makes it importable

PARTS = {
    "accuracy": ("judge_accuracy", "how often the judge is right, beside Math-Verify"),
    "policy": ("judge_accuracy", "what it decides where suites disagree"),
    "hostile": ("judge_hostile", "what hostile answers cost"),
    "speed": ("judge_speed", "how fast it verifies and partitions, beside Math-Verify"),
    "references": ("judge_references", "which reference answers it cannot read"),
    "sync": ("weight_sync", "what a weight sync costs, beside a raw broadcast of the same bytes"),
    "logprobs": ("logprobs", "what log-probabilities over a large vocabulary cost"),
    "step": ("training_step", "one training step, beside plain Transformers code and TRL"),
    "loop": ("whole_loop", "the whole loop, beside TRL"),
    "entropy": ("entropy_cost", "what semantic entropy costs"),
    "overlap": ("overlap", "how much of generation is hidden behind training"),
    "elastic": ("elastic", "whether throughput follows when engines are added and drained in a run"),
    "scale": ("scale", "how far one controller reaches"),
}
"""module with the function of the part's name, and what it measures"""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main() -> None:
    """Runs the parts that are named, or all."""
    options = _options()
    data = options.data.resolve()
    if not data.is_dir():
        sys.exit(f"there is no data folder {data}: give --data, or set SEED_GRPO_DATA")
    if options.alone:
        (part,) = options.parts
        module = import_module(f"benchmarks.{PARTS[part][0]}")
        getattr(module, part)(data)
        write_tables(options.json / f"{part}.json")
        return
    for part in options.parts or PARTS:
        command = [sys.executable, str(TESTS / "benchmarks"), part, "--alone"]
        command += ["--data", str(data), "--json", str(options.json.resolve())]
        status = subprocess.run(command, env={**os.environ, **ONE_THREAD}, check=False).returncode
        if status:
            sys.exit(f"the part {part} ended with status {status}")


def _options() -> argparse.Namespace:
    listed = "\n".join(f"  {part:<12}{what}" for part, (_, what) in PARTS.items())
    parser = argparse.ArgumentParser(
        description=f"Parts (none named: all):\n{listed}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="part")
    parser.add_argument("--data", type=Path, default=default_data(), help="folder of the grader files")
    parser.add_argument("--json", type=Path, default=TESTS.parent / "runs" / "benchmarks", help="folder of the results")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return options


if __name__ == "__main__":
    main()
