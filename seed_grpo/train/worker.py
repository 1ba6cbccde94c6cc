"""Trainer worker: one rank's training engine, the sender of its weights, and the way from judged groups to samples.

A plain class, wrapped as a Ray actor by the runtime.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seed_grpo.config import Config
from seed_grpo.messages import JudgedGroup, Sample, StepResult
from seed_grpo.train.deepspeed_engine import DeepSpeedEngine
from seed_grpo.weight_sync.base import Receivers, WeightSender


class TrainerWorker:
    """One rank of the trainer. Methods are called on all ranks alike."""

    def __init__(self, config: Config, rank: int, fetch: Callable[[Any], JudgedGroup | None]) -> None:
        """Starts nothing.

        Args:
            rank: number of this rank, from 0.
            fetch: reads a judged group behind its reference; None where the group is lost or does not come.
        """
        self._config = config
        self._rank = rank
        self._fetch = fetch
        self._engine: DeepSpeedEngine | None = None
        self._sender: WeightSender | None = None
        self._groups: dict[int, JudgedGroup | None] = {}

    def start(self, address: str, port: int) -> None:
        """Loads the model and joins the other ranks at the address.

        Raises:
            ModelError: the model cannot be used.
        """
        self._engine = DeepSpeedEngine(self._config, self._rank, self._config.trainer.num_workers, address, port)

    def connect(self, receivers: Receivers, address: str, port: int) -> None:
        """Opens the transport to the engines, which meet the sending rank at the address."""
        from seed_grpo.weight_sync import vllm_bridge  # loads vLLM, which takes seconds

        if self._sender is not None:
            self._sender.close()
        weights = self.engine.weights()
        self._sender = vllm_bridge.connect(
            self._config.transport, self._rank, weights, receivers, address, port, self._config
        )

    def send(self, version: int) -> None:
        """Sends the present weights to the engines, as `version`."""
        assert self._sender is not None, "connect() comes before send()"
        self._sender.send(version)

    def weight_bytes(self) -> int:
        """Bytes that a sync sends to each engine."""
        return sum(weight.num_bytes for weight in self.engine.weights().metadata())

    def device_name(self) -> str:
        """Name of this rank's GPU; empty without one."""
        return torch.cuda.get_device_name() if self._config.cluster.device == "cuda" else ""

    def all_reduce(self, num_bytes: int) -> float:
        """Seconds that the ranks take to add up so many bytes, as they do with gradients."""
        numbers = torch.zeros(num_bytes // 4, device=self._config.cluster.device)
        began = time.monotonic()
        torch.distributed.all_reduce(numbers)
        numbers[0].item()  # waits for the device
        return time.monotonic() - began

    def fetch(self, payloads: Mapping[int, Any]) -> list[int]:
        """Fetches the judged groups of the next step from the object store.

        Args:
            payloads: references by group id.

        Returns:
            ids of groups that were lost with a machine, or do not come.
        """
        self._groups = {group_id: self._fetch(payload) for group_id, payload in payloads.items()}
        return [group_id for group_id, group in self._groups.items() if group is None]

    def step(self, group_ids: Sequence[int], advantages_PG: Sequence[np.ndarray]) -> StepResult:
        """Trains one step on groups that were fetched, with the advantages of their completions."""
        groups = [group for group_id in group_ids if (group := self._groups[group_id]) is not None]
        self._groups = {}
        return self.engine.step(samples_of(groups, advantages_PG))

    def score(self, token_ids_T: np.ndarray) -> np.ndarray:
        """Scores tokens; see `TrainEngine.score`."""
        return self.engine.score(token_ids_T)

    def save(self, folder: Path) -> None:
        """Writes this rank's part of a checkpoint; see `TrainEngine.save`."""
        self.engine.save(folder)

    def load(self, folder: Path) -> None:
        """Restores this rank's part of a checkpoint; see `TrainEngine.load`."""
        self.engine.load(folder)

    def export(self, folder: Path) -> None:
        """Writes the policy as a Hugging Face model; see `TrainEngine.export`."""
        self.engine.export(folder)

    @property
    def engine(self) -> DeepSpeedEngine:
        """The engine, once started."""
        assert self._engine is not None, "start() comes first"
        return self._engine


def samples_of(groups: Sequence[JudgedGroup], advantages_PG: Sequence[np.ndarray]) -> list[Sample]:
    """Valid completions of the groups that have tokens, with their scaled advantages."""
    return [
        Sample(
            prompt_ids_T=np.asarray(judged.group.task.prompt_ids, dtype=np.int32),
            completion_ids_T=completion.token_ids_T,
            rollout_logprobs_T=completion.logprobs_T,
            advantage=float(advantage),
            group=place,
        )
        for place, (judged, advantages_G) in enumerate(zip(groups, advantages_PG, strict=True))
        for completion, valid, advantage in zip(judged.group.completions_G, judged.valid_G, advantages_G, strict=True)
        if valid and len(completion.token_ids_T)
    ]
