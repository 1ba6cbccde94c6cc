"""The judge: verdicts and their evidence, faults and bounds that become verdicts, and what is done once alone.

What texts are read into is in `test_reading`, what means the same in `test_equivalence`, the bounded process itself in
`test_bounded`. Where a test is about when the oracle is asked, a fake records it.
"""

import threading
import time
from dataclasses import replace

import pytest

from seed_grpo.config.sections import VerifierConfig
from seed_grpo.errors import VerifierError
from seed_grpo.messages import Verdict
from seed_grpo.verify import judge as judge_module
from seed_grpo.verify.isolation.bounds import BoundReachedError, JudgeFaultError, OutOfTimeError
from seed_grpo.verify.judge import Judge
from seed_grpo.verify.relations import RELATIONS
from support.judging import verdict

OPEN = r"\frac{1}{1+\sqrt2}"
"""as a form it is another than sqrt 2 - 1, and at points they agree: only the oracle can tell"""


class FakeProcess:
    """Stands for the bounded process and records what it is asked."""

    answer: bool | Exception = True
    seconds = 0.0
    asked: list[tuple[str, str, float, float]]

    def __init__(self, function, memory_mib):
        FakeProcess.asked = self.asked = []

    def call(self, first, second, *numbers, timeout, deadline):
        self.asked.append((first, second, timeout, deadline))
        time.sleep(self.seconds)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def close(self):
        pass


@pytest.fixture
def fake_process(monkeypatch):
    """A function that makes a judge with a fake oracle; the default says that all answers are the same."""

    def make(answer=True, seconds=0.0, **settings):
        monkeypatch.setattr(judge_module, "BoundedProcess", FakeProcess)
        monkeypatch.setattr(FakeProcess, "answer", answer)
        monkeypatch.setattr(FakeProcess, "seconds", seconds)
        return Judge(VerifierConfig(**settings))

    return make


def judgements(judge, answers, *references):
    return [judged.judgement for judged in judge.judge_answers(answers, references)]


def verdicts(judge, answers, *references):
    return [judgement.verdict for judgement in judgements(judge, answers, *references)]


# verdicts and their evidence


@pytest.mark.parametrize(
    ("answer", "references", "expected"),
    [
        ("132.0", ("132",), Verdict.CORRECT),
        ("131", ("132",), Verdict.INCORRECT),
        ("28", (r"28\%",), Verdict.CORRECT),
        ("29", (r"28\%",), Verdict.INCORRECT),
        ("2", ("1", "2"), Verdict.CORRECT),
        ("3", ("1", "2"), Verdict.INCORRECT),
        (OPEN, (r"\sqrt2-1",), Verdict.CORRECT),  # by the oracle
        (OPEN, (r"\sqrt2+1",), Verdict.INCORRECT),
        (r"\sin^2 x+\cos^2 x", ("1",), Verdict.CORRECT),  # by the oracle
        ("9^{9^{9}}", ("5",), Verdict.INCORRECT),
        ("1e99999", ("5",), Verdict.INCORRECT),  # the parser's bound on exponents, which the reference keeps
        ("1e99999", ("5", "1e99998"), Verdict.TIMED_OUT),  # one of the references does not
        (r"10^{10^{10}} \bmod 7", ("4",), Verdict.INCORRECT),  # it may be so; nobody writes such a number out
        (r"\frac{700!}{699!}", ("700",), Verdict.CORRECT),  # some thousand digits are in reach
        ("5", ("1e99999",), Verdict.TIMED_OUT),  # nor does a bound that a reference reached make an answer wrong
        ("5", ("1e99999", "5"), Verdict.CORRECT),
    ],
)
def test_verdicts(judge, answer, references, expected):
    assert verdict(judge, answer, *references) is expected


@pytest.mark.parametrize(
    ("answer", "parsed", "rule"),
    [
        (r"\frac{264}{2}", "number 132", "equal number"),
        ("131", "number 131", "comparison number number"),
        ("132 cm", "quantity 132 [1/100 length]", "comparison quantity number"),
        (r"\{x\}", "set {x}", "comparison set number"),
    ],
)
def test_evidence(judge, answer, parsed, rule):
    judgement = judge.judge([rf"So \boxed{{{answer}}}."], ["132"])[0].judgement
    assert (judgement.answer, judgement.parsed, judgement.rule) == (answer, parsed, rule)
    assert 0 < judgement.seconds < 0.2


