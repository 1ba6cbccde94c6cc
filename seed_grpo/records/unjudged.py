"""Watch over completions without a verdict: those that time out, or meet a fault of the verifier.

Consumes the batches of steps; produces a line for the console when their share is too high. A completion without a
verdict leaves the loss and is not punished, so a policy can learn to write what takes too long to judge. The counts
cover the last `STEPS` steps of this process, since one step may be small; the ledger keeps them all, by group.
"""

from __future__ import annotations

from collections import Counter, deque

from seed_grpo.loop.batch import Batch
from seed_grpo.messages import Verdict

MOST = 0.02
"""share of the completions above which a warning is due; the alert SeedGrpoVerifierErrors has the same"""
STEPS = 20
"""steps that are counted together, and steps between two warnings"""
SHOWN_PROMPTS = 3


class Unjudged:
    """Counts completions without a verdict by prompt."""

    def __init__(self) -> None:
        self._verdicts: deque[Counter[Verdict]] = deque(maxlen=STEPS)
        self._prompts: deque[Counter[str]] = deque(maxlen=STEPS)
        self._silent_until = 0

    def step(self, batch: Batch) -> str | None:
        """Counts a step's groups, trained or dropped; returns a warning if one is due."""
        sampled = [group.summary for group in batch.sampled if not group.summary.fault]  # of which `RewardFaults` tells
        self._verdicts.append(Counter(verdict for summary in sampled for verdict in summary.verdicts_G))
        prompts = Counter[str]()
        for summary in sampled:
            prompts[summary.problem_id] += summary.num_unjudged
        self._prompts.append(prompts)
        verdicts = sum(self._verdicts, Counter[Verdict]())
        unjudged = sum(count for verdict, count in verdicts.items() if not verdict.is_valid)
        if unjudged <= MOST * verdicts.total() or batch.step < self._silent_until:
            return None
        self._silent_until = batch.step + STEPS
        worst = sum(self._prompts, Counter[str]()).most_common(SHOWN_PROMPTS)
        return (
            f"step {batch.step}: {unjudged} of {verdicts.total()} completions of the last {len(self._verdicts)} steps "
            f"({unjudged / verdicts.total():.1%}, over {MOST:.0%}) have no verdict and train nothing: "
            + ", ".join(f"{verdicts[each]} {each}" for each in Verdict if not each.is_valid)
            + "; most are of the prompts "
            + ", ".join(f"{prompt} ({count})" for prompt, count in worst)
            + ". `seed-grpo audit` shows their answers: where the policy writes what nobody can judge in time, take "
            "these prompts out of the data; else raise verifier.judge_timeout, or rollout.request_timeout if "
            "completions were cut off"
        )
