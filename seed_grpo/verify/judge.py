"""The judge: from the texts of a group to verdicts and to the forms that the partition is made of.

Consumes completions and reference answers; produces one `Judged` a completion: verdict, evidence, parsed form. Each
answer is parsed once. It neither partitions nor knows of rewards. Judging is bounded whatever the texts are: by the
limits of the parser, by the bounded process for what parsed forms leave open, and by the time for the group.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import NamedTuple

from seed_grpo.config import VerifierConfig
from seed_grpo.messages import Judgement, Verdict
from seed_grpo.verify.bounded import BoundedProcess, WorkerCrashError
from seed_grpo.verify.extract import extract_answer
from seed_grpo.verify.limits import BoundReachedError
from seed_grpo.verify.parse import Parsed
from seed_grpo.verify.relations import RELATIONS

logger = logging.getLogger(__name__)


class Judged(NamedTuple):
    """What was made of one completion."""

    judgement: Judgement
    form: Parsed | None
    """None where there is no answer, or none that could be parsed within bounds"""


class Judge:
    """Judges one group after the other. Not thread-safe; one per verifier worker."""

    def __init__(self, config: VerifierConfig) -> None:
        """Starts no process; the first comparison that needs one does."""
        self._config = config
        self._relation = RELATIONS[config.relation]
        oracle = self._relation.oracle
        self._process = BoundedProcess(oracle, config.memory_mib) if oracle is not None else None
        self._decided: dict[frozenset[Parsed], bool] = {}
        self._deadline = 0.0

    def judge(self, texts_G: Sequence[str], references: Sequence[str]) -> tuple[Judged, ...]:
        """Verdicts on the G completions of one problem.

        Args:
            texts_G: [G] completions.
            references: reference answers, at least one; any one counts.

        Raises:
            VerifierError: the bounded process cannot be started.
        """
        self._decided.clear()
        self._deadline = time.monotonic() + self._config.group_timeout
        targets = []
        for reference in references:
            target = self._parse(reference)
            if isinstance(target, Parsed):
                targets.append(target)
        return tuple(self._judge_one(text, targets) for text in texts_G)

    def same(self, first: Parsed, second: Parsed) -> bool:
        """Whether two forms of the group that was judged last mean the same, in either order.

        Raises:
            BoundReachedError, WorkerCrashError: it could not be decided.
            VerifierError: the bounded process cannot be started.
        """
        if first == second:
            return True
        quick = self._relation.compare(first, second)
        if quick is not None or self._process is None:
            return bool(quick)
        pair = frozenset((first, second))
        if pair not in self._decided:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise BoundReachedError(
                    f"a group took over {self._config.group_timeout:g} s; raise verifier.group_timeout if frequent"
                )
            timeout = min(self._config.judge_timeout, left)
            self._decided[pair] = self._process.same(first.text, second.text, timeout)
        return self._decided[pair]

    def close(self) -> None:
        """Ends the bounded process."""
        if self._process is not None:
            self._process.close()

    def _judge_one(self, text: str, targets: Sequence[Parsed]) -> Judged:
        started = time.monotonic()

        def judged(verdict: Verdict, rule: str, answer: str | None, form: Parsed | None = None) -> Judged:
            shown = "" if form is None else str(form)
            return Judged(Judgement(verdict, answer, shown, rule, time.monotonic() - started), form)

        answer = extract_answer(text, self._config.extraction)
        if answer is None:
            return judged(Verdict.NO_ANSWER, f"no answer by {self._config.extraction}", None)
        form = self._parse(answer)
        if isinstance(form, Judgement):
            return judged(form.verdict, form.rule, answer)
        if not targets:
            return judged(Verdict.VERIFIER_ERROR, "no reference answer can be parsed", answer, form)
        verdict, rule = self._verdict(form, targets)
        return judged(verdict, rule, answer, form)

    def _verdict(self, form: Parsed, targets: Sequence[Parsed]) -> tuple[Verdict, str]:
        """Of one form against all references: correct if any means the same, else the worst that happened."""
        if form in targets:
            return Verdict.CORRECT, f"equal {form.rule}"
        failure: tuple[Verdict, str] | None = None
        slow = False
        for target in targets:
            slow = slow or (self._process is not None and self._relation.compare(form, target) is None)
            try:
                if self.same(form, target):
                    return Verdict.CORRECT, "oracle" if slow else "comparison"
            except BoundReachedError as error:
                failure = Verdict.TIMED_OUT, str(error)
            except WorkerCrashError as error:
                failure = Verdict.VERIFIER_ERROR, str(error)
        return failure or (Verdict.INCORRECT, "oracle" if slow else "comparison")

    def _parse(self, text: str) -> Parsed | Judgement:
        """The form, or the verdict that stands for our own failure to make one."""
        try:
            return self._relation.parse(text)
        except BoundReachedError as error:
            return Judgement(Verdict.TIMED_OUT, text, rule=str(error))
        except Exception as error:  # a fault of ours on one text must not end a run: it is logged and counted
            logger.exception("the parser failed on %r", text[:200])
            return Judgement(Verdict.VERIFIER_ERROR, text, rule=f"the parser raised {type(error).__name__}")
