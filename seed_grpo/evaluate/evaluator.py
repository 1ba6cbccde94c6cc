"""Held-out accuracy and semantic entropy of the present policy, sampled on the rollout pool like everything else.

Consumes held-out prompts; produces an evaluation in the run directory. One greedy completion a problem gives the
accuracy; G samples for the first of them give the mean semantic entropy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from seed_grpo.config import EvaluationConfig, RolloutConfig
from seed_grpo.data.seeds import Use, derive_seed
from seed_grpo.errors import RolloutError
from seed_grpo.evaluate.accuracy import EvaluationResult, summarize
from seed_grpo.messages import GroupTask, JudgedGroup, Problem, Sampling

PUMP_SECONDS = 1.0


class Pipeline(Protocol):
    """See `runtime.pipeline.Pipeline`."""

    def submit(self, tasks: Sequence[GroupTask], sink: Any) -> None: ...

    def pump(self, timeout: float = 0.0) -> None: ...

    def fetch(self, payload: Any) -> JudgedGroup | None: ...


class Records(Protocol):
    """See `runtime.run_directory.RunDirectory`."""

    def evaluations(self) -> Mapping[int, Mapping[str, float]]: ...

    def write_evaluation(
        self, step: int, metrics: Mapping[str, float], seconds: float, groups: Sequence[JudgedGroup]
    ) -> None: ...


class Evaluator:
    """Evaluates a step once; a resumed run does not repeat what is on record."""

    def __init__(
        self,
        evaluation: EvaluationConfig,
        rollout: RolloutConfig,
        run_seed: int,
        prompts: Sequence[tuple[Problem, tuple[int, ...]]],
        pipeline: Pipeline,
        records: Records,
        say: Callable[[str], None],
    ) -> None:
        """Args:
        prompts: held-out problems with their token ids, at least one.
        """
        self._evaluation = evaluation
        self._rollout = rollout
        self._run_seed = run_seed
        self._prompts = prompts
        self._pipeline = pipeline
        self._records = records
        self._say = say

    def evaluate(self, step: int, stopping: Callable[[], bool]) -> None:
        """Evaluates the policy after `step`, unless that is on record. Gives up, with nothing on record, as soon as
        `stopping` is true.

        Raises:
            RolloutError: workers failed on a problem again and again.
        """
        if step in self._records.evaluations():
            return
        started = time.perf_counter()
        greedy = Sampling(1, 0.0, 1.0, self._rollout.max_completion_tokens, seed=0)
        greedy_P = self._judged([self._task(i, greedy) for i in range(len(self._prompts))], stopping)
        count = min(self._evaluation.entropy_problems, len(self._prompts))
        sampled_P = self._judged([self._task(i, self._sampled(step, i)) for i in range(count)], stopping)
        if stopping():
            return
        result = summarize([judged.summary for judged in greedy_P], [judged.summary for judged in sampled_P])
        seconds = time.perf_counter() - started
        self._records.write_evaluation(step, result.as_metrics(), seconds, [*greedy_P, *sampled_P])
        self._say(_line(step, result, seconds))

    def _task(self, index: int, sampling: Sampling) -> GroupTask:
        problem, prompt_ids = self._prompts[index]
        return GroupTask(index, problem, tuple(prompt_ids), sampling)

    def _sampled(self, step: int, index: int) -> Sampling:
        rollout = self._rollout
        seed = derive_seed(self._run_seed, Use.EVALUATION, step, index)
        return Sampling(
            rollout.completions_per_prompt, rollout.temperature, rollout.top_p, rollout.max_completion_tokens, seed
        )

    def _judged(self, tasks: Sequence[GroupTask], stopping: Callable[[], bool]) -> list[JudgedGroup]:
        """In the order of the tasks; not all of them where it has to stop."""
        arrived = _Arrived()
        found: dict[int, JudgedGroup] = {}
        self._pipeline.submit(tasks, arrived)
        while len(found) < len(tasks) and not stopping():
            self._pipeline.pump(PUMP_SECONDS)
            for group in arrived.take():
                judged = self._pipeline.fetch(group.payload)
                group_id = group.summary.group_id
                if judged is None:  # its machine is gone
                    self._pipeline.submit([tasks[group_id]], arrived)
                else:
                    found[group_id] = judged
        return [found[group_id] for group_id in sorted(found)]


class _Arrived:
    """See `interfaces.Sink`."""

    def __init__(self) -> None:
        self._groups: list[Any] = []

    def take(self) -> list[Any]:
        """What came since the last call."""
        taken, self._groups = self._groups, []
        return taken

    def running(self, group_id: int) -> None: ...

    def ready(self, group: Any) -> None:
        self._groups.append(group)

    def lost(self, task: GroupTask, cause: str) -> None:
        raise RolloutError(f"problem {task.problem.id} of the evaluation cannot be sampled or judged: {cause}")


def _line(step: int, result: EvaluationResult, seconds: float) -> str:
    return (
        f"evaluation at step {step}: greedy accuracy {result.accuracy:.1%} "
        f"[{result.accuracy_low:.1%}, {result.accuracy_high:.1%}] on {result.num_problems} problems, "
        f"semantic entropy {result.semantic_entropy:.3f} nats on {result.num_entropy_problems} ({seconds:.0f} s)"
    )
