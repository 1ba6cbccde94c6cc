#!/usr/bin/env bash
# Makes or completes the environment in .venv: the packages of a lock file, and this program as it stands here. Does
# nothing when it is there already.
#   docker/setup.sh [cpu|gpu] [packages]        packages: not the program, whose source need not be there
# Needs Python 3.11 (name another interpreter with PYTHON=...), pip, and disk: 8 GB for cpu, 16 GB for gpu.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
variant=${1:-cpu}
lock=docker/requirements/$variant.lock
[ -f "$lock" ] || { echo "setup: '$variant' is neither cpu nor gpu" >&2; exit 2; }

installed() { [ "$(cat ".venv/.seed-grpo-$1" 2>/dev/null)" = "$(sha256sum < "$2")" ]; } # what, the file it is made from
note_installed() { sha256sum < "$2" > ".venv/.seed-grpo-$1"; }
pip() { .venv/bin/pip --disable-pip-version-check "$@"; }

make_venv() {
  local python=${PYTHON:-}
  if [ -z "$python" ]; then
    for python in python3.11 python3 python; do
      command -v "$python" >/dev/null && "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' && break
      python=
    done
  fi
  [ -n "$python" ] || {
    echo "setup: no Python 3.11 on PATH; install it, or name it with PYTHON=/path/to/python3.11" >&2
    exit 2
  }
  "$python" -m venv .venv
}

progress() {
  awk -v all="$packages" '
    /^(Collecting|Requirement already)/ && ++n % 50 == 0 { print "setup: " n " of " all " packages found"; fflush() }
    /^Installing collected/ { print "setup: all found, unpacking them (about a minute)"; fflush() }'
}

# --no-deps: the lock file is complete, and leaves out what breaks the environment (see requirements/overrides.txt)
install_packages() {
  local needed_gb=8 free_gb torch
  [ "$variant" = cpu ] || needed_gb=16
  free_gb=$(df -Pk . | awk 'NR==2 {print int($4 / 1048576)}')
  [ "$free_gb" -ge "$needed_gb" ] || {
    echo "setup: $free_gb GB free here, $needed_gb are needed; free some, or clone elsewhere" >&2
    exit 2
  }
  packages=$(wc -l <"$lock")
  echo "setup: installing $packages packages into .venv (for cpu about two minutes and 4 GB)"
  [ -x .venv/bin/pip ] || make_venv
  torch=$(grep '^torch==.*+' "$lock" || true)
  if [ -n "$torch" ] && ! pip install --quiet --no-deps "$torch" 2>/dev/null; then
    echo "setup: $torch comes from PyTorch's own index"
    pip install --quiet --no-deps --index-url "https://download.pytorch.org/whl/${torch##*+}" "$torch"
  fi
  pip install --no-deps -r "$lock" | progress
  note_installed packages "$lock"
}

install_program() {
  pip install --quiet --no-deps --no-build-isolation -e .
  note_installed program pyproject.toml
}

installed packages "$lock" || install_packages
[ "${2:-}" = packages ] || installed program pyproject.toml || install_program
