"""The loop of SEED-GRPO: sample, estimate, train, sync; on interfaces only.

Consumes prompts; produces a trained policy and, through the recorder, everything that is known of how it came about.
It holds no payloads, no tensors and no Ray: groups are summaries with an opaque reference. One step is

    prompts -> [rollout -> verify -> partition -> entropy] -> advantage x scale -> optimiser step -> weight sync

and on-policy: the groups of a step are sampled by the weights that the step updates (staleness 0). Judging runs while
generation goes on. With dynamic sampling the first half is repeated while groups that can teach something are missing.
State changes only between steps, so a checkpoint is a step number and what each part says of itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from seed_grpo.algo.advantage import advantages_G
from seed_grpo.algo.dynamic_sampling import chosen_places, is_informative
from seed_grpo.algo.overlong import overlong_G
from seed_grpo.algo.scale import scales_P
from seed_grpo.config import Config
from seed_grpo.data.ledger import NOT_FINITE, REPLACED, STALE, TOO_FEW_VALID, Ledger
from seed_grpo.data.seeds import Use, derive_seed
from seed_grpo.errors import ConfigError, TrainerError
from seed_grpo.interfaces import Batch, Parts, Ready
from seed_grpo.messages import GroupSummary, GroupTask, Sampling


class Controller:
    """Runs the steps of a run, from its last checkpoint if there is one."""

    def __init__(self, config: Config, parts: Parts) -> None:
        self._config = config
        self._parts = parts
        self.ledger = Ledger()
        self.step = 0
        """optimiser steps done; also the weight version"""
        self.clock = Clock()
        """wall-clock of everything that this controller did"""
        self._stop = False

    def request_stop(self) -> None:
        """Ends the run after the present step, with a checkpoint."""
        self._stop = True

    def run(self) -> None:
        """Trains to `run.steps`, or until a stop is requested."""
        steps = self._config.run.steps
        self._begin()
        while self.step < steps and not self._stop:
            self._train_step()
            if self.step % self._config.run.checkpoint_every == 0 or self.step == steps or self._stop:
                with self.clock.stage("checkpoint"):
                    self._checkpoint()
            if not self._stop:
                self._evaluate_if_due()

    def _begin(self) -> None:
        state = self._parts.checkpoints.load(self._parts.trainer)
        if state is not None:
            self.step = state["step"]
            if self.step > self._config.run.steps:
                raise ConfigError(
                    f"the run is at step {self.step} already, past run.steps={self._config.run.steps}; raise "
                    "run.steps, or choose another run.directory"
                )
            self.ledger.restore(state["ledger"])
            self._parts.prompts.restore(state["prompts"])
        self._parts.recorder.truncate_after(self.step)
        with self.clock.stage("weight_sync"):
            self._parts.sync.push(self.step)
        self._evaluate_if_due()

    def _train_step(self) -> None:
        clock = Clock()
        with clock.stage("rollout"):
            sampled, rounds = self._sample()
        batch = self._estimate(sampled, rounds)
        with clock.stage("train"):
            result = self._parts.trainer.step(batch.groups, batch.advantages_PG)
        batch = batch.without(result.skipped, NOT_FINITE)
        self._close(batch)
        with clock.stage("weight_sync"):
            difference = self._parts.sync.push(self.step)
        metrics = {**result.metrics, "canary_logprob_difference": difference}
        summaries = [group.summary for group in sampled]
        parts = {f"train/{name}": value for name, value in result.seconds.items()} | {
            "rollout/slowest_group": max(summary.rollout_seconds for summary in summaries),
            "rollout/judging": sum(summary.verify_seconds for summary in summaries),  # while others are generated
        }
        with self.clock.stage("record"):
            self._parts.recorder.step(batch, metrics, {**clock.seconds, **parts, "total": clock.total})
        for name, spent in clock.seconds.items():
            self.clock.add(name, spent)

    def _sample(self) -> tuple[list[Ready], int]:
        """The step's groups in the order of their issue, and the rounds of further prompts that they took.

        Dynamic sampling (DAPO, arXiv 2503.14476, Eq. 11): each further round asks for as many prompts as informative
        groups are missing, until none is, or the rounds are used up.
        """
        wanted = self._config.rollout.prompts_per_step
        sampled = self._sample_prompts(wanted)
        rounds = 0
        while rounds < self._config.algo.dynamic_sampling_rounds:
            missing = wanted - sum(self._is_informative(group.summary) for group in sampled)
            if not missing:
                break
            sampled += self._sample_prompts(missing)
            rounds += 1
        return sampled, rounds

    def _sample_prompts(self, count: int) -> list[Ready]:
        """G completions of each of the next prompts, judged, partitioned, with their semantic entropy."""
        rollout = self._config.rollout
        tasks = []
        for problem, prompt_ids in self._parts.prompts.take(count):
            group_id = self.ledger.issue()
            sampling = Sampling(
                num_completions=rollout.completions_per_prompt,
                temperature=rollout.temperature,
                top_p=rollout.top_p,
                max_tokens=rollout.max_completion_tokens,
                seed=derive_seed(self._config.run.seed, Use.GROUP, group_id),
            )
            tasks.append(GroupTask(group_id, problem, tuple(prompt_ids), sampling))
        self._parts.pipeline.submit(tasks)
        for group in self._parts.pipeline.collect():
            self.ledger.ready(group.summary.group_id)
            self._parts.queue.put(group)
        return self._parts.queue.take(count)

    def _estimate(self, sampled: Sequence[Ready], rounds: int) -> Batch:
        """Advantage times scale: A_i = (r_i - mean r) * scale(SE(q)); sections 3.1 and 3.2 of arXiv 2505.12346."""
        algo = self._config.algo
        groups, dropped = self._select(sampled)
        summaries = [group.summary for group in groups]
        scale_P = scales_P(
            np.array([summary.semantic_entropy for summary in summaries]),
            np.array([summary.entropy_max for summary in summaries]),
            algo.scale,
            np.random.default_rng(derive_seed(self._config.run.seed, Use.CONTROL, self.step)),
        )
        longest = self._config.rollout.max_completion_tokens
        overlong_PG = [overlong_G(summary.lengths_G, longest, algo.overlong_tokens) for summary in summaries]
        advantages_PG = [
            scale * advantages_G(summary.rewards_G + added_G, summary.valid_G, algo.advantage)
            for scale, summary, added_G in zip(scale_P, summaries, overlong_PG, strict=True)
        ]
        return Batch(
            step=self.step + 1,
            version=self.step,
            rounds=rounds,
            groups=groups,
            dropped=dropped,
            scale_P=scale_P,
            overlong_PG=overlong_PG,
            advantages_PG=advantages_PG,
        )

    def _select(self, sampled: Sequence[Ready]) -> tuple[list[Ready], list[tuple[Ready, str]]]:
        """The groups to train on, at most `rollout.prompts_per_step`, and the others with their reasons."""
        usable, dropped = [], []
        for group in sampled:
            reason = self._reason_to_drop(group.summary)
            if reason is None:
                usable.append(group)
            else:
                dropped.append((group, reason))
        if not usable:
            raise TrainerError(
                f"step {self.step + 1}: all {len(dropped)} groups were dropped ({dropped[0][1]}): if verdicts time "
                "out, raise verifier.judge_timeout; if completions do, raise rollout.request_timeout"
            )
        informative = [self._is_informative(group.summary) for group in usable]
        places = chosen_places(informative, self._config.rollout.prompts_per_step)
        dropped += [(group, REPLACED) for place, group in enumerate(usable) if place not in places]
        return [usable[place] for place in places], dropped

    def _is_informative(self, summary: GroupSummary) -> bool:
        return self._reason_to_drop(summary) is None and is_informative(summary.verdicts_G, summary.valid_G)

    def _reason_to_drop(self, summary: GroupSummary) -> str | None:
        if summary.valid_G.sum() < 2:
            return TOO_FEW_VALID
        if 0 <= summary.version_min < self.step:  # invariant 2; -1 where no token was sampled
            return STALE
        return None

    def _close(self, batch: Batch) -> None:
        for group in batch.groups:
            self.ledger.train(group.summary.group_id)
        for group, reason in batch.dropped:
            self.ledger.drop(group.summary.group_id, reason)
        self.ledger.check()
        self.step = batch.step

    def _checkpoint(self) -> None:
        assert not len(self._parts.queue), "a checkpoint between steps finds the queue empty"
        state = {"step": self.step, "ledger": self.ledger.state(), "prompts": self._parts.prompts.state()}
        self._parts.checkpoints.save(self.step, state, self._parts.trainer)

    def _evaluate_if_due(self) -> None:
        evaluation = self._config.evaluation
        if self._parts.evaluator is None or evaluation is None:
            return
        at_an_end = self.step in (0, self._config.run.steps)
        if at_an_end or (evaluation.every is not None and self.step % evaluation.every == 0):
            with self.clock.stage("evaluation"):
                self._parts.evaluator.evaluate(self.step)


class Clock:
    """Wall-clock by stage."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a stage."""
        started = time.perf_counter()
        yield
        self.add(name, time.perf_counter() - started)

    def add(self, name: str, seconds: float) -> None:
        """Adds to a stage."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    @property
    def total(self) -> float:
        """Seconds since it was made."""
        return time.perf_counter() - self._started
