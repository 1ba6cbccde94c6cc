"""A run directory that writes some steps with one tracker, in an interpreter that has that tracker's library.

Usage: `python -m support.tracked_run DIRECTORY TRACKER FROM TO`, the tracker as JSON, the steps after FROM up to TO.
"""

import json
import sys
from pathlib import Path

import numpy as np

from seed_grpo.config import Config
from seed_grpo.records.rollout_table import Estimate
from seed_grpo.records.run_directory import RunDirectory
from support.judged_group import judged_group


def main(path: Path, tracker: dict, begin: int, end: int) -> None:
    """Rewards are a third of the step, and 10 more after a resume; the loss of step 2 is not finite."""
    run = {"directory": path, "steps": 10, "trackers": [tracker]}
    tree = {"run": run, "model": {"path": "m"}, "data": {"source": "arithmetic"}}
    directory = RunDirectory(path, Config.model_validate(tree))
    directory.truncate_after(begin)
    if begin == 0:
        directory.write_evaluation(0, {"accuracy": 0.25}, 1.0, [])
    for step in range(begin + 1, end + 1):
        metrics = {"reward": 10 * (begin > 0) + step / 3, "loss": float("nan") if step == 2 else 0.5}
        seconds = {"rollout": 1.0, "total": 2.0}
        estimates = {step: Estimate(0.99, np.zeros(3), np.zeros(3))}
        directory.write_gauges(step, {"rollout_workers": 2.0})
        directory.write_step(step, metrics, seconds, {"mfu": 0.5}, [judged_group(step)], estimates)
    directory.write_evaluation(end, {"accuracy": 0.75}, 1.0, [])
    directory.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
