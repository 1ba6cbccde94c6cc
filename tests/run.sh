#!/usr/bin/env bash
# Sets up what is missing and runs the tests.
#   tests/run.sh                               lint, types, and every test that is not long
#   tests/run.sh lint                          ruff alone
#   tests/run.sh types                         mypy alone
#   tests/run.sh unit [pytest arguments]       tests that start no engine, one process for each core
#   tests/run.sh engines [pytest arguments]    tests with real Ray, vLLM and DeepSpeed, but for the long ones
#   tests/run.sh long [pytest arguments]       runs of many minutes
# Paths and options are pytest's: tests/run.sh unit tests/unit/verify -k signs
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
docker/setup.sh cpu tests

lint() { .venv/bin/ruff check .; }
types() { .venv/bin/mypy; }
tests() { .venv/bin/python -m pytest -m "$@"; }
unit() { tests "not engine and not long" --numprocesses auto --maxprocesses 8 --dist worksteal "$@"; }
engines() { tests "engine and not long" "$@"; }
long() { tests "long" "$@"; }
all() {
  local part failed=0
  for part in lint types unit engines; do
    "$part" || failed=1
  done
  return "$failed"
}

case ${1:-all} in
  lint | types | unit | engines | long | all) "${1:-all}" "${@:2}" ;;
  *)
    echo "run.sh: '$1' is neither lint, types, unit, engines nor long; pytest's arguments come behind one of them" >&2
    exit 2
    ;;
esac
