"""One step of training: log-probabilities before it, then updates, each a sum over micro-batches of all ranks.

Consumes samples with advantages; drives the forward passes, the losses and the optimiser of a `Backend`; produces the
step's metrics. It knows neither DeepSpeed nor how a pass is divided over the ranks of a replica.

    epochs x mini-batches of prompts: one update each
    update = sum over replicas and micro-batches of policy_loss(logprobs; old, reference, rollout, advantage x scale)

All log-probabilities and entropies are of the distributions that are sampled from: softmax(logits / T), with T =
`rollout.temperature`. So are the reference's, and the KL term compares the two policies at that temperature.

A replica is the ranks that run a micro-batch together (one, or several that share its tokens). Every replica runs as
many passes as the others, since ZeRO's collectives need that.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import distributed

from seed_grpo.algo.loss import LossParts, LossTokens, policy_loss, token_weights_B
from seed_grpo.algo.microbatch import plan_micro_batches
from seed_grpo.config import Config
from seed_grpo.config.sections import TrainerConfig
from seed_grpo.errors import TrainerError
from seed_grpo.messages import Sample, StepResult
from seed_grpo.seeds import Use, derive_seed
from seed_grpo.train.loss_metrics import StepTotals

MOST_SKIPPED = 3
"""updates in a row that may be skipped; the last of them stops the run"""

Rows = Sequence[tuple[np.ndarray, np.ndarray]]
"""prompt and completion token ids of each row, from long to short"""


class Pass(NamedTuple):
    """Result of a forward pass over one micro-batch, on every rank of the replica."""

    logprobs_T: torch.Tensor
    """float32, for all completion tokens, row after row"""
    entropies_T: torch.Tensor
    places: int
    """token places that attention computed, padding included"""


class Applied(NamedTuple):
    """Outcome of applying a gradient."""

    gradient_norm: float
    """norm over all parameters, before clipping; if it is not finite, the weights are as before"""
    update_to_weight: float
    """norm of the change over norm of the weights"""


class Backend(Protocol):
    """The engine as an update sees it; every method is a collective over all ranks."""

    def run(self, rows: Rows) -> Pass:
        """The policy's log-probabilities, with gradient unless that is off."""
        ...

    def run_reference(self, rows: Rows) -> Pass:
        """The frozen reference's log-probabilities."""
        ...

    def backward(self, loss: torch.Tensor, last: bool) -> None:
        """Adds the gradient of a part of the update's loss, which is the sum of the parts of all replicas.

        Args:
            last: this is the update's last micro-batch.
        """
        ...

    def apply(self, rate: float) -> Applied:
        """Applies the update's gradient at a learning rate, unless its norm is not finite."""
        ...


class Place(NamedTuple):
    """A rank's place among the replicas."""

    replica: int
    replicas: int
    leads: bool
    """True for the one rank that counts for its replica in sums over all ranks"""
    device: torch.device


class Before(NamedTuple):
    """Log-probabilities of the samples before the step, by row; None where they are not needed."""

    old: list[np.ndarray] | None
    reference: list[np.ndarray] | None


