#!/usr/bin/env bash
# Runs a command of seed-grpo on a Ray cluster: the code of this checkout and one configuration are uploaded (1.3
# megabytes, without READMEs), the packages are the cluster's own. Paths in the configuration are the cluster's.
#   jobs/submit.sh [OPTIONS OF ray job submit --] COMMAND CONFIG [OPTION or section.key=value ...]
#   jobs/submit.sh doctor jobs/qwen2.5-math-7b.yaml --live run.directory=/shared/runs/mine
#   jobs/submit.sh --no-wait --submission-id mine -- train jobs/qwen2.5-math-7b.yaml run.directory=/shared/runs/mine
# The cluster is that of RAY_ADDRESS (http://127.0.0.1:8265); its token, of RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH.
set -euo pipefail
options=()
if [[ " $* " == *" -- "* ]]; then
  while [ "$1" != -- ]; do options+=("$1") && shift; done
  shift
fi
[ -f "${2:-}" ] || {
  echo "submit: no file '${2:-}'; usage: jobs/submit.sh [OPTIONS OF ray job submit --] COMMAND CONFIG [...]" >&2
  exit 2
}
command=$1 config=$2 && shift 2

upload=$(mktemp -d)
trap 'rm -rf "$upload"' EXIT
cp "$config" "$upload/config.yaml"
# the code alone: a job reads neither READMEs nor the mark for type checkers
tar -C "$(dirname "${BASH_SOURCE[0]}")/.." --exclude __pycache__ --exclude '*.md' --exclude py.typed -c seed_grpo \
  | tar -C "$upload" -x

# `ray job stop` gives the run ten minutes for its checkpoint; Ray's own limit is three seconds
ray job submit --address "${RAY_ADDRESS:-http://127.0.0.1:8265}" --working-dir "$upload" \
  --runtime-env-json '{"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": "600"}}' \
  --metadata-json "{\"config\": \"$(basename "$config")\"}" \
  ${options[@]+"${options[@]}"} -- python -m seed_grpo.cli "$command" config.yaml "$@"
