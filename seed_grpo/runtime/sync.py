"""Weight sync with proof: after every sync the canary must show the trainer's log-probabilities in every engine."""

from __future__ import annotations

import numpy as np

from seed_grpo.config import Config
from seed_grpo.errors import RolloutError, WeightSyncError
from seed_grpo.messages import Probe
from seed_grpo.runtime.cluster import call_engine
from seed_grpo.runtime.pipeline import Pipeline
from seed_grpo.runtime.trainer_pool import TrainerPool
from seed_grpo.runtime.waiting import Say, gather
from seed_grpo.weight_sync.canary import compare_probe

ATTEMPTS = 2


class ProvenSync:
    """Invariant 3: no engine whose probe differs from the trainer's gets a prompt."""

    def __init__(
        self, config: Config, trainer: TrainerPool, pipeline: Pipeline, probe_ids_T: np.ndarray, say: Say
    ) -> None:
        """Opens the transport.

        Args:
            probe_ids_T: [T] the fixed text.
        """
        self._config = config
        self._trainer = trainer
        self._pipeline = pipeline
        self._probe_ids_T = probe_ids_T
        self._say = say
        trainer.connect(pipeline.rollout)

    def push(self, version: int) -> float:
        """Sends the trainer's weights to every rollout worker as `version`, and proves that they are there. Where an
        engine fails the proof, the weights are sent to all once more; nothing was sampled in between.

        Returns:
            largest |difference| of a log-probability of the probe, in nats, over all engines.

        Raises:
            WeightSyncError: an engine failed the proof twice (names it, with the difference), or the transport failed.
        """
        for attempt in range(1, ATTEMPTS + 1):
            self._trainer.sync(version)
            try:
                return self._prove()
            except WeightSyncError as error:
                if attempt == ATTEMPTS:
                    raise
                self._say(f"{error}; sending version {version} again")
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _prove(self) -> float:
        workers = self._pipeline.rollout
        calls = {name: call_engine(worker, "score", self._probe_ids_T) for name, worker in workers.items()}
        probe = Probe(self._probe_ids_T, self._trainer.score(self._probe_ids_T))
        timeout = self._config.weight_sync.timeout
        scores = gather(calls, "the rollout workers to score the probe", timeout, RolloutError, self._say)
        tolerance = self._config.canary_tolerance
        return max(compare_probe(probe, score_T, tolerance, name) for name, score_T in zip(calls, scores, strict=True))