class Updates:
    """The updates of a step."""

    def __init__(self, config: Config, backend: Backend, place: Place) -> None:
        self._config = config
        self._backend = backend
        self._place = place
        loss = config.algo.loss
        self._every_row = loss.kl_coefficient > 0 or loss.entropy_coefficient > 0
        self.skipped_in_a_row = 0
        """updates up to now without a finite gradient between them; kept in checkpoints"""

    def step(self, samples: Sequence[Sample], steps_done: int) -> StepResult:
        """Makes all updates of one step.

        Rows with advantage 0 are not run where neither KL nor entropy gives them a gradient; they stay in the
        denominators of the loss. Means and maxima over tokens in the metrics are over the rows that were run.

        Args:
            samples: the valid completions of the whole step, the same on every rank.
            steps_done: number of steps before this one.

        Raises:
            TrainerError: `MOST_SKIPPED` updates in a row had a loss or gradient that is not finite.
        """
        started = time.perf_counter()
        before = self._before(samples)
        seconds = {"old_logprobs": time.perf_counter() - started, "forward_backward": 0.0, "optimizer": 0.0}
        rate = learning_rate(steps_done, self._config.run.steps, self._config.trainer)
        totals = StepTotals(self._place.device)
        applied: list[Applied] = []
        trained: set[int] = set()
        updates = list(self._mini_batches(samples, steps_done))
        for chosen in updates:
            started = time.perf_counter()
            parts = self._gradient(samples, chosen, before)
            ended = time.perf_counter()
            result = self._backend.apply(rate)
            seconds["forward_backward"] += ended - started
            seconds["optimizer"] += time.perf_counter() - ended
            if math.isfinite(result.gradient_norm):
                self.skipped_in_a_row = 0
                totals.merge(parts)
                applied.append(result)
                trained |= {samples[row].group for row in chosen}
            else:
                self._skip(steps_done, parts, result, [samples[row] for row in chosen])
        metrics = self._metrics(samples, totals, applied) | {"learning_rate": rate}
        metrics["skipped_updates"] = float(len(updates) - len(applied))
        skipped = sorted({sample.group for sample in samples} - trained)
        return StepResult(metrics, seconds, tuple(skipped))

    def _mini_batches(self, samples: Sequence[Sample], steps_done: int) -> Iterator[list[int]]:
        """Rows of whole groups, epoch after epoch, in an order drawn anew for each epoch."""
        groups = sorted({sample.group for sample in samples})
        count = self._config.trainer.mini_batches
        rng = np.random.default_rng(derive_seed(self._config.run.seed, Use.MINI_BATCHES, steps_done))
        for _ in range(self._config.trainer.epochs):
            for part in np.array_split(rng.permutation(groups), count):
                if len(part):
                    yield [row for row, sample in enumerate(samples) if sample.group in part]

    def _before(self, samples: Sequence[Sample]) -> Before:
        """Log-probabilities before the step: the policy's, if there are several updates, and the reference's."""
        trainer = self._config.trainer
        several = trainer.epochs * trainer.mini_batches > 1
        old = self._of_all(samples, self._backend.run) if several else None
        with_reference = self._config.algo.loss.kl_coefficient > 0
        return Before(old, self._of_all(samples, self._backend.run_reference) if with_reference else None)

    @torch.no_grad()
    def _of_all(self, samples: Sequence[Sample], run: Callable[[Rows], Pass]) -> list[np.ndarray]:
        """Log-probabilities of every row that is ever run, on every rank; zeros for other rows."""
        lengths = [len(sample.completion_ids_T) for sample in samples]
        ends = np.cumsum(lengths)
        starts = ends - lengths
        everything = torch.zeros(sum(lengths), device=self._place.device)
        plan = self._plan(samples, self._with_gradient(samples, range(len(samples))))
        for rows in plan[self._place.replica]:
            logprobs_T = run(_token_ids(samples, rows)).logprobs_T
            if self._place.leads and rows:
                places = np.concatenate([np.arange(starts[row], ends[row]) for row in rows])
                everything[torch.from_numpy(places)] = logprobs_T
        distributed.all_reduce(everything)
        return np.split(everything.cpu().numpy(), ends[:-1])

    def _gradient(self, samples: Sequence[Sample], chosen: Sequence[int], before: Before) -> StepTotals:
        """Forward and backward passes of one update."""
        weights_B = token_weights_B(
            np.array([len(samples[row].completion_ids_T) for row in chosen]),
            self._config.algo.loss.aggregation,
            self._config.completions_per_step // self._config.trainer.mini_batches,
            self._config.rollout.max_completion_tokens,
        )
        weight_of = dict(zip(chosen, weights_B, strict=True))
        totals = StepTotals(self._place.device)
        plan = self._plan(samples, self._with_gradient(samples, chosen))[self._place.replica]
        for number, rows in enumerate(plan):
            passed = self._backend.run(_token_ids(samples, rows))
            last = number == len(plan) - 1
            if not rows:
                self._backend.backward(0.0 * passed.logprobs_T.sum(), last)
                continue
            parts = self._loss(passed, samples, rows, weight_of, before)
            self._backend.backward(parts.loss, last)
            if self._place.leads:
                totals.add(parts)
                totals.add_places([len(samples[row]) for row in rows], passed.places)
        return totals

    def _loss(
        self, passed: Pass, samples: Sequence[Sample], rows: list[int], weight_of: dict[int, float], before: Before
    ) -> LossParts:
        lengths = [len(samples[row].completion_ids_T) for row in rows]
        old, reference = before
        tokens = LossTokens(
            passed.logprobs_T,
            passed.entropies_T,
            passed.logprobs_T.detach() if old is None else self._tensor(np.concatenate([old[row] for row in rows])),
            self._tensor(np.concatenate([samples[row].rollout_logprobs_T for row in rows])),
            self._tensor(np.repeat([samples[row].advantage for row in rows], lengths)),
            self._tensor(np.repeat([weight_of[row] for row in rows], lengths)),
            torch.from_numpy(np.repeat(np.arange(len(rows)), lengths)).to(self._place.device),
            None if reference is None else self._tensor(np.concatenate([reference[row] for row in rows])),
        )
        return policy_loss(tokens, self._config.algo.loss)

    def _with_gradient(self, samples: Sequence[Sample], chosen: Sequence[int]) -> list[int]:
        return [
            row
            for row in chosen
            if len(samples[row].completion_ids_T) and (self._every_row or samples[row].advantage != 0)
        ]

    def _plan(self, samples: Sequence[Sample], rows: list[int]) -> list[list[list[int]]]:
        """The micro-batches of each replica."""
        lengths_B = [len(samples[row]) for row in rows]
        limit = self._config.trainer.tokens_per_micro_batch
        plan = plan_micro_batches(lengths_B, self._place.replicas, limit)
        return [[[rows[number] for number in micro_batch] for micro_batch in replica] for replica in plan]

    def _skip(self, steps_done: int, parts: StepTotals, result: Applied, samples: Sequence[Sample]) -> None:
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row < MOST_SKIPPED:
            return
        bad = sorted({s.group for s in samples if not math.isfinite(s.advantage + s.rollout_logprobs_T.sum())})
        cause = f"The advantages or rollout log-probabilities of its groups {bad} are not finite. " if bad else ""
        in_half = " or use model.dtype=float32" if self._config.model.dtype != "float32" else ""
        raise TrainerError(
            f"{self.skipped_in_a_row} updates in a row had no finite gradient and were skipped; the last one, in step "
            f"{steps_done + 1}, had loss {parts.reduced()['loss']} and gradient norm {result.gradient_norm}, and the "
            f"weights are as before. {cause}Lower trainer.learning_rate (now {self._config.trainer.learning_rate})"
            f"{in_half}, or look at the last steps of metrics.jsonl for where it began"
        )

    def _metrics(self, samples: Sequence[Sample], totals: StepTotals, applied: list[Applied]) -> dict[str, float]:
        rows = self._with_gradient(samples, range(len(samples)))
        metrics = totals.reduced(max(len(applied), 1)) | {"rows_trained": float(len(rows))}
        if applied:
            metrics["grad_norm"] = float(np.mean([result.gradient_norm for result in applied]))
            metrics["update_to_weight_ratio"] = float(np.mean([result.update_to_weight for result in applied]))
        else:
            metrics |= {"loss": math.nan, "grad_norm": math.nan, "update_to_weight_ratio": 0.0}
        return metrics

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(array, dtype=torch.float32, device=self._place.device)


def _token_ids(samples: Sequence[Sample], rows: Sequence[int]) -> Rows:
    """Token ids of the rows; without rows, a dummy of two tokens takes part in the other replicas' collectives."""
    if not rows:
        return [(np.zeros(1, np.int32), np.zeros(1, np.int32))]
    return [(samples[row].prompt_ids_T, samples[row].completion_ids_T) for row in rows]


def learning_rate(step: int, steps: int, config: TrainerConfig) -> float:
    """Learning rate of step number `step`, the same for all its updates, so that nothing needs saving.

    The first `warmup_steps` steps rise linearly, from 1 / warmup_steps of the peak to the peak. After them `constant`
    stays there. `linear` falls by equal amounts, and would be 0 one step past the last.

    Args:
        step: 0 for the first step.
        steps: number of steps of the run.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if config.schedule == "linear":
        return config.learning_rate * max(0, steps - step) / (steps - config.warmup_steps)
    return config.learning_rate
