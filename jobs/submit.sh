#!/usr/bin/env bash
# Runs a command of seed-grpo on a Ray cluster: the code of this checkout and one configuration are uploaded (1.7
# megabytes, without READMEs), the packages are the cluster's own. Paths in the configuration are the cluster's, but for
# those of run.code, the files and packages of your own: they are read here, from where this is called, and uploaded too.
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

# the code of one's own goes to code/, and a setting says so; the python beside ray reads YAML
python=$(dirname "$(command -v ray)")/python
settings=("$@")
if ! code=$("$python" - "$upload" "$config" "$@" << 'EOF'
import json, pathlib, shutil, sys
import yaml

upload, config, *overrides = sys.argv[1:]
given = [each.partition("=")[2] for each in overrides if each.startswith("run.code=")]
tree = yaml.safe_load(pathlib.Path(config).read_text(encoding="utf-8"))
code = yaml.safe_load(given[-1]) if given else ((tree or {}).get("run") or {}).get("code")
if isinstance(code, str):
    sys.exit(f"submit: run.code is the text {code!r}; write a list of paths: [{code}]")
folder = pathlib.Path(upload, "code")
for path in map(pathlib.Path, code or []):
    target = folder / path.resolve().name
    folder.mkdir(exist_ok=True)
    if target.exists() or not path.exists():
        sys.exit(f"submit: run.code has {path}, " + ("and another of its name" if path.exists() else "which is not here"))
    if path.is_dir():
        shutil.copytree(path, target, ignore=shutil.ignore_patterns("__pycache__", ".git", ".gitignore", ".rayignore"))
    else:
        shutil.copyfile(path, target)
if code:
    print("run.code=" + json.dumps([f"code/{path.name}" for path in sorted(folder.iterdir())]))
EOF
); then
  exit 1
fi
[ -z "$code" ] || settings+=("$code")

# `ray job stop` gives the run ten minutes for its checkpoint; Ray's own limit is three seconds
ray job submit --address "${RAY_ADDRESS:-http://127.0.0.1:8265}" --working-dir "$upload" \
  --runtime-env-json '{"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": "600"}}' \
  --metadata-json "{\"config\": \"$(basename "$config")\"}" \
  ${options[@]+"${options[@]}"} -- python -m seed_grpo.cli "$command" config.yaml ${settings[@]+"${settings[@]}"}
