"""A fake pipeline over a fake engine: what it judges, when, and what is lost, the test decides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seed_grpo.loop.batch import ReadyGroup
from seed_grpo.loop.interfaces import Sink
from seed_grpo.messages import Completion, FinishReason, Group, GroupTask, JudgedGroup, Judgement, Verdict

IDLE_PUMPS = 5_000
"""in a row that brought nothing: the controller waits for what never comes"""


class FakeEngine:
    """The version that the last sync brought. Groups named in `invalid` have one valid completion, those in `old` are
    of the version before, those in `right` and `wrong` have two right or two wrong ones, and those in `empty` no token
    at all."""

    def __init__(self) -> None:
        self.version = -1
        self.invalid: set[int] = set()
        self.old: set[int] = set()
        self.right: set[int] = set()
        self.wrong: set[int] = set()
        self.empty: set[int] = set()
        self.lengths_G = np.array([3, 4], dtype=np.int32)

    def judged(self, task: GroupTask, begun: int) -> JudgedGroup:
        """A judged group of two completions.

        Args:
            begun: version that sampled the first token; the present one samples the last.
        """
        group_id = task.group_id
        right_G = np.array([group_id not in self.wrong, group_id in self.right])
        valid_G = np.array([True, group_id not in self.invalid]) & (group_id not in self.empty)
        verdicts_G = [Verdict.CORRECT if right else Verdict.INCORRECT for right in right_G]
        return JudgedGroup(
            group=Group(task, self._completions(task, begun - (group_id in self.old)), "rollout-0", 0.1),
            judgements_G=tuple(Judgement(verdict, None) for verdict in verdicts_G),
            rewards_G=right_G.astype(np.float32),
            valid_G=valid_G,
            class_ids_G=np.array([0, 1], dtype=np.int32),
            semantic_entropy=float(np.log(2)),
            entropy_max=float(np.log(2)),
            entropy_clipped=False,
            seconds=0.1,
        )

    def _completions(self, task: GroupTask, begun: int) -> tuple[Completion, ...]:
        lengths_G = self.lengths_G * (task.group_id not in self.empty)
        versions_GT = [np.linspace(begun, self.version, length).astype(np.int32) for length in lengths_G]
        zeros_GT = [np.zeros(length, dtype=np.float32) for length in lengths_G]
        arrays = zip(zeros_GT, versions_GT, strict=True)
        return tuple(Completion("", z.astype(np.int32), z, versions, FinishReason.STOP) for z, versions in arrays)


class OneOrTwo(FakeEngine):
    """Greedy groups have one completion; those of samples have two."""

    def judged(self, task: GroupTask, begun: int) -> JudgedGroup:
        judged, count = super().judged(task, begun), task.sampling.num_completions
        return replace(
            judged,
            group=replace(judged.group, completions_G=judged.group.completions_G[:count]),
            judgements_G=judged.judgements_G[:count],
            rewards_G=judged.rewards_G[:count],
            valid_G=judged.valid_G[:count],
            class_ids_G=judged.class_ids_G[:count],
        )


@dataclass(eq=False)
class Job:
    """A group on its way."""

    task: GroupTask
    sink: Sink
    begun: int | None = None
    """version of the engine when a worker got it; None where it waits for one"""

    @property
    def group_id(self) -> int:
        return self.task.group_id


class FakePipeline:
    """Each pump brings back those of the running groups that `finish` picks: by default all of them, the last first.
    Workers fail on the groups in `failing`. What is in `gone` was lost after it had been judged."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.num_engines = 1
        self.tasks: list[GroupTask] = []
        """all that were ever submitted"""
        self.rounds: list[int] = []
        """groups of each submission"""
        self.slots = 1_000_000
        """groups that workers can have at once"""
        self.finish: Callable[[list[Job]], Sequence[Job]] = lambda running: running[::-1]
        self.failing: set[int] = set()
        self.gone: set[int] = set()
        self.on_submit: Callable[[], None] = lambda: None
        self.on_pump: Callable[[], None] = lambda: None
        self.jobs: list[Job] = []
        self.resets = 0
        self._judged: dict[int, JudgedGroup] = {}
        self._idle = 0

    @property
    def running(self) -> list[Job]:
        return [job for job in self.jobs if job.begun is not None]

    def submit(self, tasks: Sequence[GroupTask], sink: Sink) -> None:
        if tasks:
            self.rounds.append(len(tasks))
            self.on_submit()
        self.tasks += tasks
        self.jobs += [Job(task, sink) for task in tasks]
        self._dispatch()

    def pump(self, timeout: float = 0.0) -> None:
        self.on_pump()
        finished = list(self.finish(self.running))
        self._idle = 0 if finished else self._idle + 1
        assert self._idle < IDLE_PUMPS, f"nothing comes any more; under way: {[job.group_id for job in self.jobs]}"
        for job in finished:
            self.jobs.remove(job)
            if job.group_id in self.failing:
                job.sink.lost(job.task, "rollout-0 died")
                continue
            assert job.begun is not None
            judged = self._judged[job.group_id] = self.engine.judged(job.task, job.begun)
            self.gone.discard(job.group_id)
            job.sink.ready(ReadyGroup(judged.summary, payload=job.group_id))
        self._dispatch()

    def reset(self) -> None:
        self.jobs.clear()
        self.resets += 1

    def fetch(self, payload: int) -> JudgedGroup | None:
        return None if payload in self.gone else self._judged[payload]

    def keep(self, judged: JudgedGroup) -> ReadyGroup:
        self._judged[judged.group.task.group_id] = judged
        return ReadyGroup(judged.summary, payload=judged.group.task.group_id)

    def start_anew(self, job: Job) -> None:
        """The job's worker was lost, and another has it."""
        job.begun = self.engine.version
        job.sink.running(job.group_id)

    def _dispatch(self) -> None:
        waiting = [job for job in self.jobs if job.begun is None]
        for job in waiting[: self.slots - len(self.running)]:
            self.start_anew(job)
