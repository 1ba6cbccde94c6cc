#!/usr/bin/env bash
# Makes or completes the environment in .venv: the packages of a lock file, and this program as it stands here. Does
# nothing when it is there already.
#   docker/setup.sh [cpu|gpu] [packages|tests]   packages: not the program, whose source need not be there
#                                                tests: what the tests need too
# Needs Python 3.11, 3.12 or 3.13 (PYTHON=... names another interpreter than the first on PATH), and disk: 8 GB for cpu,
# 16 GB for gpu. It uses uv where that is on PATH, which is faster, and pip otherwise.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
variant=${1:-cpu} what=${2:-program}
requirements=docker/requirements
lock=$requirements/$variant.lock
[ "$variant" = cpu ] || [ "$variant" = gpu ] || { echo "setup: '$variant' is neither cpu nor gpu" >&2; exit 2; }
[[ $what =~ ^(program|packages|tests)$ ]] || { echo "setup: '$what' is neither packages nor tests" >&2; exit 2; }

installed() { [ "$(cat ".venv/.seed-grpo-$1" 2>/dev/null)" = "$(sha256sum < "$2")" ]; } # what, the file it is made from
note_installed() { sha256sum < "$2" > ".venv/.seed-grpo-$1"; }

if command -v uv >/dev/null; then
  # uv does not read pip's settings, and compiles no bytecode by itself: each process would pay for that
  export UV_COMPILE_BYTECODE=1 UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-${PIP_DEFAULT_TIMEOUT:-180}}
  [ -z "${PIP_INDEX_URL:-}" ] || export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}
  [ -z "${PIP_EXTRA_INDEX_URL:-}" ] || export UV_INDEX=${UV_INDEX:-$PIP_EXTRA_INDEX_URL}
  [ -z "${PIP_FIND_LINKS:-}" ] || export UV_FIND_LINKS=${UV_FIND_LINKS:-${PIP_FIND_LINKS// /,}}
  new_venv() { uv venv --quiet --seed --python "$1" .venv; }
  pip_install() { uv pip install --python .venv/bin/python "$@"; }
else
  new_venv() { "$1" -m venv .venv; }
  pip_install() { .venv/bin/python -m pip --disable-pip-version-check install "$@"; }
fi

make_venv() {
  local python=${PYTHON:-} fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
  if [ -z "$python" ]; then
    for python in python3.11 python3.12 python3.13 python3 python; do
      command -v "$python" >/dev/null && "$python" -c "$fits" 2>/dev/null && break
      python=
    done
  fi
  if [ -z "$python" ] || ! "$python" -c "$fits"; then
    echo "setup: ${python:-PATH} has no Python 3.11 to 3.13; install one (uv python install 3.12; on Ubuntu 24.04" \
      "apt-get install python3.12-venv), or name it with PYTHON=/path/to/python3.12" >&2
    exit 2
  fi
  new_venv "$python" || {
    rm -rf .venv
    echo "setup: $python makes no environment; on Debian and Ubuntu its package of that name with -venv is missing" >&2
    exit 2
  }
}

check_disk() {
  local needed_gb=8 free_gb
  [ "$variant" = cpu ] || needed_gb=16
  free_gb=$(df -Pk . | awk 'NR==2 {print int($4 / 1048576)}')
  [ "$free_gb" -ge "$needed_gb" ] || {
    echo "setup: $free_gb GB free here, $needed_gb are needed; free some, or clone elsewhere" >&2
    exit 2
  }
}

# The CPU build of torch is in no index but PyTorch's own. PyPI's build computes the same on a CPU.
install_torch() {
  local torch=$1
  pip_install --quiet --no-deps "$torch" 2>/dev/null && return
  echo "setup: $torch comes from PyTorch's own index"
  pip_install --quiet --no-deps --index-url "https://download.pytorch.org/whl/${torch##*+}" "$torch" && return
  echo "setup: that index has no $torch for this Python, or was not reached; taking PyPI's ${torch%+*}, with CUDA's" \
    "libraries (4 GB more)"
  pip_install --quiet "${torch%+*}"
}

progress() {
  awk -v all="$1" '
    /^(Collecting|Requirement already)/ && ++n % 50 == 0 { print "setup: " n " of " all " packages found"; fflush() }
    /^Installing collected/ { print "setup: all found, unpacking them (about a minute)"; fflush() }'
}

# --no-deps: a lock file is complete, and leaves out what breaks the environment (see requirements/overrides.txt)
install_packages() { # name of the mark, lock file
  local torch
  check_disk
  echo "setup: installing $(wc -l < "$2") packages of $2 into .venv"
  [ -x .venv/bin/python ] || make_venv
  torch=$(grep '^torch==.*+' "$2" || true)
  [ -z "$torch" ] || install_torch "$torch"
  pip_install --no-deps -r <(grep -v '^torch==.*+' "$2") | progress "$(wc -l < "$2")"
  note_installed "$1" "$2"
}

install_program() {
  pip_install --quiet --no-deps --no-build-isolation -e .
  note_installed program pyproject.toml
}

installed packages "$lock" || install_packages packages "$lock"
[ "$what" != tests ] || installed tests $requirements/test.lock || install_packages tests $requirements/test.lock
[ "$what" = packages ] || installed program pyproject.toml || install_program
