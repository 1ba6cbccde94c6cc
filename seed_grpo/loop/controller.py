"""The loop of SEED-GRPO: sample, estimate, train, sync; on interfaces only.

Consumes prompts; produces a trained policy and, through the recorder, everything that is known of how it came about.
It holds no payloads, no tensors and no Ray: groups are summaries with an opaque reference. One step is

    prompts -> [rollout -> verify -> partition -> entropy] -> advantage x scale -> optimiser step -> weight sync

With `run.max_staleness` k = 0 the groups of a step are sampled by the weights that the step updates. With k > 0 the
first half of the line runs on while the second half works: the groups of k further steps are open at any time, and
their generation goes on under the new weights after each sync. That no group gets older than k versions follows from
how many are open, (k + 1) P, which k + 1 steps can train; from their order, the oldest first; and from what a step
waits for: the groups that it leaves must all be young enough for the steps after it (`_can_wait`).

State changes only between steps, so a checkpoint is a step number, what each part says of itself, and the open groups.
Where the trainer is lost, the run goes on from it, in the same process. Steps are recorded while others wait.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from seed_grpo.algo.advantage import advantages_G
from seed_grpo.algo.overlong import overlong_G
from seed_grpo.algo.scale import scales_P
from seed_grpo.config import Config
from seed_grpo.errors import ConfigError, RolloutError, SeedGrpoError, TrainerLostError
from seed_grpo.loop.clock import Clock
from seed_grpo.loop.interfaces import Batch, LostGroup, OpenGroups, Parts, Ready
from seed_grpo.loop.ledger import LOST, NOT_FINITE, Ledger
from seed_grpo.loop.selection import count_informative, select
from seed_grpo.messages import GroupTask, Sampling
from seed_grpo.seeds import Use, derive_seed

PUMP_SECONDS = 1.0


class Controller:
    """Runs the steps of a run, from its last checkpoint if there is one."""

    def __init__(self, config: Config, parts: Parts) -> None:
        self._config = config
        self._parts = parts
        self._fresh_prompts = parts.prompts.state()
        self.ledger = Ledger()
        self.step = 0
        """optimiser steps done; also the weight version"""
        self.clock = Clock()
        """wall-clock of everything that this controller did"""
        self._lost: list[LostGroup] = []
        self._lost_in_a_row = 0
        self._saved: int | None = None
        self._stop = False
        self._unrecorded: Callable[[], None] | None = None
        """writes down the latest step, which is done where something is waited for"""

    def request_stop(self) -> None:
        """Ends the run as soon as no step is at work, with a checkpoint. Groups that are being sampled are saved as
        tasks; the run that goes on samples them anew."""
        self._stop = True

    def run(self) -> None:
        """Trains to `run.steps` and exports the policy, or until a stop is requested."""
        begun = False
        while True:
            try:
                if not begun:
                    self._begin()
                    begun = True
                elif self._stop or self.step == self._config.run.steps:
                    self._end()
                    return
                else:
                    self._advance()
            except TrainerLostError as error:
                self._parts.pipeline.reset()
                self._parts.trainer.restart(error)
                begun = False
            except SeedGrpoError:
                self._record()
                raise

    def _begin(self) -> None:
        """Takes up the last checkpoint, or begins at step 0; also after the trainer was lost in the middle."""
        self._parts.queue.clear()
        self._lost_in_a_row, self._unrecorded = 0, None
        saved = self._parts.checkpoints.load(self._parts.trainer)
        if saved is None:
            self.step, self.ledger, self._lost = 0, Ledger(), []
            self._parts.prompts.restore(self._fresh_prompts)
            unfinished: list[GroupTask] = []
        else:
            unfinished = self._restore(*saved)
        self._parts.recorder.truncate_after(self.step)
        with self.clock.stage("weight_sync"):
            self._parts.sync.publish(self.step)
        self._parts.pipeline.submit(unfinished, self)
        self._evaluate_if_due()

    def _restore(self, state: dict[str, Any], groups: OpenGroups) -> list[GroupTask]:
        """Returns the tasks that have to be sampled anew."""
        self.step = self._saved = state["step"]
        if self.step > self._config.run.steps:
            raise ConfigError(
                f"the run is at step {self.step} already, past run.steps={self._config.run.steps}; raise "
                "run.steps, or choose another run.directory"
            )
        tasks = [*groups.tasks, *(judged.group.task for judged in groups.judged)]
        self.ledger.restore(state["ledger"], tasks, self.step)
        self._lost = [LostGroup(*lost) for lost in state["lost"]]
        self._parts.prompts.restore(state["prompts"])
        for judged in groups.judged:
            self._parts.queue.put(self._parts.pipeline.keep(judged))
        return groups.tasks

    def _advance(self) -> None:
        """One step, with the checkpoint and the evaluation that follow it."""
        self._train_step()
        due = self.step % self._config.run.checkpoint_every == 0 or self.step == self._config.run.steps
        if due and self._saved != self.step:
            self._checkpoint()
        self._evaluate_if_due()

    def _end(self) -> None:
        if self._saved != self.step:
            self._checkpoint()
        if self.step == self._config.run.steps:
            self._export("policy")

    def _export(self, name: str) -> None:
        with self.clock.stage("export"):
            self._parts.trainer.export(self._config.run.directory.resolve() / name)

    def _train_step(self) -> None:
        clock = Clock()
        with clock.stage("rollout"):
            sampled, rounds = self._sample()
        if not sampled:
            return  # since a stop was requested
        batch = self._estimate(sampled, rounds)
        with clock.stage("train"):
            result = self._parts.trainer.step(batch.groups, batch.advantages_PG, self._meanwhile)
        self._record()
        batch = batch.without(result.skipped, NOT_FINITE)
        self._close(batch)
        with clock.stage("weight_sync"):
            synced = self._parts.sync.publish(self.step)
        if not self._config.run.deterministic:  # which hands in a step's requests alone
            self._issue(self._config.rollout.prompts_per_step)  # sampling goes on beside a checkpoint, too
        metrics = {**result.metrics, "canary_logprob_difference": synced.difference}
        parts = {f"train/{name}": value for name, value in result.seconds.items()} | {
            **{f"weight_sync/{name}": value for name, value in synced.seconds.items()},
            "rollout/slowest_group": max(group.summary.rollout_seconds for group in sampled),
            "rollout/judging": sum(group.summary.verify_seconds for group in sampled),  # while others are generated
        }
        seconds = {**clock.seconds, **parts, "total": clock.total}
        self._unrecorded = partial(self._parts.recorder.step, batch, metrics, seconds)
        self.clock.include(clock)

    def _meanwhile(self) -> None:
        self._record()
        self._parts.pipeline.pump()

    def _record(self) -> None:
        record, self._unrecorded = self._unrecorded, None
        if record is not None:
            record()

    def _sample(self) -> tuple[list[Ready], int]:
        """The step's groups, and the rounds of further prompts that they took; none where a stop was requested.

        Dynamic sampling (DAPO, arXiv 2503.14476, Eq. 11): each further round asks for as many prompts as informative
        groups are missing, until none is, or the rounds are used up.
        """
        per_step = wanted = self._config.rollout.prompts_per_step
        rounds = 0
        sampled: list[Ready] = []
        while self._await(wanted, sampled):
            sampled, _ = self._divide(sampled, wanted)
            missing = per_step - count_informative(sampled, self.step, self._config)
            if missing and rounds < self._config.algo.dynamic_sampling_rounds:
                wanted += missing
                rounds += 1
                continue
            gone = self._parts.trainer.fetch(select(sampled, self.step, self._config)[0])
            if not gone:
                self._parts.queue.remove(group.summary.group_id for group in sampled)
                return sampled, rounds
            self._sample_anew(gone)
            sampled = [group for group in sampled if group.summary.group_id not in gone]
        return [], rounds

    def _await(self, count: int, sampled: Sequence[Ready]) -> bool:
        """Waits until so many groups are ready, those that were `sampled` before among them, and all that cannot wait
        for a later step; False where a stop was requested."""
        while not self._stop:
            self._issue(count)
            if len(self._parts.queue) >= count and self._can_wait(self._divide(sampled, count)[1]):
                return True
            self._record()
            self._parts.pipeline.pump(PUMP_SECONDS)
            self._attend()
        return False

    def _attend(self) -> bool:
        """Called while groups are waited for: rollout workers that came up get the weights. Returns whether to stop."""
        if self._parts.sync.is_awaited and not self._stop:
            self._parts.sync.publish(self.step)
        return self._stop

    def _divide(self, sampled: Sequence[Ready], count: int) -> tuple[list[Ready], list[Ready]]:
        """The ready groups that a step takes, so many, and those that it leaves. It takes those that were sampled
        before, and the oldest others: what came since takes the place of none, as the rounds counted on their
        outcomes."""
        ids = {group.summary.group_id for group in sampled}
        ready = self._parts.queue.first(len(self._parts.queue))
        others = [group for group in ready if group.summary.group_id not in ids]
        places = count - len(sampled)
        return [*sampled, *others[:places]], others[places:]

    def _can_wait(self, left: Sequence[Ready]) -> bool:
        """Whether the groups that a step leaves, and those that are unfinished, are all young enough to be trained by
        the steps after it, the oldest first, a step's worth by each."""
        unfinished = self.ledger.unfinished_versions()
        versions = [group.summary.version_min for group in left if group.summary.version_min >= 0]
        oldest, per_step = self.step + 1 - self._config.run.max_staleness, self._config.rollout.prompts_per_step
        in_time = all(v >= oldest + i // per_step for i, v in enumerate(sorted(unfinished + versions)))
        return in_time or not unfinished  # where all are ready, nothing is left to wait for

    def _issue(self, wanted: int) -> None:
        """Hands out prompts until as many groups are open as the next step wants, and a step's worth for each version
        that groups may be behind."""
        rollout = self._config.rollout
        steps_after = min(self._config.run.max_staleness, self._config.run.steps - self.step - 1)
        tasks = []
        count = wanted + steps_after * rollout.prompts_per_step - len(self.ledger.open)
        for problem, prompt_ids in self._parts.prompts.take(max(count, 0)):
            group_id = self.ledger.next_group_id
            sampling = Sampling(
                num_completions=rollout.completions_per_prompt,
                temperature=rollout.temperature,
                top_p=rollout.top_p,
                max_tokens=rollout.max_completion_tokens,
                seed=derive_seed(self._config.run.seed, Use.GROUP, group_id),
            )
            tasks.append(GroupTask(group_id, problem, tuple(prompt_ids), sampling))
            self.ledger.issue(tasks[-1], self.step)
        if tasks:
            self._parts.pipeline.submit(tasks, self)

    def _sample_anew(self, group_ids: Sequence[int]) -> None:
        """Of ready groups whose payloads are gone."""
        self._parts.queue.remove(group_ids)
        self._parts.pipeline.submit([self.ledger.reissue(group_id, self.step) for group_id in group_ids], self)

    def running(self, group_id: int) -> None:
        """See `interfaces.Sink`."""
        self.ledger.run(group_id, self.step)

    def ready(self, group: Ready) -> None:
        """See `interfaces.Sink`."""
        self.ledger.ready(group.summary.group_id)
        self._parts.queue.put(group)
        self._lost_in_a_row = 0

    def lost(self, task: GroupTask, cause: str) -> None:
        """See `interfaces.Sink`. Another prompt takes its place."""
        self.ledger.drop(task.group_id, LOST)
        self._lost.append(LostGroup(task.group_id, task.problem.id))
        self._lost_in_a_row += 1
        if self._lost_in_a_row >= self._config.rollout.prompts_per_step:
            raise RolloutError(f"the last {self._lost_in_a_row} groups all failed, the last one with: {cause}")

    def _estimate(self, sampled: Sequence[Ready], rounds: int) -> Batch:
        """Advantage times scale: A_i = (r_i - mean r) * scale(SE(q)); sections 3.1 and 3.2 of arXiv 2505.12346."""
        algo = self._config.algo
        groups, dropped = select(sampled, self.step, self._config)
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
        lost, self._lost = self._lost, []
        return Batch(
            step=self.step + 1,
            version=self.step,
            rounds=rounds,
            groups=groups,
            dropped=dropped,
            lost=lost,
            scale_P=scale_P,
            overlong_PG=overlong_PG,
            advantages_PG=advantages_PG,
        )

    def _close(self, batch: Batch) -> None:
        for group in batch.groups:
            self.ledger.train(group.summary.group_id)
        for group, reason in batch.dropped:
            self.ledger.drop(group.summary.group_id, reason)
        self.ledger.check()
        self.step = batch.step

    def _checkpoint(self) -> None:
        self._record()
        ready = self._parts.queue.first(len(self._parts.queue))
        judged = {group.summary.group_id: self._parts.pipeline.fetch(group.payload) for group in ready}
        self._sample_anew([group_id for group_id, payload in judged.items() if payload is None])
        groups = OpenGroups(self.ledger.unfinished(), [payload for payload in judged.values() if payload is not None])
        state = {
            "step": self.step,
            "ledger": self.ledger.state(),
            "lost": self._lost,
            "prompts": self._parts.prompts.state(),
        }
        with self.clock.stage("checkpoint"):
            self._parts.checkpoints.save(self.step, state, groups, self._parts.trainer)
        self._saved = self.step

    def _evaluate_if_due(self) -> None:
        evaluation = self._config.evaluation
        if self._parts.evaluator is None or evaluation is None or self._stop:
            return
        if self.step in (0, self._config.run.steps) or (evaluation.every and self.step % evaluation.every == 0):
            self._record()
            with self.clock.stage("evaluation"):
                is_best = self._parts.evaluator.evaluate(self.step, self._attend)
            if is_best and self.step:  # before training it is the model that there is already
                self._export("best")
