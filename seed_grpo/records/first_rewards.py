"""The watch over a run's first steps, which warns if the rewards differ within none of their groups.

Consumes judged groups, step by step; produces one message after `FIRST` steps without a gradient, and again each time
that twice as many have passed. Such a run trains nothing, although all its numbers look well. It knows no task: the
rewards, the verdicts and the ends of the completions decide which likely causes it names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from seed_grpo.algo.dynamic_sampling import is_informative
from seed_grpo.config import Config
from seed_grpo.messages import FinishReason, JudgedGroup, Verdict

FIRST = 3
"""number of first steps; fewer if the run has fewer"""
SHOWN = 80
"""characters of a text in the message"""


class FirstRewards:
    """Watch over the steps of this process; silent for good after the first group whose rewards differ."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._steps = 0
        self._due = min(FIRST, config.run.steps)
        self._trains = False
        self._rewards: set[float] = set()
        self._verdicts: Counter[Verdict] = Counter()
        self._ends: Counter[FinishReason] = Counter()
        self._groups = self._failed = 0
        self._example: JudgedGroup | None = None

    def step(self, groups: Sequence[JudgedGroup]) -> str | None:
        """Message after a step, if there is one.

        Args:
            groups: all that were sampled for it.
        """
        self._trains = self._trains or any(is_informative(judged.rewards_G, judged.valid_G) for judged in groups)
        if self._trains:
            return None
        self._steps += 1
        for judged in groups:
            self._verdicts.update(judgement.verdict for judgement in judged.judgements_G)
            self._ends.update(completion.finish_reason for completion in judged.group.completions_G)
            self._groups += 1
            self._failed += bool(judged.fault)
            self._example = judged
            self._rewards.update(judged.rewards_G[judged.valid_G].tolist())
        if self._steps < self._due:
            return None
        self._due = 2 * self._steps
        return f"NO GRADIENT YET: {self._counts()}. Likely: {'; '.join(self._causes())}. {self._shown()}"

    def _counts(self) -> str:
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in self._verdicts.most_common())
        ends = ", ".join(f"{count} {end}" for end, count in self._ends.most_common())
        rewards = f"{min(self._rewards):g} to {max(self._rewards):g}" if self._rewards else "none"
        return (
            f"in no group of the first {self._steps} steps do the rewards of its completions differ, so nothing is "
            f"learnt (rewards of {self._verdicts.total()} completions: {rewards}; verdicts: {verdicts or 'none'}; "
            f"ends: {ends or 'none'})"
        )

    def _causes(self) -> list[str]:
        """The causes, the likeliest first; at least one."""
        config, total = self._config, self._verdicts.total()
        causes = []
        if 2 * self._ends[FinishReason.LENGTH] > total:
            limit = config.rollout.max_completion_tokens
            causes.append(
                f"completions are cut off at rollout.max_completion_tokens={limit} before they answer: raise it"
            )
        if 2 * self._verdicts[Verdict.NO_ANSWER] > total:
            causes.append(
                f"answers do not stand where verifier.extraction={config.verifier.extraction} looks: try `auto`, or "
                f"the style that data.template={config.data.template} asks for"
            )
        if 2 * self._failed > self._groups:
            causes.append(f"rewards fail, on {self._failed} of {self._groups} groups: see their messages above")
        elif 2 * (self._verdicts[Verdict.TIMED_OUT] + self._verdicts[Verdict.VERIFIER_ERROR]) > total:
            causes.append("judging fails: try `seed-grpo judge` on the answer below")
        rewards = [reward for each in (config.verifier, *config.verifiers.values()) for reward in each.rewards]
        if not any(reward.use == "correct" for reward in rewards):
            labels = ", ".join(dict.fromkeys(reward.label for reward in rewards))
            return [*causes, f"{labels} reward all completions of a problem alike: try them on texts of rollouts/"]
        if 2 * self._verdicts[Verdict.CORRECT] > total:
            causes.append("the problems are too easy for this policy: choose harder ones")
        return causes or [
            "references that no answer can equal (`seed-grpo doctor` counts those that are bare words), or problems "
            "that are too hard for this policy"
        ]

    def _shown(self) -> str:
        if self._example is None:
            return ""
        problem, judgement = self._example.group.task.problem, self._example.judgements_G[0]
        text = self._example.group.completions_G[0].text
        found = "no answer" if judgement.answer is None else f"the answer {judgement.answer[:SHOWN]!r}"
        return (
            f"For example problem {problem.id}: the reference is {' or '.join(problem.answers)[:SHOWN] or None!r}, a "
            f"completion has {found} and ends in {text[-SHOWN:]!r}"
        )
