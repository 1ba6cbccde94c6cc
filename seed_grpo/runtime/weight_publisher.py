"""Publishing of weight versions: the trainer sends, every rollout worker receives, and the canary proves the arrival.

Consumes the trainer's ranks and the pipeline's rollout workers; produces a `Synced` for each version. It runs on the
driver and moves no weights itself. `weight_sync/README.md` has the picture.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import ray

from seed_grpo.config import Config
from seed_grpo.errors import DeadlineError, RolloutError, SeedGrpoError, TrainerLostError, WeightSyncError
from seed_grpo.loop.clock import Clock
from seed_grpo.loop.interfaces import Synced
from seed_grpo.messages import Probe
from seed_grpo.runtime.cluster.calls import Log, gather, result
from seed_grpo.runtime.cluster.connection import call_engine
from seed_grpo.runtime.supervision.supervise import Supervision
from seed_grpo.runtime.workers.pipeline import Pipeline
from seed_grpo.runtime.workers.pool import Worker
from seed_grpo.runtime.workers.trainer_group import TrainerGroup
from seed_grpo.weight_sync import canary

ATTEMPTS = 2
"""failures of one kind, in publishing one version, at which the run stops or an engine is replaced"""
WAIT_SECONDS = 1.0
"""time between two looks for a rollout worker, where none is up"""
PLACE_SECONDS = 600.0
"""time for a rollout worker to get its place where none is up, beside `rollout.start_timeout`"""


class WeightPublisher:
    """Publishes weight versions.

    Invariant 3: an engine whose probe differs from the trainer's gets no prompt.

    An engine that fails the proof twice, or dies or hangs while it receives, is replaced; the others continue.
    """

    def __init__(
        self,
        config: Config,
        trainer: TrainerGroup,
        pipeline: Pipeline,
        probe_ids_T: np.ndarray,
        supervision: Supervision,
        log: Log,
    ) -> None:
        """Opens nothing yet.

        Args:
            probe_ids_T: [T] the fixed text.
        """
        self._config = config
        self._trainer = trainer
        self._pipeline = pipeline
        self._rollout = pipeline.rollout
        self._probe_ids_T = probe_ids_T
        self._log = log
        self._supervision = supervision
        self._connected: tuple[int, list[Worker]] | None = None
        """members of the open transport: the incarnation of the trainer's ranks, and the engines"""
        self._phase = "no sync yet"

    def facts(self) -> dict[str, str]:
        """The phase of the present sync, for hang reports."""
        return {"weight sync": self._phase}

    @property
    def is_awaited(self) -> bool:
        """True while a rollout worker is up and lacks the present weights."""
        return any(not worker.has_weights for worker in self._rollout.started)

    def publish(self, version: int) -> Synced:
        """Sends the trainer's weights to every rollout worker that is up, as `version`, and proves that they arrived.

        Waits for a worker where none is up.

        Raises:
            WeightSyncError: all engines failed the proof twice, or the transport failed twice though all live.
            TrainerLostError: a trainer rank is gone.
        """
        failures = faulty = 0
        clock = Clock()
        while True:
            self._rollout.lack_weights()
            workers = self._members()
            try:
                self._connect(workers, clock)
                with clock.stage("send"):
                    self._send(version, workers)
                with clock.stage("prove"):
                    differences, faults = self._prove(workers)
            except TrainerLostError:
                raise
            except SeedGrpoError as error:
                self._disconnect(workers, error)
                self._record_retry(version, error)
                if not self._replace_dead(workers):
                    failures += 1
                    if failures == ATTEMPTS:
                        raise
                continue
            for worker in workers:
                if worker.name in faults:
                    self._pipeline.distrust(worker, str(faults[worker.name]))
            faulty += bool(faults)
            if faults and faulty < ATTEMPTS:
                self._record_retry(version, next(iter(faults.values())))
                continue
            self._replace_faulty(workers, faults)
            self._phase = f"version {version} is everywhere"
            return Synced(max(differences), clock.seconds)

    def _members(self) -> list[Worker]:
        """The rollout workers that are up; waits for one if there is none."""
        self._phase = "waiting for a rollout worker"
        self._rollout.poll(now=True)
        began = time.monotonic()
        while not self._rollout.started:
            self._pipeline.pump(WAIT_SECONDS)
            limit = PLACE_SECONDS + self._config.rollout.start_timeout
            if time.monotonic() - began > limit:
                raise RolloutError(
                    f"{', '.join(self._rollout.workers)}: no rollout worker has been up for {limit:.0f} s; add "
                    "machines, or raise rollout.start_timeout"
                )
        return self._rollout.started

    def _connect(self, workers: list[Worker], clock: Clock) -> None:
        """Opens the transport, unless the open one has the same members."""
        members = (self._trainer.incarnation, workers)
        if members != self._connected:
            self._phase = f"opening the transport to {len(workers)} engines"
            with clock.stage("open"):
                self._trainer.connect({worker.name: worker.actor for worker in workers})
            self._connected = members

    def _send(self, version: int, workers: list[Worker]) -> None:
        self._phase = f"sending version {version} to {len(workers)} engines"
        self._trainer.send(version)

    def _prove(self, workers: list[Worker]) -> tuple[list[float], dict[str, SeedGrpoError]]:
        """The differences of the engines that pass, and the faults of the others by name."""
        self._phase = f"proving {len(workers)} engines"
        calls = {worker.name: call_engine(worker.actor, "score", self._probe_ids_T) for worker in workers}
        probe = Probe(self._probe_ids_T, self._trainer.score(self._probe_ids_T))
        timeout = self._config.weight_sync.timeout
        meanwhile = self._supervision.monitor.poll
        scores = gather(calls, "the rollout workers to score the probe", timeout, RolloutError, self._log, meanwhile)
        differences: list[float] = []
        faults: dict[str, SeedGrpoError] = {}
        for name, score_T in zip(calls, scores, strict=True):
            try:
                differences.append(canary.prove(probe, score_T, self._config.canary_tolerance, name))
            except WeightSyncError as fault:
                faults[name] = fault
        return differences, faults

    def _disconnect(self, workers: list[Worker], error: SeedGrpoError) -> None:
        """Drops the transport. Engines that had received weights continued without a proof, so none of them is
        trusted."""
        if self._connected is not None:
            for worker in workers:
                self._pipeline.distrust(worker, str(error))
        self._connected = None

    def _record_retry(self, version: int, error: SeedGrpoError) -> None:
        self._supervision.events.record("resynced", "weight sync", f"{error}; sending version {version} again")

    def _replace_faulty(self, workers: list[Worker], faults: Mapping[str, SeedGrpoError]) -> None:
        """Replaces the engines that failed the proof; nothing was sampled since the sync."""
        if len(faults) == len(workers):
            raise next(iter(faults.values()))
        for worker in workers:
            if worker.name in faults:
                self._rollout.fail(worker, faults[worker.name])
        self._rollout.have_weights([worker for worker in workers if worker.name not in faults])

    def _replace_dead(self, workers: list[Worker]) -> bool:
        """Replaces the workers whose engines do not answer.

        Returns:
            whether there were any.
        """
        calls = {worker: call_engine(worker.actor, "heartbeat") for worker in workers}
        limit = self._config.supervision.heartbeat_timeout
        done, _ = ray.wait(list(calls.values()), num_returns=len(calls), timeout=limit, fetch_local=False)
        dead = 0
        for worker, call in calls.items():
            if call not in done:
                dead += 1
                self._rollout.hung(
                    worker, DeadlineError(f"{worker.name} has not answered for {limit:g} s after {self._phase}")
                )
                continue
            try:
                result(worker.name, call, self._phase, RolloutError)
            except SeedGrpoError as error:
                dead += 1
                self._rollout.fail(worker, error)
        return bool(dead)
