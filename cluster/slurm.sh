#!/usr/bin/env bash
#SBATCH --job-name=seed-grpo
#SBATCH --nodes=3
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@900
#SBATCH --requeue
#SBATCH --open-mode=append
# A run on Slurm: a Ray cluster of the job's machines for as long as the run takes. From the checkout, which all machines
# must see, as they must see run.directory:
#   TRAINER_NODES=1 ROLLOUT_NODES=2 sbatch --nodes=3 cluster/slurm.sh jobs/qwen2.5-math-7b.yaml [section.key=value ...]
# 15 minutes before the time limit the run makes a checkpoint and the job queues again, to go on from there. The same
# when it is preempted, if the cluster has PreemptParameters=send_user_signal; otherwise the last checkpoint counts.
#   scancel --batch --signal=TERM JOB      stops it with a checkpoint
set -euo pipefail

# machines of each kind of worker, in this order; a kind without its own is on all the others
TRAINER_NODES=${TRAINER_NODES:-1}
ROLLOUT_NODES=${ROLLOUT_NODES:-$((SLURM_JOB_NUM_NODES - TRAINER_NODES))}
VERIFIER_NODES=${VERIFIER_NODES:-0}
NODES_TIMEOUT=${NODES_TIMEOUT:-600} # seconds for Ray to come up on all machines

fail() {
    echo "slurm.sh: $*" >&2
    exit 1
}

# The Ray resources of machine number $1, as JSON.
resources() {
    local kinds=() group=verifier kind
    if (($1 < TRAINER_NODES)); then group=trainer; elif (($1 < TRAINER_NODES + ROLLOUT_NODES)); then group=rollout; fi
    for kind in trainer:$TRAINER_NODES rollout:$ROLLOUT_NODES verifier:$VERIFIER_NODES; do
        if [[ ${kind%:*} == "$group" || ${kind#*:} == 0 ]]; then kinds+=("\"${kind%:*}\": 1"); fi
    done
    local IFS=,
    echo "{${kinds[*]}}"
}

# Starts Ray on machine number $1; further arguments are those of ray start.
start_ray() {
    srun --overlap --nodes=1 --ntasks=1 --cpus-per-task="$SLURM_CPUS_ON_NODE" --nodelist="${nodes[$1]}" \
        ray start --block --disable-usage-stats --temp-dir="/tmp/ray-$SLURM_JOB_ID" --metrics-export-port=8080 \
        --num-cpus="$SLURM_CPUS_ON_NODE" --num-gpus="${SLURM_GPUS_ON_NODE:-0}" --resources="$(resources "$1")" \
        "${@:2}" &
}

# Until Ray is up on $1 machines.
wait_for_ray() {
    local deadline=$((SECONDS + NODES_TIMEOUT)) there
    while true; do
        there=$(ray list nodes --filter state=ALIVE --limit 10000 --format json 2>/dev/null \
            | { grep -o '"node_id"' || true; } | wc -l)
        if ((there >= $1)); then return; fi
        if ((SECONDS >= deadline)); then
            fail "Ray is up on $there of $1 machines after $NODES_TIMEOUT s; see the output of ray start above, or raise" \
                NODES_TIMEOUT
        fi
        echo "slurm.sh: waiting for Ray: up on $there of $1 machines, $((deadline - SECONDS)) s left"
        sleep 5
    done
}

end_ray() {
    trap - EXIT
    rm -rf "$secrets"
    # shellcheck disable=SC2046  # one word for each process
    kill $(jobs -p) 2>/dev/null || true
    wait
    srun --overlap --ntasks-per-node=1 rm -rf "/tmp/ray-$SLURM_JOB_ID"
}

if (($# == 0)); then fail "no configuration: sbatch cluster/slurm.sh CONFIG [section.key=value ...]"; fi
cd "$SLURM_SUBMIT_DIR"
export PATH="$PWD/.venv/bin:$PATH"
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
if ((TRAINER_NODES + ROLLOUT_NODES + VERIFIER_NODES != ${#nodes[@]} || TRAINER_NODES < 1)); then
    fail "TRAINER_NODES=$TRAINER_NODES (at least 1) + ROLLOUT_NODES=$ROLLOUT_NODES + VERIFIER_NODES=$VERIFIER_NODES" \
        "must be the ${#nodes[@]} machines of the job; change them, or sbatch --nodes"
fi
HEAD_ADDRESS=${HEAD_ADDRESS:-$(getent ahostsv4 "${nodes[0]}" | awk 'NR == 1 { print $1 }')}
if [[ -z $HEAD_ADDRESS || $HEAD_ADDRESS == 127.* ]]; then
    fail "${nodes[0]} has the address '$HEAD_ADDRESS', which the other machines cannot reach; set HEAD_ADDRESS"
fi

# The token is in a file that only this user can read; no command line, log or environment holds it.
rm -rf "$PWD/.seed-grpo-$SLURM_JOB_ID".* # of a start that was killed
secrets=$(mktemp -d "$PWD/.seed-grpo-$SLURM_JOB_ID.XXXXXX")
trap end_ray EXIT
(umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' > "$secrets/token")
unset RAY_AUTH_TOKEN RAY_ADDRESS
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$secrets/token

start_ray 0 --head --port=6379 --node-ip-address="$HEAD_ADDRESS" --dashboard-host=127.0.0.1
export RAY_ADDRESS=$HEAD_ADDRESS:6379
wait_for_ray 1
for ((i = 1; i < ${#nodes[@]}; i++)); do start_ray "$i" --address="$RAY_ADDRESS"; done
wait_for_ray "${#nodes[@]}"

signal=none
seed-grpo train "$@" cluster.node_groups=true &
driver=$!
trap 'signal=TERM interrupted=yes; kill -TERM $driver' TERM
trap 'signal=USR1 interrupted=yes; kill -TERM $driver' USR1
interrupted=yes
while [[ $interrupted == yes ]]; do # a signal ends the waiting, not the run
    interrupted=no status=0
    wait $driver || status=$?
done
end_ray
if [[ $signal == USR1 && $status == 130 ]]; then
    echo "slurm.sh: the run has its checkpoint; the job queues again to go on"
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