def test_evidence_of_the_oracle(judge):
    rules = [each.rule for each in judgements(judge, [OPEN, r"\sqrt2+1"], r"\sqrt2-1")]
    assert rules == ["oracle expression expression", "comparison expression expression"]


def test_seconds_are_of_one_verdict(fake_process):
    judge = fake_process(seconds=0.05)
    slow, quick = judgements(judge, [OPEN, "1"], r"\sqrt2-1")
    assert 0.05 <= slow.seconds < 0.5 and quick.seconds < 0.05


def test_no_answer(judge):
    judged = judge.judge(["I give up", r"\boxed{5}"], ["5"])
    assert [each.judgement.verdict for each in judged] == [Verdict.NO_ANSWER, Verdict.CORRECT]
    nothing = judged[0].judgement
    assert (nothing.answer, nothing.parsed, nothing.rule) == (None, "", "no answer by boxed")
    assert judged[0].form is None and judged[1].form is not None


def test_the_extraction_is_a_setting():
    judge = Judge(VerifierConfig(extraction="last_number", relation="exact"))
    judged = judge.judge(["it is 5", r"\boxed{x}"], ["5"])
    assert [each.judgement.verdict for each in judged] == [Verdict.CORRECT, Verdict.NO_ANSWER]
    assert judged[1].judgement.rule == "no answer by last_number"


def test_a_number_out_of_reach_against_another_asks_nobody(fake_process):
    judge = fake_process()
    started = time.process_time()
    huge = ["9^{9^{9}}", "1000000000!", "10^{10^{10}}", r"\binom{100000}{50000}"]
    assert verdicts(judge, huge, "5") == [Verdict.INCORRECT] * 4
    assert FakeProcess.asked == [] and time.process_time() - started < 0.1


# several references


def test_several_references_share_the_time_of_a_verdict(fake_process):
    judge = fake_process(answer=False, seconds=0.1, judge_timeout=0.25)
    assert verdicts(judge, [OPEN], r"\sqrt2-1", r"-1+\sqrt[4]{4}+0x", r"(\sqrt2-1)(x+1)/(x+1)") == [Verdict.INCORRECT]
    # with the whole time for each of two oracle calls: 0.25 both times
    timeouts = [timeout for _, _, timeout, _ in FakeProcess.asked]
    assert len(timeouts) == 2 and 0.2 < timeouts[0] <= 0.25 and timeouts[1] < 0.2


def test_one_reference_that_is_met_outweighs_what_failed(fake_process):
    judge = fake_process(answer=OutOfTimeError("too long"))
    # any one counts: the first cannot be decided, the second is equal, or equal after a comparison
    assert verdicts(judge, [OPEN], r"\sqrt2-1", OPEN) == [Verdict.CORRECT]
    assert verdicts(judge, [r"28\%"], "0.28") == [Verdict.CORRECT]
    # nothing is met and something failed: not `incorrect`
    assert verdicts(judge, [OPEN], r"\sqrt2-1", "7") == [Verdict.TIMED_OUT]
    assert verdicts(judge, [OPEN], "7", r"\sqrt2-1") == [Verdict.TIMED_OUT]


def test_an_answer_is_not_incorrect_while_a_reference_is_unread(judge):
    assert not verdict(judge, "5", "7", "1e99999").is_valid


# faults of ours


def broken(*arguments):
    raise TypeError("float() argument must be a number")


def test_a_fault_of_the_parser_is_the_verdict_of_one_answer(monkeypatch, caplog):
    def parse(text):
        return broken() if text == "7" else RELATIONS["math"].parse(text)

    monkeypatch.setitem(RELATIONS, "exact", replace(RELATIONS["exact"], parse=parse))
    judge = Judge(VerifierConfig(relation="exact"))
    judged = judgements(judge, ["5", "7", "3"], "5")
    assert [each.verdict for each in judged] == [Verdict.CORRECT, Verdict.VERIFIER_ERROR, Verdict.INCORRECT]
    assert judged[1].rule == "the parser raised TypeError" and judged[1].answer == "7"
    assert "the parser failed on ['7']" in caplog.text and "float() argument" in caplog.text
    assert verdicts(judge, ["5"], "7") == [Verdict.VERIFIER_ERROR]


