#!/usr/bin/env bash
# From a fresh clone to a trained small model: sets up what is missing, warms the model up, trains it with
# jobs/quickstart.yaml. Arguments are settings to change, e.g. jobs/quickstart.sh run.seed=1 run.directory=runs/seed-1
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
docker/setup.sh cpu
.venv/bin/seed-grpo warm-start jobs/quickstart.yaml "$@"
exec .venv/bin/seed-grpo train jobs/quickstart.yaml "$@"
