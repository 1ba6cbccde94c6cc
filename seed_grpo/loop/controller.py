"""The loop of SEED-GRPO: sample, estimate, train, publish; on interfaces only.

                      tasks                completions             summaries
    prompts ──► controller ──► rollout pool ──► verifier pool ──► group queue ──► controller
                    ▲  └── advantages x scale, references ──► trainer ranks ── weights ──► rollout pool
                    └────────────────────────── metrics ───────────┘

Groups move as references into Ray's object store; the controller holds their summaries alone, no tensors and no Ray.
It runs in one thread, the driver's. Whatever moves groups or looks after workers happens in `pump`, which it calls
while it waits.

    loop              consumes               waits for               is unblocked by          produces
    controller        ready groups           P ready groups          the queue, a stop        batches, versions
    pipeline.pump     finished calls         one call to finish      Ray                      ready and lost groups
    rollout worker    tasks, weights         its engine              tokens, a new version    completions
    verifier worker   completions            its judge               verdicts, time limits    judged groups
    trainer ranks     a batch                one another             the last rank            weights, metrics
    weight publisher  a version's weights    every engine's proof    the canary               engines at that version

With `run.max_staleness` k = 0 the groups of a step are sampled by the weights that the step updates. With k > 0 the
groups of k further steps are open at any time, and their generation continues under the new weights after each sync.
No group gets older than k versions. Three things see to it: (k + 1) P groups are open, which k + 1 steps can train;
steps take the oldest first; and a step waits until the groups that it leaves are young enough for the steps after it
(`selection.can_wait`).

State changes only between steps. A checkpoint is therefore a step number, the state of each part, and the open groups.
If the trainer is lost, the run continues from the last checkpoint in the same process. A step is recorded while others
work (`_pump`), at the latest before the next checkpoint, evaluation or error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from seed_grpo.config import Config
from seed_grpo.errors import ConfigError, RolloutError, SeedGrpoError, TrainerLostError, VerifierError
from seed_grpo.loop.batch import Batch, LostGroup, OpenGroups, ReadyGroup
from seed_grpo.loop.clock import Clock
from seed_grpo.loop.interfaces import Parts
from seed_grpo.loop.ledger import LOST, NOT_FINITE, UNREWARDED, Ledger
from seed_grpo.loop.selection import Selection, can_wait, count_informative, divide, failed_reward, select
from seed_grpo.messages import GroupTask, Sampling
from seed_grpo.seeds import Use, derive_seed

PUMP_SECONDS = 1.0
MOST_UNREWARDED = 10
"""rounds in a row in which rewards may fail on all groups, such as while their server is started anew"""


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
        """function that records the latest step, to be called while something is waited for"""

    def request_stop(self) -> None:
        """Ends the run with a checkpoint as soon as no step is in progress. Groups that are being sampled are saved as
        tasks; the resumed run samples them anew."""
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
        """Resumes the last checkpoint, or begins at step 0; also after the trainer was lost in the middle of a step."""
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
            sampled = self._sample()
        if sampled is None:
            return  # since a stop was requested
        batch = self._estimate(*sampled)
        with clock.stage("train"):
            result = self._parts.trainer.step(batch.groups, batch.advantages_PG, self._pump)
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
            "rollout/slowest_group": max(group.summary.rollout_seconds for group in batch.sampled),
            "rollout/judging": sum(group.summary.verify_seconds for group in batch.sampled),  # beside generation
        }
        seconds = {**clock.seconds, **parts, "total": clock.total}
        self._unrecorded = partial(self._parts.recorder.step, batch, metrics, seconds)
        self.clock.include(clock)

    def _pump(self, timeout: float = 0.0) -> None:
        """Moves groups on, and records the previous step while others work."""
        self._record()
        self._parts.pipeline.pump(timeout)

    def _record(self) -> None:
        """Records the latest step, unless that is done."""
        record, self._unrecorded = self._unrecorded, None
        if record is not None:
            record()

    def _sample(self) -> tuple[Selection, int] | None:
        """Samples a step's groups and chooses once which of them it trains on; None if a stop was requested.

        Also returns the number of rounds of further prompts.

        Dynamic sampling (DAPO, arXiv 2503.14476, Eq. 11): each further round asks for as many prompts as informative
        groups are missing, until none is, or the rounds are used up.
        """
        per_step = wanted = self._config.rollout.prompts_per_step
        rounds = unrewarded = 0
        sampled: list[ReadyGroup] = []
        while self._await(wanted, sampled):
            sampled, _ = divide(self._parts.queue.all(), sampled, wanted)
            missing = per_step - count_informative(sampled, self.step, self._config)
            if missing and rounds < self._config.algo.dynamic_sampling_rounds:
                wanted += missing
                rounds += 1
                continue
            if failure := failed_reward(sampled, self.step, self._config):
                unrewarded += 1
                self._drop_unrewarded(sampled, unrewarded, failure)
                wanted, rounds, sampled = per_step, 0, []
                continue
            selection = select(sampled, self.step, self._config)
            gone = self._parts.trainer.fetch(selection.groups)
            if not gone:
                self._parts.queue.remove(group.summary.group_id for group in sampled)
                return selection, rounds
            self._sample_anew(gone)
            sampled = [group for group in sampled if group.summary.group_id not in gone]
        return None

    def _await(self, count: int, sampled: Sequence[ReadyGroup]) -> bool:
        """Waits until `count` groups are ready, among them those `sampled` before and all that cannot wait for a later
        step; False if a stop was requested."""
        while not self._stop:
            self._issue(count)
            ready = self._parts.queue.all()
            if len(ready) >= count and can_wait(
                divide(ready, sampled, count)[1], self.ledger.unfinished_versions(), self.step, self._config
            ):
                return True
            self._pump(PUMP_SECONDS)
            self._attend()
        return False

    def _attend(self) -> bool:
        """Gives the weights to rollout workers that came up; called while groups are awaited. Returns whether to
        stop."""
        if self._parts.sync.is_awaited and not self._stop:
            self._parts.sync.publish(self.step)
        return self._stop

    def _drop_unrewarded(self, sampled: Sequence[ReadyGroup], rounds: int, failure: str) -> None:
        """Drops the groups of a round in which no group can be trained on, since rewards failed; others are sampled.

        Args:
            rounds: number of such rounds in a row, this one included.

        Raises:
            VerifierError: there were too many of them; a checkpoint is made first.
        """
        self._parts.queue.remove(group.summary.group_id for group in sampled)
        for summary in (group.summary for group in sampled):
            self.ledger.drop(summary.group_id, UNREWARDED)
            self._lost.append(LostGroup(summary.group_id, summary.problem_id, UNREWARDED))
        self._parts.recorder.unrewarded(self.step + 1, f"round {rounds} of at most {MOST_UNREWARDED}", sampled)
        if rounds == MOST_UNREWARDED:
            if self._saved != self.step:
                self._checkpoint()
            raise VerifierError(
                f"step {self.step + 1}: {rounds} times in a row no group could be trained on, the last time since "
                f"{failure}; correct the reward, or start its server, and the same command goes on from here"
            )

    def _issue(self, wanted: int) -> None:
        """Dispatches prompts until enough groups are open: those that the next step needs, and one step's worth for
        each version that groups may be behind."""
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
        """Requeues ready groups whose payloads are lost."""
        self._parts.queue.remove(group_ids)
        self._parts.pipeline.submit([self.ledger.reissue(group_id, self.step) for group_id in group_ids], self)

    def running(self, group_id: int) -> None:
        """Notes that a rollout worker has the group; see `interfaces.Sink`."""
        self.ledger.run(group_id, self.step)

    def ready(self, group: ReadyGroup) -> None:
        """Puts a judged group into the queue; see `interfaces.Sink`."""
        self.ledger.ready(group.summary.group_id)
        self._parts.queue.put(group)
        self._lost_in_a_row = 0

    def lost(self, task: GroupTask, cause: str) -> None:
        """Drops a group that workers failed on; another prompt takes its place. See `interfaces.Sink`."""
        self.ledger.drop(task.group_id, LOST)
        self._lost.append(LostGroup(task.group_id, task.problem.id, LOST))
        self._lost_in_a_row += 1
        if self._lost_in_a_row >= self._config.rollout.prompts_per_step:
            raise RolloutError(f"{self._lost_in_a_row} groups in a row failed, the last one with: {cause}")

    def _estimate(self, selection: Selection, rounds: int) -> Batch:
        lost, self._lost = self._lost, []
        return Batch.estimated(selection.groups, selection.dropped, lost, rounds, self.step, self._config)

    def _close(self, batch: Batch) -> None:
        for group in batch.groups:
            self.ledger.train(group.summary.group_id)
        for group, reason in batch.dropped:
            self.ledger.drop(group.summary.group_id, reason)
        self.ledger.check()
        self.step = batch.step

    def _checkpoint(self) -> None:
        self._record()
        ready = self._parts.queue.all()
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
