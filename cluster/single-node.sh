#!/usr/bin/env bash
# Ray on one machine (8 GPUs, say), to which jobs are submitted. From the checkout; `ray stop` ends it. With GPUs of 80 GB,
# as jobs/qwen2.5-math-7b.yaml wants them: 4 for sampling, 4 for training.
# Everything listens on loopback alone, and asks for the token; but the ports of the metrics (8080, 44217, 44227), which
# are for reading, ask for nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/.venv/bin:$PATH"
export RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 # by which Ray knows that there are no other machines, to listen for
export RAY_AUTH_MODE=token
export RAY_JOB_STOP_WAIT_TIME_S=600 # seconds that a stopped job has for its checkpoint before it is killed
ray get-auth-token --generate > /dev/null # kept in ~/.ray/auth_token, where every client of this user finds it
chmod go= ~/.ray/auth_token
ray start --head --dashboard-host=127.0.0.1 --metrics-export-port=8080 --disable-usage-stats \
    --resources='{"trainer": 1, "rollout": 1, "verifier": 1}'
cat << END

Submit a run, look at it, stop it with a checkpoint (the same command goes on):
  export RAY_AUTH_MODE=token RAY_ADDRESS=http://127.0.0.1:8265
  jobs/submit.sh train jobs/qwen2.5-math-7b.yaml run.directory=$PWD/runs/mine
  ray job list
  ray job stop JOB
For ray status and its like also
  export RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0
From your own machine, ssh -L 8265:127.0.0.1:8265 THIS_MACHINE brings the dashboard to http://127.0.0.1:8265; it asks
for the token, which ray get-auth-token prints.
END