def test_a_fault_of_a_comparison_is_a_verdict(monkeypatch, fake_process):
    monkeypatch.setitem(RELATIONS, "math", replace(RELATIONS["math"], compare=broken))
    judge = fake_process()
    assert verdicts(judge, ["7", "3"], "3") == [Verdict.VERIFIER_ERROR, Verdict.CORRECT]  # equal forms: no comparison
    seven, three = (judged.form for judged in judge.judge_answers(["7", "3"], ["3"]))
    assert judge.same(three, three) and not judge.same(seven, three)  # what is not decided keeps two classes


ORACLE_FAILURES = [
    (JudgeFaultError("the process died"), Verdict.VERIFIER_ERROR),
    (OutOfTimeError("too long"), Verdict.TIMED_OUT),
]


@pytest.mark.parametrize(("error", "expected"), ORACLE_FAILURES)
def test_what_the_oracle_raises_is_a_verdict_and_is_not_remembered(fake_process, error, expected):
    judge = fake_process(answer=error)
    assert [each.rule for each in judgements(judge, [OPEN], r"\sqrt2-1")] == [str(error)]
    assert verdicts(judge, [OPEN, "7"], r"\sqrt2-1") == [expected, Verdict.INCORRECT]
    assert len(FakeProcess.asked) == 2  # another time it may be quicker
    judge.process.answer = True
    assert verdicts(judge, [OPEN], r"\sqrt2-1") == [Verdict.CORRECT]


def test_what_is_too_large_to_compare_is_wrong_by_a_rule_that_says_so(fake_process):
    judge = fake_process(answer=BoundReachedError("a comparison reached the bounds of the parser"))
    (judged,) = judgements(judge, [OPEN], r"\sqrt2-1")
    assert judged.verdict is Verdict.INCORRECT
    assert judged.rule == "out of proportion to the reference: a comparison reached the bounds of the parser"
    assert verdicts(judge, [OPEN], r"\sqrt2-1", OPEN) == [Verdict.CORRECT]


def test_a_number_out_of_reach_is_not_compared_at_length(fake_process):
    judge = fake_process(answer=True)
    for answer in (r"10^{10^{10}} \bmod 7", r"x+9^{9^9}", "factorial(10**9)", r"\ln\ln e^{e^{e^{10}}}"):
        (judged,) = judgements(judge, [answer], "\\sin 5x")
        assert judged.verdict is Verdict.INCORRECT, answer
    assert FakeProcess.asked == []


def test_a_process_that_cannot_start_ends_the_run(fake_process):
    judge = fake_process(answer=VerifierError("did not start"))
    with pytest.raises(VerifierError, match="did not start"):
        judge.judge_answers([OPEN], [r"\sqrt2-1"])


@pytest.mark.parametrize(
    "text",
    [r"\operatorname{abs}(x+1,y+2)", r"\abs(x,y)", r"\max(x+1,2)", r"\sin(x,y)", "x!", r"\frac1{0x}", r"\log_1 2",
     r"\log 0", r"\tan 90^\circ", "0^{-1}", "f(x)", r"\sum_{k=1}^{0} k", "^", "_", "=", ",", r"\frac", "\0"],
)  # fmt: skip
@pytest.mark.parametrize("reference", ["3", "3x", "(1, 2)", "x < 3", r"\{1\}", "3 cm", r"\text{odd}"])
def test_no_form_of_an_answer_makes_the_judge_fail(judge, text, reference):
    assert verdict(judge, text, reference) in (Verdict.INCORRECT, Verdict.TIMED_OUT)
    assert verdict(judge, reference, text) in (Verdict.INCORRECT, Verdict.TIMED_OUT)


def test_a_value_whose_size_overflows_is_no_fault(judge):
    assert verdict(judge, "1.5e308+1.5e308i", "3") is Verdict.INCORRECT


# deadlines


