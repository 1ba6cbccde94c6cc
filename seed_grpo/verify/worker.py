"""A verifier worker: judges and rewards groups, each by the settings of its data set.

Consumes `Group`s, produces `JudgedGroup`s. A plain class without Ray, so that it can be tested without it; the pipeline
makes an actor of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from seed_grpo.config.sections import RewardConfig, SemanticEntropyConfig, VerifierConfig
from seed_grpo.messages import Group, GroupSummary, JudgedGroup, Judgement
from seed_grpo.verify.group_judge import GroupJudge
from seed_grpo.verify.rewarder import Rewarder


class VerifierWorker:
    """Judges and rewards groups."""

    def __init__(
        self,
        verifier: VerifierConfig,
        entropy: SemanticEntropyConfig,
        by_dataset: Mapping[str, VerifierConfig] = MappingProxyType({}),
    ) -> None:
        """Starts the judges, and the processes that their relations and rewards need; data sets of the same rewards
        share them.

        Args:
            by_dataset: settings of the data sets that have some of their own.

        Raises:
            VerifierError: this machine cannot run a relation or a reward.
            ConfigError: a function of the user's own cannot be imported.
        """
        self._default = GroupJudge(verifier, entropy)
        self._by_dataset = {dataset: GroupJudge(own, entropy) for dataset, own in by_dataset.items()}
        self._rewarders: list[tuple[tuple[RewardConfig, ...], Rewarder]] = []
        """each choice of rewards once, as their processes may hold models"""
        self._rewarder = self._sharing(verifier)
        self._rewarder_by_dataset = {dataset: self._sharing(own) for dataset, own in by_dataset.items()}

    def judge(self, *groups: Group) -> tuple[list[GroupSummary] | JudgedGroup, ...]:
        """Judges each group and puts all summaries in front; groups of a run get the configured rewards.

        Summaries are results of their own, so that the payloads can stay in the object store.

        Raises:
            VerifierError: the bounded process cannot be started.
        """
        judged = [self.judge_group(group) for group in groups]
        for _, rewarder in self._rewarders:
            own = [group.task.rewarded and self._rewarder_of(group) is rewarder for group in groups]
            places = [place for place, is_own in enumerate(own) if is_own]
            for place, rewarded in zip(places, rewarder([judged[place] for place in places]), strict=True):
                judged[place] = rewarded
        return [each.summary for each in judged], *judged

    def judge_group(self, group: Group) -> JudgedGroup:
        """One group with its verdicts, meaning classes and semantic entropy, rewarded by correctness alone.

        Raises:
            VerifierError: the bounded process cannot be started.
        """
        return self._of(group).judge(group)

    def judge_answers(self, answers: Sequence[str], references: Sequence[str]) -> list[Judgement]:
        """The judgements on extracted answers, by the settings of no data set."""
        return self._default.judge_answers(answers, references)

    def close(self) -> None:
        """Ends the processes."""
        for judge in (self._default, *self._by_dataset.values()):
            judge.close()
        for _, rewarder in self._rewarders:
            rewarder.close()

    def _sharing(self, verifier: VerifierConfig) -> Rewarder:
        """The rewarder of these settings, perhaps one that there is already."""
        for rewards, rewarder in self._rewarders:
            if rewards == verifier.rewards:
                return rewarder
        self._rewarders.append((verifier.rewards, Rewarder(verifier.rewards)))
        return self._rewarders[-1][1]

    def _rewarder_of(self, group: Group) -> Rewarder:
        return self._rewarder_by_dataset.get(group.task.problem.dataset, self._rewarder)

    def _of(self, group: Group) -> GroupJudge:
        return self._by_dataset.get(group.task.problem.dataset, self._default)
