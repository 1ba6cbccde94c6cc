"""Runs the fuzzer of the judge: `.venv/bin/python tests/fuzz --minutes 10 [--seed N]`."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # a folder that is run as a program is its own first place

from fuzz.judge import main  # noqa: E402 - the line above makes it importable

sys.exit(main())
