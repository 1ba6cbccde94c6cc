#!/usr/bin/env bash
# Resolves docker/requirements/*.in into the complete, pinned lock files beside them, with uv, for Linux on x86-64 and
# Python 3.11. Arguments go to the CPU resolution, which must find torch's CPU wheel: `docker/lock.sh --torch-backend cpu`
# takes it from PyTorch's own index, `--find-links FOLDER` from a folder.
set -euo pipefail
cd "$(dirname "$0")/requirements"

lock() { # variant, further arguments
  uv pip compile --quiet "$1.in" common.in --override overrides.txt --python-version 3.11 \
    --python-platform x86_64-manylinux_2_28 --no-annotate --no-header --output-file "$1.lock" "${@:2}"
}

lock gpu
lock cpu "$@"
