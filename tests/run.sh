#!/usr/bin/env bash
# Sets up what is missing and runs the tests.
#   tests/run.sh [pytest arguments]            lint, types, and every test that is not long
#   tests/run.sh lint                          ruff alone
#   tests/run.sh types                         mypy alone
#   tests/run.sh unit [pytest arguments]       tests that start no engine
#   tests/run.sh engines [pytest arguments]    tests with real Ray, vLLM and DeepSpeed, but for the long ones
#   tests/run.sh long [pytest arguments]       runs of many minutes
# Paths and options are pytest's: tests/run.sh unit tests/unit/verify -k signs
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
docker/setup.sh cpu
export OMP_NUM_THREADS=1 # tensors are tiny here: a second thread would only wait for the first; runs set their own

lint() { .venv/bin/ruff check .; }
types() { .venv/bin/mypy; }
tests() { exec .venv/bin/python -m pytest -m "$@"; }

part=${1:-}
case $part in
  lint | types) "$part" ;;
  unit) tests "not engine and not long" "${@:2}" ;;
  engines) tests "engine and not long" "${@:2}" ;;
  long) tests "long" "${@:2}" ;;
  *)
    lint
    types
    tests "not long" "$@"
    ;;
esac
