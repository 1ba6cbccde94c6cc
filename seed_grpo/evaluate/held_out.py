"""Held-out accuracy and semantic entropy of the present policy, sampled on the rollout pool like everything else.

Consumes held-out prompts; produces an evaluation in the run directory. One greedy completion of each problem gives the
accuracy. G samples of the first problems give the mean semantic entropy, how well it tells wrong answers, and the
majority's accuracy.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from seed_grpo.config.sections import EvaluationConfig, RolloutConfig
from seed_grpo.data.source import Prompt
from seed_grpo.errors import ConfigError
from seed_grpo.evaluate.metrics.intervals import TIE_DECIMALS, EvaluationResult, summarize
from seed_grpo.evaluate.metrics.pass_at_k import majority_at_k
from seed_grpo.evaluate.metrics.uncertainty import auroc
from seed_grpo.evaluate.sampling import ask, greedy_tasks, sampled_tasks
from seed_grpo.loop.interfaces import Sampler
from seed_grpo.messages import GroupTask, JudgedGroup
from seed_grpo.records.rollout_table import read_groups, recorded, rollout_rows, tables

DATASET_METRICS = ("accuracy", "accuracy_low", "accuracy_high", "num_problems", "semantic_entropy")
"""metrics that each of several data sets has of its own"""


class Records(Protocol):
    """See `records.recorder.Recorder`."""

    def evaluations(self) -> Mapping[int, Mapping[str, float]]: ...

    def write_evaluation(
        self, step: int, metrics: Mapping[str, float], seconds: float, groups: Sequence[JudgedGroup]
    ) -> None: ...


class Evaluator:
    """Evaluates a step once; a resumed run does not repeat a recorded evaluation."""

    def __init__(
        self,
        evaluation: EvaluationConfig,
        rollout: RolloutConfig,
        run_seed: int,
        prompts: Sequence[Prompt],
        pipeline: Sampler,
        records: Records,
        log: Callable[[str], None],
    ) -> None:
        """Samples nothing yet.

        Args:
            prompts: held-out problems with their token ids, at least one.
        """
        self._evaluation = evaluation
        self._rollout = rollout
        self._run_seed = run_seed
        self._prompts = prompts
        self._pipeline = pipeline
        self._records = records
        self._log = log

    def evaluate(self, step: int, stopping: Callable[[], bool]) -> bool:
        """Evaluates the policy after `step`, unless that is recorded already. Gives up, and records nothing, as soon as
        `stopping` is true.

        Returns:
            whether the policy is more accurate than at all steps before it.
        """
        if step not in self._records.evaluations():
            self._record(step, stopping)
        accuracy = {at: metrics["accuracy"] or 0.0 for at, metrics in self._records.evaluations().items()}
        return step in accuracy and all(accuracy[step] > accuracy[at] for at in accuracy if at < step)

    def _record(self, step: int, stopping: Callable[[], bool]) -> None:
        started = time.perf_counter()
        greedy_P = self._judged(list(greedy_tasks(self._prompts, self._rollout)), stopping)
        first = self._prompts[: self._evaluation.entropy_problems]
        sampled_P = self._judged(list(sampled_tasks(first, self._rollout, self._run_seed, step)), stopping)
        if stopping():
            return
        result = summarize([judged.summary for judged in greedy_P], [judged.summary for judged in sampled_P])
        seconds = time.perf_counter() - started
        metrics = {**result.as_metrics(), **sampled_accuracy(sampled_P), **_by_dataset(greedy_P, sampled_P)}
        self._records.write_evaluation(step, metrics, seconds, [*greedy_P, *sampled_P])
        self._log(_line(step, result, seconds))

    def _judged(self, tasks: Sequence[GroupTask], stopping: Callable[[], bool]) -> list[JudgedGroup]:
        """Judged groups in the order of the tasks; some are missing if it has to stop, or if a problem is left out."""
        judged = ask(self._pipeline, tasks, self._rollout, self._log, stopping)
        return sorted(judged, key=lambda judged: judged.group.task.group_id)


def check_recorded(folder: Path, prompts: Sequence[Prompt]) -> None:
    """Checks that the evaluations on record, if any, are of these prompts.

    Args:
        folder: of the tables.

    Raises:
        ConfigError: the set or its template has changed; names the first problem that did.
    """
    for group in read_groups(tables(folder)[-1:], texts=False):
        prompt = prompts[group.group_id] if group.group_id < len(prompts) else None
        if prompt is None or not group.is_of(prompt):
            now = "nothing is now" if prompt is None else f"{prompt[0].id} is now, or another text or prompt of it"
            raise ConfigError(
                f"{folder} has an evaluation on {group.problem_id} at place {group.group_id} of evaluation.data, where "
                f"{now}: a data file, the file of data.template or data.examples, or the model's chat template has "
                "changed under its name, and accuracies could not be compared. Put back the one that the run was "
                "started with, or choose another run.directory"
            )


def sampled_accuracy(groups: Sequence[JudgedGroup]) -> dict[str, float]:
    """Metrics of the G samples of each problem, as `seed-grpo evaluate` has them: `sampled_accuracy` (avg@G),
    `pass_at_g`, `majority_accuracy` (maj@G), and `entropy_auroc`, how well the semantic entropy tells wrong majority
    answers from right ones. Means over the problems with two completions or more in the partition; nan where there is
    none.
    """
    groups_P = [group for group in recorded(rollout_rows(0, groups, {})) if np.sum(group.class_ids_G >= 0) >= 2]
    right_P = np.array([majority_at_k(group, int(group.valid_G.sum())) for group in groups_P])
    rewards_P = [group.rewards_G[group.valid_G] for group in groups_P]
    return {
        "sampled_accuracy": _mean([rewards_n.mean() for rewards_n in rewards_P]),
        "pass_at_g": _mean([rewards_n.max() for rewards_n in rewards_P]),
        "majority_accuracy": _mean(right_P),
        "entropy_auroc": auroc(np.array([group.semantic_entropy for group in groups_P]).round(TIE_DECIMALS), right_P),
    }


def _by_dataset(greedy_P: Sequence[JudgedGroup], sampled_P: Sequence[JudgedGroup]) -> dict[str, float]:
    """Metrics `dataset/<name>/<metric>` of the sets of `evaluation.data.sources`."""
    found: dict[str, float] = {}
    for name in sorted({judged.group.task.problem.dataset for judged in greedy_P} - {""}):
        own = [[each.summary for each in groups if each.summary.dataset == name] for groups in (greedy_P, sampled_P)]
        metrics = summarize(*own).as_metrics()
        found |= {f"dataset/{name}/{metric}": metrics[metric] for metric in DATASET_METRICS}
    return found


def _mean(values_P: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values_P)) if len(values_P) else math.nan


def _line(step: int, result: EvaluationResult, seconds: float) -> str:
    return (
        f"evaluation at step {step}: greedy accuracy {result.accuracy:.1%} "
        f"[{result.accuracy_low:.1%}, {result.accuracy_high:.1%}] on {result.num_problems} problems, "
        f"semantic entropy {result.semantic_entropy:.3f} nats on {result.num_entropy_problems} ({seconds:.0f} s)"
    )
