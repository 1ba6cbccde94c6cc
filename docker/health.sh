#!/usr/bin/env bash
# The health check of the image: the program can be loaded and, where `ray start` was run in this container, the Ray
# cluster that it belongs to answers. Exit code 0 or 1.
set -euo pipefail
python -c 'import seed_grpo.cli' || exit 1
started=${RAY_TMPDIR:-/tmp}/ray/ray_current_cluster
[ ! -e "$started" ] || timeout 20 ray health-check --address "$(cat "$started")" || exit 1
