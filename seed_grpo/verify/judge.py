"""The judge: from the texts of a group to verdicts and to the forms that the partition is made of.

Consumes completions and reference answers; produces one `Judged` a completion: verdict, evidence, parsed form. Each
answer is parsed once. It neither partitions nor knows of rewards. Judging is bounded whatever the texts are: by the
limits of the parser, by the bounded process for what parsed forms leave open, and by the time for the group, after
which nothing more is parsed or compared. Nor can a text end a run: an exception of the parser or of a comparison is
logged and becomes a `JudgeFaultError`, which like every bound becomes a verdict.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from seed_grpo.config import VerifierConfig
from seed_grpo.errors import SeedGrpoError
from seed_grpo.messages import Judgement, Verdict
from seed_grpo.verify.bounded import BoundedProcess
from seed_grpo.verify.extract import extract_answer
from seed_grpo.verify.limits import BoundReachedError, JudgeFaultError
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
            BoundReachedError, JudgeFaultError: it could not be decided.
            VerifierError: the bounded process cannot be started.
        """
        return first == second or self._compare(first, second)[0]

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
        rules = set()
        for target in targets:
            try:
                same, rule = self._compare(form, target)
            except (BoundReachedError, JudgeFaultError) as error:
                failure = _failure(error), str(error)
                continue
            if same:
                return Verdict.CORRECT, rule
            rules.add(rule)
        return failure or (Verdict.INCORRECT, max(rules))  # "oracle" where it had to be asked

    def _compare(self, first: Parsed, second: Parsed) -> tuple[bool, str]:
        """Whether two different forms mean the same, and what said so; raises as `same` does."""
        self._check_deadline()
        with _own_faults("comparison", first.text, second.text):
            quick = self._relation.compare(first, second)
        if quick is not None or self._process is None:
            return bool(quick), "comparison"
        pair = frozenset((first, second))
        if pair not in self._decided:
            timeout = self._config.judge_timeout
            self._decided[pair] = self._process.same(first.text, second.text, timeout, self._deadline)
        return self._decided[pair], "oracle"

    def _parse(self, text: str) -> Parsed | Judgement:
        """The form, or the verdict that stands for our own failure to make one."""
        try:
            self._check_deadline()
            with _own_faults("parser", text):
                return self._relation.parse(text)
        except (BoundReachedError, JudgeFaultError) as error:
            return Judgement(_failure(error), text, rule=str(error))

    def _check_deadline(self) -> None:
        if time.monotonic() > self._deadline:
            raise BoundReachedError(
                f"a group took over {self._config.group_timeout:g} s; raise verifier.group_timeout if frequent"
            )


def _failure(error: BoundReachedError | JudgeFaultError) -> Verdict:
    return Verdict.TIMED_OUT if isinstance(error, BoundReachedError) else Verdict.VERIFIER_ERROR


@contextmanager
def _own_faults(step: str, *texts: str) -> Iterator[None]:
    """A fault of ours on one text must not end a run: it is logged, and raised as what becomes a verdict."""
    try:
        yield
    except SeedGrpoError:
        raise
    except Exception as error:
        logger.exception("the %s failed on %r", step, [text[:200] for text in texts])
        raise JudgeFaultError(f"the {step} raised {type(error).__name__}") from error
