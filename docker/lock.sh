#!/usr/bin/env bash
# Resolves docker/requirements/*.in into the complete, pinned lock files beside them, with uv, for Linux on x86-64 and
# Python 3.11 to 3.13. test.lock is what the tests need beyond cpu.lock. Arguments go to the CPU resolutions, which must
# find torch's CPU wheel: `docker/lock.sh --torch-backend cpu` takes it from PyTorch's own index, `--find-links FOLDER`
# from a folder.
set -euo pipefail
cd "$(dirname "$0")/requirements"

lock() { # lock file, files of requirements and further arguments
  uv pip compile --quiet "${@:2}" --override overrides.txt --python-version 3.11 \
    --python-platform x86_64-manylinux_2_28 --no-annotate --no-header --output-file "$1"
}

lock gpu.lock gpu.in common.in
lock cpu.lock cpu.in common.in "$@"
all=$(mktemp)
trap 'rm -f "$all"' EXIT
lock "$all" cpu.in common.in test.in --constraint cpu.lock "$@"
comm -13 <(sort cpu.lock) <(sort "$all") > test.lock
