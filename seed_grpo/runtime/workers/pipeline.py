"""Pipeline from prompt to judged group: the rollout pool and the verifier pool, joined by references.

Consumes `GroupTask`s; produces `ReadyGroup`s, reported to whoever submitted the tasks. A group goes from its rollout
worker through the object store to a verifier worker as soon as its last completion ends, so judging runs while other
groups are still being generated; only summaries reach this process. Nothing moves by itself: `pump` is called during
every wait, and also looks after the workers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray.util.placement_group import PlacementGroup

from seed_grpo.config import Config
from seed_grpo.errors import RolloutError, SeedGrpoError, VerifierError
from seed_grpo.loop.batch import ReadyGroup
from seed_grpo.loop.interfaces import Sink
from seed_grpo.messages import GroupTask, JudgedGroup
from seed_grpo.runtime.cluster.calls import LOG_EVERY_SECONDS, Log, fetch, gather, is_lost, put
from seed_grpo.runtime.cluster.connection import call_engine
from seed_grpo.runtime.cluster.placement import Plan
from seed_grpo.runtime.supervision.prometheus import Sample
from seed_grpo.runtime.supervision.supervise import Supervision
from seed_grpo.runtime.workers.dispatch import CallSpec, Dispatcher, Job
from seed_grpo.runtime.workers.pool import Worker
from seed_grpo.runtime.workers.pools import rollout_pool, verifier_pool
from seed_grpo.runtime.workers.scaling import Scaler
from seed_grpo.verify.isolation.process import START_SECONDS

GRACE_SECONDS = 60.0
"""seconds beyond a worker's own limit before it counts as hung"""
CLOSE_SECONDS = 10.0