def test_past_the_time_of_the_group_nothing_is_parsed(monkeypatch):
    parsed = []

    def parse_slowly(text):
        parsed.append(text)
        time.sleep(0.02)
        return RELATIONS["math"].parse(text)

    monkeypatch.setitem(RELATIONS, "exact", replace(RELATIONS["exact"], parse=parse_slowly))
    judge = Judge(VerifierConfig(relation="exact", group_timeout=0.2))
    judged = judgements(judge, [f"{n}" for n in range(50)], "0")
    assert len(parsed) <= 11  # 50 parses would take a second
    assert judged[0].verdict is Verdict.CORRECT
    assert {each.verdict for each in judged[11:]} == {Verdict.TIMED_OUT}
    assert "raise verifier.group_timeout" in judged[-1].rule
    assert verdicts(judge, ["1"], "0") == [Verdict.INCORRECT]  # the next group has its own time


def test_past_the_time_of_the_group_nothing_is_compared(fake_process):
    judge = fake_process(answer=False, seconds=0.06, group_timeout=0.1, judge_timeout=5)
    before = time.monotonic()
    told = verdicts(judge, [f"{OPEN}+{n + 1}" for n in range(9)], *(rf"\sqrt2+{n}" for n in range(9)))
    assert told[0] is Verdict.INCORRECT and set(told[2:]) == {Verdict.TIMED_OUT}  # two comparisons take over 0.1 s
    # the process is told when the group's time is over, so that its start is not waited for longer
    (deadline,) = {deadline for *_, deadline in FakeProcess.asked}
    assert len(FakeProcess.asked) <= 2 and before + 0.1 <= deadline <= time.monotonic()
    time.sleep(0.1)
    assert not judge.same(RELATIONS["math"].parse(OPEN), RELATIONS["math"].parse(r"\sqrt2-1"))
    assert len(FakeProcess.asked) <= 2


# once alone


def test_the_oracle_is_asked_once_about_a_pair_in_either_order(fake_process):
    judge = fake_process(answer=False)
    for answers, reference in (([OPEN] * 16, r"\sqrt2-1"), ([r"\sqrt2-1"] * 2, OPEN)):
        judged = judge.judge_answers(answers, [reference])
        assert {each.judgement.verdict for each in judged} == {Verdict.INCORRECT}
        assert {each.judgement.rule for each in judged} == {"oracle expression expression"}
    assert not judge.same(judged[0].form, RELATIONS["math"].parse(OPEN))
    # by content: the same forms in other spellings are the same pair
    assert verdicts(judge, [r"\frac{1}{\sqrt{2} + 1}"], r"-1+\sqrt2") == [Verdict.INCORRECT]
    assert len(FakeProcess.asked) == 1


def test_what_is_remembered_has_a_bound(monkeypatch, fake_process):
    monkeypatch.setattr(judge_module, "REMEMBERED", 3)
    judge = fake_process()
    for number in range(20):
        assert verdicts(judge, [rf"\frac{{1}}{{1+\sqrt{{{number + 2}}}}}+y"], "3") == [Verdict.INCORRECT]
        assert verdicts(judge, [OPEN + f"+{number}"], rf"\sqrt2-1+{number}") == [Verdict.CORRECT]
    assert len(judge.parsed) <= 3 and len(judge.decided) <= 3


def test_what_is_decided_by_forms_needs_no_oracle(fake_process):
    judge = fake_process()
    answers = ["132", "131.0", r"\frac{7}{2}", "(1,2)", r"\sqrt8", "x^2-1", "x < 3", r"\{1,2\}", r"\text{Tuesday}"]
    for reference in answers:
        assert verdicts(judge, answers, reference).count(Verdict.CORRECT) == 1
    assert FakeProcess.asked == []


def test_any_thread_may_judge(judge):
    told = []
    thread = threading.Thread(target=lambda: told.extend(verdicts(judge, [r"\sin 2x", "9^{9^{9}}"], r"2\sin x\cos x")))
    thread.start()
    thread.join(timeout=30)
    assert told[0] is Verdict.CORRECT and told[1] is not Verdict.CORRECT


@pytest.mark.parametrize("relation", ["math", "exact"])
def test_without_a_reference_no_answer_is_correct(relation):
    judge = Judge(VerifierConfig(relation=relation))
    try:
        judged = judge.judge([r"\boxed{2}", "none", r"\boxed{" + "(" * 5000 + "}"], ())
    finally:
        judge.close()
    assert [each.judgement.verdict for each in judged] == [Verdict.INCORRECT, Verdict.NO_ANSWER, Verdict.INCORRECT]
    assert judged[0].judgement.rule == "no reference" and judged[0].form is not None
