"""Verdicts, meaning classes and semantic entropy of groups, by one choice of settings.

Consumes `Group`s, produces `JudgedGroup`s that are rewarded by correctness alone. It knows no data sets: a worker has
one `GroupJudge` for each choice.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence

import numpy as np

from seed_grpo.config.sections import SemanticEntropyConfig, VerifierConfig
from seed_grpo.messages import Completion, FinishReason, Group, JudgedGroup, Judgement, Verdict
from seed_grpo.semantics.entropy import log_likelihood
from seed_grpo.semantics.partition import partition
from seed_grpo.semantics.steps import step_entropy
from seed_grpo.verify.judge import Judge, Judged
from seed_grpo.verify.math.steps import intermediate_results

REQUEST_TIMED_OUT = Judged(Judgement(Verdict.TIMED_OUT, None, rule="request_timeout"), None)
"""result of a completion that was aborted at its request's deadline: its text is not judged, whatever it is"""
UNREAD = "out of proportion"
"""key of all answers that no bound let the judge read, which are one meaning class: apart from one another, they would
let a policy raise its entropy, and so lower its scale, by texts that differ in nothing that anybody can read"""


class GroupJudge:
    """Judges groups."""

    def __init__(self, verifier: VerifierConfig, entropy: SemanticEntropyConfig) -> None:
        """Starts the judge, and the processes that its relation needs.

        Raises:
            VerifierError: this machine cannot run the relation.
            ConfigError: a function of the user's own cannot be imported.
        """
        self._config = verifier
        self._entropy = entropy
        self._judge = Judge(verifier)

    def judge(self, group: Group) -> JudgedGroup:
        """Verdicts, meaning classes and semantic entropy of one group, rewarded by correctness alone.

        A completion with an invalid verdict is outside the partition; one without an answer is where
        `verifier.no_answer` puts it; those whose answers no bound let us read are one class. Under
        `algo.semantic_entropy.granularity=step` the entropy alone is of intermediate results too; the classes are
        always those of the final answers.

        Raises:
            VerifierError: the bounded process cannot be started.
        """
        started = time.monotonic()
        judged_G = self._judge_completions(group.completions_G, group.task.problem.answers)
        judgements_G = tuple(judged.judgement for judged in judged_G)
        class_ids_G = partition(self._keys(judged_G), self._judge.same)
        kind = self._entropy.likelihood
        likelihoods_G = np.array([log_likelihood(c.logprobs_T, kind) for c in group.completions_G], dtype=np.float64)
        steps = self._steps(group.completions_G, judged_G, class_ids_G) if self._entropy.granularity == "step" else []
        entropy = step_entropy([*steps, class_ids_G], likelihoods_G, self._entropy)
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

    def judge_answers(self, answers: Sequence[str], references: Sequence[str]) -> list[Judgement]:
        """The judgements on extracted answers."""
        return [judged.judgement for judged in self._judge.judge_answers(answers, references)]

    def close(self) -> None:
        """Ends the processes."""
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
                keys.append(self._key_without(index))
            else:
                keys.append((form or UNREAD) if judgement.verdict.is_valid else None)
        return keys

    def _steps(
        self, completions_G: Sequence[Completion], judged_G: Sequence[Judged], class_ids_G: np.ndarray
    ) -> list[np.ndarray]:
        """Meaning classes [G] at each intermediate position.

        Outside the partition of final answers is outside at every position. A completion that has no result at a
        position, since it is shorter, is there as one without an answer: where `verifier.no_answer` puts it. One
        whose result could not be read within bounds is outside at that position.
        """
        results: list[list[Hashable | None]] = []
        for completion, judged, class_id in zip(completions_G, judged_G, class_ids_G, strict=True):
            inside = class_id >= 0
            texts = intermediate_results(completion.text, judged.judgement.answer) if inside else ()
            results.append([*self._judge.forms(texts)])
        steps = []
        for position in range(max(map(len, results), default=0)):
            keys_G: list[Hashable | None] = []
            for index, (found, class_id) in enumerate(zip(results, class_ids_G, strict=True)):
                missing = self._key_without(index) if class_id >= 0 else None
                keys_G.append(found[position] if position < len(found) else missing)
            steps.append(partition(keys_G, self._judge.same))
        return steps

    def _key_without(self, index: int) -> str | None:
        """Key of the completion at that place in its group, which states no answer."""
        return {"one_class": "no answer", "one_each": f"no answer {index}", "none": None}[self._config.no_answer]
