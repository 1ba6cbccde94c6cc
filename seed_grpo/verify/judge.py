"""The judge: from the texts of a group to verdicts and to the forms that the partition is made of.

Consumes completions and reference answers; produces one `Judged` a completion: verdict, evidence, parsed form. Each
answer is parsed once, and what was parsed or compared is remembered by its content. It neither partitions nor knows of
rewards. Judging is bounded whatever the texts are: by the limits of the parser, by the bounded process for what parsed
forms leave open, and by the times for a verdict and for the group, after which nothing more is parsed or compared. Nor
can a text end a run: an exception of the parser or of a comparison is logged and becomes a `JudgeFaultError`.

A bound that depends on the texts alone makes the answer `incorrect` if the reference keeps all bounds; the rule then
begins with `OUT_OF_PROPORTION` and gives the numbers. Otherwise a policy could learn to leave the loss by answers that
nobody can read. Time and memory depend on the machine, and make the answer `timed_out`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from seed_grpo.config.sections import VerifierConfig
from seed_grpo.errors import SeedGrpoError
from seed_grpo.extensions import is_import_path
from seed_grpo.messages import Judgement, Verdict
from seed_grpo.verify.extract import MAX_COMPLETION_CHARS, extract_answer
from seed_grpo.verify.isolation.bounded import BoundedProcess
from seed_grpo.verify.isolation.bounds import REMEMBERED, BoundReachedError, JudgeFaultError, OutOfTimeError
from seed_grpo.verify.math.parse import Parsed
from seed_grpo.verify.math.values import Rules
from seed_grpo.verify.relations import relation_of

logger = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

OUT_OF_PROPORTION = "out of proportion to the reference"


class Judged(NamedTuple):
    """The judgement on one completion, and the form of its answer."""

    judgement: Judgement
    form: Parsed | None
    """form of the answer; None without an answer, or if it could not be parsed within bounds"""


class Memory(dict[K, V]):
    """Mapping of at most `REMEMBERED` entries: a further one takes the place of the oldest."""

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        if len(self) > REMEMBERED:
            del self[next(iter(self))]


Unread = BoundReachedError | JudgeFaultError
"""error that left a text without a form"""


class Judge:
    """Judges one group after the other. Not thread-safe; one per verifier worker."""

    def __init__(self, config: VerifierConfig) -> None:
        """Starts the bounded process, if the relation needs one, and does not wait for it.

        Raises:
            VerifierError: this machine cannot run the relation.
        """
        self._config = config
        self._relation = relation_of(config)
        self._rules = Rules(config.decimal_digits, config.relative_tolerance)
        oracle = self._relation.oracle
        self._numbers = self._rules[:2] if self._relation.takes_rules else ()
        self.process = BoundedProcess(oracle, config.memory_mib) if oracle is not None else None
        """the bounded process that decides what the relation leaves open; None if it leaves nothing open"""
        own = is_import_path(config.extraction)
        self._extraction = BoundedProcess(config.extraction, config.memory_mib) if own else None
        self.parsed: Memory[str, Parsed] = Memory()
        """forms by text"""
        self.decided: Memory[frozenset[Parsed], bool] = Memory()
        """decisions of the bounded process by pair of forms"""
        self._undecided: dict[frozenset[Parsed], BoundReachedError] = {}
        self._deadline = 0.0

    def judge(self, texts_G: Sequence[str], references: Sequence[str]) -> tuple[Judged, ...]:
        """Verdicts on the G completions of one problem.

        Args:
            texts_G: [G] completions; the final answer is what `verifier.extraction` finds in them.
            references: reference answers, of which any one counts; where there is none, no answer is correct.

        Raises:
            VerifierError: the bounded process cannot be started.
        """
        self._begin_group()
        return self._judge([self._extract(text) for text in texts_G], references)

    def judge_answers(self, answers_G: Sequence[str | None], references: Sequence[str]) -> tuple[Judged, ...]:
        """Verdicts on answers that are extracted already, as `judge` gives them; None stands for no answer."""
        self._begin_group()
        return self._judge(answers_G, references)

    def _begin_group(self) -> None:
        self._undecided.clear()  # the next group may have more time
        self._deadline = time.monotonic() + self._config.group_timeout

    def _judge(self, answers_G: Sequence[str | Unread | None], references: Sequence[str]) -> tuple[Judged, ...]:
        targets = [self._parse(reference) for reference in references]
        return tuple(self._judge_one(answer, targets) for answer in answers_G)

    def forms(self, texts: Sequence[str]) -> list[Parsed | None]:
        """Forms of further texts of the group that was judged last, within its time.

        None stands for a text without a form, because of a bound or a fault of ours.
        """
        read = [self._parse(text) for text in texts]
        return [form if isinstance(form, Parsed) else None for form in read]

    def same(self, first: Hashable, second: Hashable) -> bool:
        """Checks whether two keys of a partition mean the same.

        A key is a form of the group that was judged last, or stands for an answer without a form. Where a bound or a
        fault leaves it open, the two stay in two classes.

        Raises:
            VerifierError: the bounded process cannot be started.
        """
        if first == second or not isinstance(first, Parsed) or not isinstance(second, Parsed):
            return first == second
        try:
            return self._compare(first, second, time.monotonic() + self._config.judge_timeout)[0]
        except (BoundReachedError, JudgeFaultError) as error:
            logger.info("two answers stay apart: %s", error)
            return False

    def close(self) -> None:
        """Ends the bounded processes."""
        for process in (self.process, self._extraction):
            if process is not None:
                process.close()
        self._relation.close()

    def _extract(self, text: str) -> str | Unread | None:
        """The final answer of a completion, or the reason why the user's own extraction did not find out."""
        if self._extraction is None:
            return extract_answer(text, self._config.extraction)
        try:
            self._check_deadline()
            found = self._extraction.call(
                text[-MAX_COMPLETION_CHARS:], timeout=self._config.judge_timeout, deadline=self._deadline
            )
        except (BoundReachedError, JudgeFaultError) as error:
            return error
        if found is not None and not isinstance(found, str):
            return JudgeFaultError(
                f"verifier.extraction={self._config.extraction} returned {type(found).__name__}, not a text or None"
            )
        return (found or "").strip() or None

    def _judge_one(self, answer: str | Unread | None, targets: Sequence[Parsed | Unread]) -> Judged:
        started = time.monotonic()

        def judged(verdict: Verdict, rule: str, answer: str | None, form: Parsed | None = None) -> Judged:
            shown = "" if form is None else form.shown
            return Judged(Judgement(verdict, answer, shown, rule, time.monotonic() - started), form)

        if isinstance(answer, BoundReachedError | JudgeFaultError):
            return judged(_failure(answer), str(answer), None)
        if answer is None:
            return judged(Verdict.NO_ANSWER, f"no answer by {self._config.extraction}", None)
        form = self._parse(answer)
        if not isinstance(form, Parsed):
            return judged(*_unread(form, targets), answer)
        verdict, rule = self._verdict(form, targets)
        return judged(verdict, rule, answer, form)

    def _verdict(self, form: Parsed, targets: Sequence[Parsed | Unread]) -> tuple[Verdict, str]:
        """Verdict on one form: correct if any reference means the same, else the worst that happened."""
        if not targets:
            return Verdict.INCORRECT, "no reference"
        if form in targets:
            return Verdict.CORRECT, f"equal {form.kind}"
        deadline = time.monotonic() + self._config.judge_timeout
        failure: tuple[Verdict, str] | None = None
        rules = set()
        for target in targets:
            if not isinstance(target, Parsed):
                failure = _failure(target), f"a reference answer cannot be read: {target}"
                continue
            try:
                same, rule = self._compare(form, target, deadline)
            except (OutOfTimeError, JudgeFaultError) as error:
                failure = _failure(error), str(error)
                continue
            except BoundReachedError as error:
                same, rule = False, f"{OUT_OF_PROPORTION}: {error}"
            if same:
                return Verdict.CORRECT, rule
            rules.add(rule)
        # "oracle" where it had to be asked, OUT_OF_PROPORTION where it could not be
        return failure or (Verdict.INCORRECT, max(rules))

    def _compare(self, first: Parsed, second: Parsed, deadline: float) -> tuple[bool, str]:
        """Compares two different forms; returns whether they mean the same, and the rule that decided."""
        self._check_deadline()
        with _own_faults("comparison", first.text, second.text):
            quick = self._relation.compare(first, second, self._rules)
        if quick is not None or self.process is None:
            return bool(quick), f"comparison {first.kind} {second.kind}"
        pair = frozenset((first, second))
        if pair in self._undecided:
            raise self._undecided[pair].with_traceback(None)
        if pair not in self.decided:
            try:
                self.decided[pair] = self._ask(first.text, second.text, deadline)
            except BoundReachedError as error:
                self._undecided[pair] = error
                raise
        return self.decided[pair], f"oracle {first.kind} {second.kind}"

    def _ask(self, first: str, second: str, deadline: float) -> bool:
        """The oracle's word on two texts."""
        assert self.process is not None
        orders = [(first, second)] if self._relation.is_symmetric else [(first, second), (second, first)]
        for texts in orders:
            timeout = max(0.0, deadline - time.monotonic())
            same = self.process.call(*texts, *self._numbers, timeout=timeout, deadline=self._deadline)
            if not isinstance(same, bool):
                raise JudgeFaultError(f"the relation returned {same!r:.80} for two answers, not True or False")
            if same:
                return True
        return False

    def _parse(self, text: str) -> Parsed | Unread:
        """The form of a text, or the reason for having none."""
        try:
            self._check_deadline()
            if text not in self.parsed:
                with _own_faults("parser", text):
                    self.parsed[text] = self._relation.parse(text)
            return self.parsed[text]
        except (BoundReachedError, JudgeFaultError) as error:
            return error

    def _check_deadline(self) -> None:
        if time.monotonic() > self._deadline:
            raise OutOfTimeError(
                f"a group took over {self._config.group_timeout:g} s; raise verifier.group_timeout if frequent"
            )


def _unread(error: Unread, targets: Sequence[Parsed | Unread]) -> tuple[Verdict, str]:
    """Verdict and rule on an answer that was not read."""
    is_of_text = isinstance(error, BoundReachedError) and not isinstance(error, OutOfTimeError)
    if is_of_text and all(isinstance(target, Parsed) for target in targets):
        return Verdict.INCORRECT, f"{OUT_OF_PROPORTION}: {error}"
    return _failure(error), str(error)


def _failure(error: Unread) -> Verdict:
    return Verdict.TIMED_OUT if isinstance(error, BoundReachedError) else Verdict.VERIFIER_ERROR


@contextmanager
def _own_faults(step: str, *texts: str) -> Iterator[None]:
    """Turns a fault of ours on one text into a logged `JudgeFaultError`, so that it cannot end a run."""
    try:
        yield
    except SeedGrpoError:
        raise
    except Exception as error:
        logger.exception("the %s failed on %r", step, [text[:200] for text in texts])
        raise JudgeFaultError(f"the {step} raised {type(error).__name__}") from error
