"""Sampling of given problems: each goes through the pipeline once, and comes back as a judged group.

Consumes problems with their prompts and sampling settings; produces `JudgedGroup`s as they come. Only as many are in
progress as keep the engines busy, since a request's deadline runs from the moment that an engine has it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from seed_grpo.config.sections import RolloutConfig
from seed_grpo.data.source import Prompt
from seed_grpo.loop.batch import ReadyGroup
from seed_grpo.loop.interfaces import Sampler
from seed_grpo.messages import GroupTask, JudgedGroup, Sampling
from seed_grpo.seeds import Use, derive_seed

PUMP_SECONDS = 1.0


def greedy_tasks(prompts: Iterable[Prompt], rollout: RolloutConfig) -> Iterator[GroupTask]:
    """One greedy completion of each problem; group ids count from 0."""
    sampling = Sampling(1, 0.0, 1.0, rollout.max_completion_tokens, seed=0)
    for index, (problem, prompt_ids) in enumerate(prompts):
        yield GroupTask(index, problem, tuple(prompt_ids), sampling, rewarded=False)


def sampled_tasks(prompts: Iterable[Prompt], rollout: RolloutConfig, seed: int, *place: int) -> Iterator[GroupTask]:
    """`rollout.completions_per_prompt` samples of each problem, as in training.

    Args:
        seed: of the run.
        place: what tells these samples from others of the same index, e.g. the step, or a number of the set.
    """
    for index, (problem, prompt_ids) in enumerate(prompts):
        sampling = Sampling(
            rollout.completions_per_prompt,
            rollout.temperature,
            rollout.top_p,
            rollout.max_completion_tokens,
            derive_seed(seed, Use.EVALUATION, *place, index),
        )
        yield GroupTask(index, problem, tuple(prompt_ids), sampling, rewarded=False)


def ask(
    pipeline: Sampler,
    tasks: Sequence[GroupTask],
    rollout: RolloutConfig,
    log: Callable[[str], None],
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator[JudgedGroup]:
    """The groups of the tasks, in the order in which they come; gives up as soon as `stopping` is true. A problem that
    workers fail on again and again is left out.

    Args:
        tasks: with group ids of their own.
        say: is told what is left out.
    """
    arrived = _Arrived()
    waiting, by_id = deque(tasks), {task.group_id: task for task in tasks}
    under_way = 0
    while (waiting or under_way) and not stopping():
        room = _window(pipeline.num_engines, rollout, tasks[0]) - under_way
        entering = [waiting.popleft() for _ in range(min(room, len(waiting)))]
        pipeline.submit(entering, arrived)
        under_way += len(entering)
        pipeline.pump(PUMP_SECONDS)
        groups, lost = arrived.take()
        under_way -= len(groups) + len(lost)
        for task, cause in lost:
            log(f"problem {task.problem.id} is left out, since it cannot be sampled or judged: {cause}")
        for group in groups:
            judged = pipeline.fetch(group.payload)
            if judged is None:  # its machine is gone
                waiting.appendleft(by_id[group.summary.group_id])
            else:
                yield judged


def _window(engines: int, rollout: RolloutConfig, task: GroupTask) -> int:
    """Number of groups that keeps all engines busy, with some in reserve."""
    return 1 + 2 * engines * rollout.max_concurrent_sequences // task.sampling.num_completions


class _Arrived:
    """Collects groups; see `loop.interfaces.Sink`."""

    def __init__(self) -> None:
        self._groups: list[ReadyGroup] = []
        self._lost: list[tuple[GroupTask, str]] = []

    def take(self) -> tuple[list[ReadyGroup], list[tuple[GroupTask, str]]]:
        """Groups that came since the last call, and those that were lost, with their causes."""
        taken = self._groups, self._lost
        self._groups, self._lost = [], []
        return taken

    def running(self, group_id: int) -> None: ...

    def ready(self, group: ReadyGroup) -> None:
        self._groups.append(group)

    def lost(self, task: GroupTask, cause: str) -> None:
        self._lost.append((task, cause))
