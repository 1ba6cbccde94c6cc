"""A verifier worker: judge, partition and semantic entropy of one group after the other.

Consumes `Group`s, produces `JudgedGroup`s. A plain class without Ray, so that it can be tested without it; the pipeline
makes an actor of it.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence

import numpy as np

from seed_grpo.config import SemanticEntropyConfig, VerifierConfig
from seed_grpo.messages import Completion, FinishReason, Group, GroupSummary, JudgedGroup, Judgement, Verdict
from seed_grpo.semantics.entropy import log_likelihood, semantic_entropy
from seed_grpo.semantics.partition import partition
from seed_grpo.verify.judge import Judge, Judged

REQUEST_TIMED_OUT = Judged(Judgement(Verdict.TIMED_OUT, None, rule="request_timeout"), None)
"""of a completion that was aborted at its request's deadline: whatever its text is, it is not judged"""


class VerifierWorker:
    """Judges groups; the reward is 1 for a correct completion and 0 otherwise."""

    def __init__(self, verifier: VerifierConfig, entropy: SemanticEntropyConfig) -> None:
        self._config = verifier
        self._entropy = entropy
        self._judge = Judge(verifier)

    def judge_group(self, group: Group) -> JudgedGroup:
        """Verdicts, meaning classes and semantic entropy of one group.

        A completion with an invalid verdict is outside the partition; one without an answer is where
        `verifier.no_answer` puts it.

        Raises:
            VerifierError: the bounded process cannot be started.
        """
        started = time.monotonic()
        judged_G = self._judge_completions(group.completions_G, group.task.problem.answers)
        judgements_G = tuple(judged.judgement for judged in judged_G)
        class_ids_G = partition(self._keys(judged_G), self._judge.same)
        kind = self._entropy.likelihood
        likelihoods_G = np.array([log_likelihood(c.logprobs_T, kind) for c in group.completions_G], dtype=np.float64)
        entropy = semantic_entropy(class_ids_G, likelihoods_G, self._entropy)
        return JudgedGroup(
            group=group,
            judgements_G=judgements_G,
            rewards_G=np.array([judgement.verdict is Verdict.CORRECT for judgement in judgements_G], dtype=np.float32),
            valid_G=np.array([judgement.verdict.is_valid for judgement in judgements_G], dtype=bool),
            class_ids_G=class_ids_G,
            semantic_entropy=entropy.value,
            entropy_max=entropy.maximum,
            entropy_clipped=entropy.clipped,
            seconds=time.monotonic() - started,
        )

    def judge(self, *groups: Group) -> tuple[list[GroupSummary] | JudgedGroup, ...]:
        """`judge_group` of each, with all summaries in front: results of their own, so that the payloads can stay in
        the object store."""
        judged = [self.judge_group(group) for group in groups]
        return [each.summary for each in judged], *judged

    def close(self) -> None:
        """Ends the bounded process."""
        self._judge.close()

    def _judge_completions(self, completions_G: Sequence[Completion], references: Sequence[str]) -> list[Judged]:
        finished = [c.text for c in completions_G if c.finish_reason is not FinishReason.TIMEOUT]
        judged = iter(self._judge.judge(finished, references))
        return [REQUEST_TIMED_OUT if c.finish_reason is FinishReason.TIMEOUT else next(judged) for c in completions_G]

    def _keys(self, judged_G: Sequence[Judged]) -> list[Hashable | None]:
        """The parsed form of each answer; a key of its own kind where there is none; None outside the partition."""
        keys: list[Hashable | None] = []
        for index, (judgement, form) in enumerate(judged_G):
            if judgement.verdict is Verdict.NO_ANSWER:
                without = {"one_class": "no answer", "one_each": f"no answer {index}", "none": None}
                keys.append(without[self._config.no_answer])
            else:
                keys.append(form if judgement.verdict.is_valid else None)
        return keys
