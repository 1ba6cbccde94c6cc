#!/usr/bin/env bash
# Sets up what is missing and runs the tests; arguments go to pytest. The long ones: tests/run.sh -m long
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
docker/setup.sh cpu
export OMP_NUM_THREADS=1 # tensors are tiny here: a second thread would only wait for the first; runs set their own
.venv/bin/ruff check .
.venv/bin/mypy
if [[ " $* " == *" -m "* ]]; then exec .venv/bin/python -m pytest "$@"; fi
exec .venv/bin/python -m pytest -m "not long" "$@"
