#!/usr/bin/env bash
# Makes or completes the environment in .venv from a lock file: `docker/setup.sh [cpu|gpu]`. Does nothing when it is
# there already. Needs Python 3.11 (name another interpreter with PYTHON=...), pip, and 8 GB of disk.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
variant=${1:-cpu}
lock=docker/requirements/$variant.lock
[ -f "$lock" ] || { echo "setup: '$variant' is neither cpu nor gpu" >&2; exit 2; }

stamp=.venv/.seed-grpo-$variant
wanted=$(cat "$lock" pyproject.toml | sha256sum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then exit 0; fi

python=${PYTHON:-}
if [ -z "$python" ]; then
  for python in python3.11 python3 python; do
    command -v "$python" >/dev/null && "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' && break
    python=
  done
fi
[ -n "$python" ] || { echo "setup: no Python 3.11 on PATH; install it, or name it with PYTHON=/path/to/python3.11" >&2; exit 2; }
free_gb=$(df -Pk . | awk 'NR==2 {print int($4 / 1048576)}')
[ "$free_gb" -ge 8 ] || { echo "setup: $free_gb GB free here, 8 are needed; free some, or clone elsewhere" >&2; exit 2; }

packages=$(wc -l <"$lock")
echo "setup: installing $packages packages into .venv (about two minutes and 4 GB for cpu)"
[ -x .venv/bin/pip ] || "$python" -m venv .venv
pip() { .venv/bin/pip --disable-pip-version-check "$@"; }
progress() {
  awk -v all="$packages" '
    /^(Collecting|Requirement already)/ && ++n % 50 == 0 { print "setup: " n " of " all " packages found"; fflush() }
    /^Installing collected/ { print "setup: all found, unpacking them (about a minute)"; fflush() }'
}
# --no-deps: the lock file is complete, and leaves out what breaks the environment (see requirements/overrides.txt)
torch=$(grep '^torch==.*+' "$lock" || true)
if [ -n "$torch" ] && ! pip install --quiet --no-deps "$torch" 2>/dev/null; then
  echo "setup: $torch comes from PyTorch's own index"
  pip install --quiet --no-deps --index-url "https://download.pytorch.org/whl/${torch##*+}" "$torch"
fi
pip install --no-deps -r "$lock" | progress
pip install --quiet --no-deps --no-build-isolation -e .
echo "$wanted" >"$stamp"
