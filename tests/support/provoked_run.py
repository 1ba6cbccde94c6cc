"""A program on a Ray cluster in which all is wrong that alerts watch for; `test_job` runs it. It ends with its input.

The workers are not real: the supervision, the restart budget, the events and the monitor are, as a run has them.
"""

import sys
import tempfile
import threading
from pathlib import Path

import ray

from seed_grpo.config.loading import load_config
from seed_grpo.errors import RolloutError
from seed_grpo.runtime.assembly import register
from seed_grpo.runtime.cluster.placement import make_plan
from seed_grpo.runtime.supervision.heartbeats import WorkerState
from seed_grpo.runtime.supervision.supervise import supervise
from support.recorded_batch import batch_of_three

QUICKSTART = Path(__file__).parents[2] / "jobs/quickstart.yaml"
WRONG = {
    "semantic_entropy_zero_share": 0.99,
    "no_gradient_share": 0.99,
    "verdict_verifier_error_share": 0.2,
    "canary_logprob_difference": 9e-4,  # of 1e-3 that are allowed
}
ALSO = {"sampled_completions": 12.0, "completion_tokens": 90.0, "tokens": 90.0}


def main() -> None:
    config = load_config(QUICKSTART, ["run.directory=runs/provoked", "supervision.max_restarts=1"])
    ray.init(logging_level="ERROR")
    with tempfile.TemporaryDirectory() as folder:
        supervision = supervise(config, Path(folder, "provoked"), print)
        register(supervision)
        supervision.monitor.begin(config, make_plan(config))
        supervision.events.states("rollout", {"rollout-0": WorkerState.STALE})
        supervision.budget.charge(RolloutError("provoked"))
        supervision.monitor.step(batch_of_three(), {**WRONG, **ALSO}, {"total": 1.0})
        ended = threading.Event()
        threading.Thread(target=lambda: (sys.stdin.read(), ended.set())).start()
        while not ended.wait(1.0):
            supervision.monitor.poll()


if __name__ == "__main__":
    main()