class Pipeline:
    """Both pools, and the groups on their way through them."""

    def __init__(
        self, config: Config, plan: Plan, gang: PlacementGroup | None, supervision: Supervision, log: Log
    ) -> None:
        """Starts the workers without waiting for them; `wait_started` does.

        Args:
            gang: the trainer's placement group; None where there is no trainer.
        """
        self._config = config
        self._log = log
        self._said = time.monotonic()
        self.rollout = rollout_pool(config, plan, gang, supervision)
        self.verifier = verifier_pool(config, plan, supervision)
        # the workers end a group at these limits themselves; theirs is the bound for workers that do not
        seconds = config.rollout.request_timeout + GRACE_SECONDS
        generating = CallSpec("generating", _generate, one_call=False, seconds=seconds, error=RolloutError)
        self._generation = Dispatcher(generating, self.rollout, self._give_up)
        seconds = config.verifying_seconds + START_SECONDS + GRACE_SECONDS
        judging = CallSpec("judging", _judge, one_call=True, seconds=seconds, error=VerifierError)
        self._judging = Dispatcher(judging, self.verifier, self._not_judged)
        self._scaler = Scaler(config, self.rollout, self.verifier)
        self._monitor = supervision.monitor

    def wait_started(self) -> None:
        """Waits for the workers.

        Raises:
            RolloutError, VerifierError, DeadlineError: one of them did not come up.
        """
        self.rollout.wait_started(self._log)
        self.verifier.wait_started(self._log)

    @property
    def num_engines(self) -> int:
        """Target number of engines, including those still starting."""
        return self.rollout.size

    def submit(self, tasks: Sequence[GroupTask], sink: Sink) -> None:
        """Dispatches prompts to the rollout workers; they wait if there is no worker.

        Under `run.deterministic` the engines are held while they take them in, so that a step's requests form the same
        batches every time; which worker gets a prompt depends on its place in `tasks` alone.
        """
        self.rollout.poll(now=True)  # so that none is left out for a heartbeat that only was not looked at
        self._generation.waiting += [Job(task, sink) for task in tasks]
        self._dispatch()

    def pump(self, timeout: float = 0.0) -> None:
        """Moves groups on, and looks after the workers.

        Args:
            timeout: seconds to wait for something to move.

        Raises:
            SeedGrpoError: too many workers had to be replaced.
        """
        for pool, dispatcher in ((self.rollout, self._generation), (self.verifier, self._judging)):
            pool.poll()
            dispatcher.requeue_lost()
        self._scaler.poll(is_awaited=timeout > 0)
        self._monitor.poll()
        done = self._wait(timeout)
        for job, _, group in self._generation.collect(done):
            job.group, job.failures = group, 0
            self._judging.waiting.append(job)
        for job, summary, payload in self._judging.collect(done):
            job.sink.ready(ReadyGroup(summary, payload))
        self._dispatch()
        if not done and timeout and time.monotonic() - self._said > LOG_EVERY_SECONDS:
            self._said = time.monotonic()
            self._log("waiting for groups: " + ", ".join(f"{count} {name}" for name, count in self.depths().items()))

    def reset(self) -> None:
        """Discards all groups and aborts their requests."""
        self._generation.clear()
        self._judging.clear()
        for worker in self.rollout.started:
            call_engine(worker.actor, "abort_all")

    def gauges(self) -> dict[str, float]:
        """Gauges for the run's curves: healthy workers, and groups by where they are."""
        healthy = {"rollout_workers": len(self.rollout.serving), "verifier_workers": len(self.verifier.serving)}
        return {name.replace(" ", "_"): float(count) for name, count in {**healthy, **self.depths()}.items()}

    def samples(self) -> list[Sample]:
        """Gauges for Prometheus: groups by where they are, and busy workers by pool."""
        busy = {pool.name: sum(worker.load > 0 for worker in pool.serving) for pool in (self.rollout, self.verifier)}
        groups: list[Sample] = [("groups", float(count), (where,)) for where, count in self.depths().items()]
        return groups + [("busy_workers", float(count), (pool,)) for pool, count in busy.items()]

    def distrust(self, worker: Worker, why: str) -> None:
        """Requeues the groups of a rollout worker that had wrong weights for a while."""
        self._generation.requeue(worker, why, is_failure=False)
        call_engine(worker.actor, "abort_all")

    def depths(self) -> dict[str, int]:
        """Groups by where they are."""
        return {
            "waiting for a rollout worker": len(self._generation.waiting),
            "being generated": self._generation.num_running,
            "waiting for a verifier worker": len(self._judging.waiting),
            "being judged": self._judging.num_running,
        }

    def fetch(self, payload: Any) -> JudgedGroup | None:
        """The judged group behind a reference; None if it was lost with its machine, or does not arrive in time."""
        return fetch(payload)

    def keep(self, judged: JudgedGroup) -> ReadyGroup:
        """Stores a judged group from an earlier run of the program in the object store."""
        return ReadyGroup(judged.summary, put(judged))

    def close(self) -> None:
        """Ends the processes of engines and judges, which would outlive the run on a cluster that others run."""
        closing = [call_engine(worker.actor, "shutdown") for worker in self.rollout.started]
        closing += [worker.actor.close.remote() for worker in self.verifier.started]
        if closing:
            ray.wait(closing, num_returns=len(closing), timeout=CLOSE_SECONDS)

    def _wait(self, timeout: float) -> list[ray.ObjectRef]:
        calls = [*self._generation.running, *self._judging.running]
        pending = [*calls, *self.rollout.starting, *self.verifier.starting]
        if not pending:
            time.sleep(min(timeout, 0.1))  # all workers are suspect, or there is nothing to do
            return []
        done, _ = ray.wait(pending, num_returns=1, timeout=timeout, fetch_local=False)
        if done and calls:  # and whatever else is: one call for each would hold the verifiers up
            done, _ = ray.wait(calls, num_returns=len(calls), timeout=0, fetch_local=False)
        return done

    def _dispatch(self) -> None:
        self._judging.dispatch()
        if not self._generation.waiting or not self.rollout.serving:
            return
        with self._held():
            given = self._generation.dispatch()
        for job in given:
            job.sink.running(job.task.group_id)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Holds all engines while the block runs, under `run.deterministic`."""
        workers = self.rollout.serving if self._config.run.deterministic else []
        self._call(workers, "pause")
        yield
        self._call(workers, "resume")

    def _call(self, workers: Sequence[Worker], method: str) -> None:
        calls = {worker.name: call_engine(worker.actor, method) for worker in workers}
        timeout = self._config.weight_sync.timeout + GRACE_SECONDS  # the engine's own limit comes first
        try:
            gather(calls, f"the rollout workers to {method}", timeout, RolloutError, self._log)
        except SeedGrpoError as error:
            self._log(f"{error}; going on without holding the engines")
            for worker in workers:
                self.rollout.mark_suspect(worker)

    def _not_judged(self, job: Job, error: SeedGrpoError) -> None:
        """Requeues a group whose completions were lost with their machine; gives up any other."""
        if is_lost(error):
            self._generation.waiting.append(Job(job.task, job.sink))
        else:
            self._give_up(job, error)

    @staticmethod
    def _give_up(job: Job, error: SeedGrpoError) -> None:
        job.sink.lost(job.task, str(error))


def _generate(worker: Worker, jobs: list[Job]) -> list[ray.ObjectRef]:
    (job,) = jobs
    return worker.actor.generate.options(num_returns=2).remote(job.task)


def _judge(worker: Worker, jobs: list[Job]) -> list[ray.ObjectRef]:
    return worker.actor.judge.options(num_returns=1 + len(jobs)).remote(*(job.group for job in jobs))
