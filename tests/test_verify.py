"""Parsed forms and verdicts."""

import time
from dataclasses import replace
from fractions import Fraction

import pytest
from judging import verdict

from seed_grpo.config import VerifierConfig
from seed_grpo.messages import Verdict
from seed_grpo.verify.judge import Judge
from seed_grpo.verify.limits import BoundReachedError
from seed_grpo.verify.parse import parse_answer
from seed_grpo.verify.relations import RELATIONS, compare_math, parse_exact

# parsed forms


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("132", 132), ("132.0", 132), ("132/1", 132), (r"\frac{132}{1}", 132), ("-7", -7), (".5", Fraction(1, 2)),
        (r"\frac12", Fraction(1, 2)), (r"\dfrac{3}{4}", Fraction(3, 4)), (r"3\frac{1}{2}", Fraction(7, 2)),
        ("3 1/2", Fraction(7, 2)), ("-3 1/2", Fraction(-7, 2)), ("1,234,567", 1234567), (r"11,\! 111", 11111),
        ("1{,}000", 1000), ("7 000", 7000), ("2.5e2", 250), (r"2.5 \times 10^{2}", 250), ("2^{10}", 1024),
        (r"\$10", 10), ("$10$", 10), (r"10\text{ units}", 10), (r"15\mbox{ cm}^2", 15), (r"90^\circ", 90),
        ("5!", 120), (r"\sqrt{16}", 4), (r"\binom{5}{2}", 10), ("x = 5", 5), ("x = 2 + 3 = 5", 5), ("025", 25),
        (r"|-3|", 3), ("i^2", -1), ("2^{-1}", Fraction(1, 2)), ("−5", -5), ("½", Fraction(1, 2)),  # noqa: RUF001
    ],
)  # fmt: skip
def test_numbers(text, value):
    parsed = parse_answer(text)
    assert (parsed.kind, parsed.value) == ("number", value)


EQUAL = [
    (r"\sqrt{8}", r"2\sqrt2"),
    (r"\frac{1}{\sqrt2}", r"\frac{\sqrt{2}}{2}"),
    ("(x+1)^2", "x^2+2x+1"),
    (r"\frac{x+2}{7}", r"\frac{x}{7}+\frac{2}{7}"),
    (r"\{1,2\}", "2, 1"),
    (r"1 \text{ and } 2", "1,2"),
    (r"1\pm\sqrt2", r"1+\sqrt{2}, 1-\sqrt{2}"),
    (r"\left(\frac12, 3\right)", "(0.5,3)"),
    ("(0,100)", "(0, 100)"),
    ("x<3", "3 > x"),
    ("-x > -1", "x<1"),
    ("34x+45y-20z+100=0", "-34x-45y+20z=100"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\left[\begin{array}{cc}1 & 2 \\ 3 & 4\end{array}\right]"),
    (r"\text{(C)}", "C"),
    (r"\text{Tuesday}", "tuesday"),
    (r"(-\infty,1]\cup[2,\infty)", r"[2,+\infty) \cup (-\infty, 1]"),
    (r"\sin 2x", r"\sin(2x)"),
]
UNEQUAL = [
    ("12", "21"), ("(0,100)", "0100"), ("[0,1)", "(0,1)"), ("(1,2)", "(2,1)"), ("x<3", "x>3"), ("40_9", "40_2"),
    ("0.64N", "0.64"), (r"\sqrt2", "2"), ("x+1", "x-1"), ("32, 349", "32349"), ("1/3", "0.333"), ("7=11a+c", "11a+c"),
    ("1/0", "1"), ("a^2", "a^{-2}"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), EQUAL)
def test_equal_forms(first, second):
    assert parse_answer(first) == parse_answer(second)
    assert hash(parse_answer(first)) == hash(parse_answer(second))


@pytest.mark.parametrize(("first", "second"), UNEQUAL)
def test_unequal_forms(first, second):
    assert parse_answer(first) != parse_answer(second)


TEXTS = [text for pair in EQUAL + UNEQUAL for text in pair]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    "respell",
    [
        lambda text: text,
        lambda text: f"  {text} \n",
        lambda text: f"${text}$",
        lambda text: rf"\({text}\)",
        lambda text: f"{text}.",
        lambda text: rf"{text}\!",
        lambda text: rf"\,{text}",
        lambda text: rf"\boxed{{{text}}}",
        lambda text: text.replace(r"\frac", r"\dfrac"),
        lambda text: text.replace(r"\left(", "(").replace(r"\right)", ")"),
    ],
)
def test_forms_are_stable_under_layout(text, respell):
    assert parse_answer(respell(text)) == parse_answer(text)


@pytest.mark.parametrize(
    "text",
    ["9^{9^{9}}", "10^{10^{10}}", "9**9**9**9", "2^{10000000000}", "1e1000000", "1E-999999999", "1000000000!",
     r"\binom{100000}{50000}", "7" * 1001, "{" * 300 + "5" + "}" * 300, "a" * 5000, "2^{" * 50 + "1" + "}" * 50,
     r"\begin{pmatrix}" * 200, "(x+1)" * 700, "[" * 1000, r"\frac" * 500, r"\sin" * 900],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_bounds_are_an_error_of_their_own(text):
    started = time.process_time()
    with pytest.raises(BoundReachedError):
        parse_answer(text)
    assert time.process_time() - started < 0.5


def test_long_sign_chains_need_no_stack():
    assert parse_answer("5*" + "-" * 3000 + "5").value == 25


# relations: one contract over all


@pytest.mark.parametrize("name", RELATIONS)
def test_relations_are_reflexive_and_symmetric(name):
    relation = RELATIONS[name]
    forms = [relation.parse(text) for text in TEXTS]
    for first in forms:
        assert first == relation.parse(first.text)
        for second in forms:
            if first != second:
                assert relation.compare(first, second) == relation.compare(second, first)


def test_exact_relation_keeps_spellings_apart():
    judge = Judge(VerifierConfig(relation="exact"))
    assert verdict(judge, " 0.5", "0.5") is Verdict.CORRECT
    assert verdict(judge, "0.5", "1/2") is Verdict.INCORRECT


# verdicts


@pytest.mark.parametrize(
    ("answer", "references", "expected"),
    [
        ("132.0", ("132",), Verdict.CORRECT),
        ("131", ("132",), Verdict.INCORRECT),
        ("28", (r"28\%",), Verdict.CORRECT),
        ("0.28", (r"28\%",), Verdict.CORRECT),
        ("29", (r"28\%",), Verdict.INCORRECT),
        ("2", ("1", "2"), Verdict.CORRECT),
        ("9^{9^{9}}", ("5",), Verdict.TIMED_OUT),
        (r"\gcd(3, 18)", ("3",), Verdict.CORRECT),  # by the oracle
        (r"\frac{1}{1+\sqrt2}", (r"\sqrt2-1",), Verdict.CORRECT),  # by the oracle
        (r"\frac{1}{1+\sqrt2}", (r"\sqrt2+1",), Verdict.INCORRECT),
    ],
)
def test_verdicts(judge, answer, references, expected):
    assert verdict(judge, answer, *references) is expected


def test_evidence(judge):
    judgement = judge.judge([r"\boxed{\frac{264}{2}}"], ["132"])[0].judgement
    assert (judgement.answer, judgement.parsed, judgement.rule) == (r"\frac{264}{2}", "132", "equal exact form")


def test_a_reference_that_cannot_be_parsed_is_our_fault(judge):
    assert verdict(judge, "5", "9^{9^{9}}") is Verdict.VERIFIER_ERROR


def test_what_is_decided_by_forms_starts_no_process():
    judge = Judge(VerifierConfig())
    judge.judge([rf"\boxed{{{answer}}}" for answer in ("132", "131.0", r"\frac{7}{2}", "(1,2)")] + ["none"], ["132"])
    assert judge._process._process is None


@pytest.mark.parametrize("text", [r"\operatorname{abs}(x+1,y+2)", r"\abs(x,y)", r"\max(x+1,2)", r"\sin(x,y)"])
def test_no_form_of_an_answer_makes_the_judge_raise(judge, text):
    """A call of several arguments has no value at a point: the comparison must give up on it, not raise."""
    assert verdict(judge, text, "3") in (Verdict.INCORRECT, Verdict.TIMED_OUT, Verdict.VERIFIER_ERROR)


def test_a_fault_of_ours_in_a_comparison_is_a_verdict(monkeypatch):
    def broken(first, second):
        raise TypeError("float() argument must be a number")

    monkeypatch.setitem(RELATIONS, "math", replace(RELATIONS["math"], compare=broken))
    judge = Judge(VerifierConfig())
    assert verdict(judge, "7", "3") is Verdict.VERIFIER_ERROR
    assert verdict(judge, "3", "3") is Verdict.CORRECT  # equal forms need no comparison


TEN, NINE = "(a+b+c+d+f+g+h+j+k+l)", "(m+n+o+p+q+r+s+t+u)"


@pytest.mark.parametrize(
    "text",
    [
        # a product of two such sums has 90 terms, sorted anew for every factor: without a budget, minutes
        rf"\frac{{{TEN}{TEN}}}{{{TEN}{NINE}+w}}" + " x y" * 900,
        f"{TEN}{NINE}" + " x y" * 900,
        "(x+1)^{50}+" * 330 + "1",
        "y(x_()" * 660,  # every bracket is looked for to the end
        "+".join([r"\sqrt{2^{4000}}"] * 240),  # trial division by 2, 4000 times each
        "x" + "!" * 3990,  # every sign nests what stands before it
    ],
    ids=lambda text: text[:20],
)
def test_the_work_of_parsing_is_bounded(text):
    started = time.process_time()
    with pytest.raises(BoundReachedError):
        parse_answer(text)
    assert time.process_time() - started < 0.3


def test_a_budget_of_work_is_of_one_parse_alone():
    for _ in range(6):
        assert parse_answer("(x+1)^{50}").kind == "expression"  # 112 000 units of the 500 000


@pytest.mark.parametrize("text", [r"\frac{1}{1023^{800}}+\frac{1}{7^{2700}}", r"x\cdot 7^{2700}\cdot 7^{2700}"])
def test_sums_and_multiples_have_bounded_coefficients(text):
    with pytest.raises(BoundReachedError, match="8192 bits"):  # else the text of one is over Python's limit of digits
        parse_answer(text)


def test_values_beyond_floating_point_tell_nothing():
    # both parts are representable and the modulus is not: abs() raises OverflowError
    assert compare_math(parse_answer("1.5e308+1.5e308i"), parse_answer("3x")) is None


def test_past_the_time_of_the_group_nothing_is_parsed(monkeypatch):
    parsed = []

    def parse_slowly(text):
        parsed.append(text)
        time.sleep(0.02)
        return parse_exact(text)

    monkeypatch.setitem(RELATIONS, "exact", replace(RELATIONS["exact"], parse=parse_slowly))
    judged = Judge(VerifierConfig(relation="exact", group_timeout=0.2)).judge([r"\boxed{5}"] * 50, ["5"])
    verdicts = [judgement.verdict for judgement, _ in judged]
    assert len(parsed) <= 11  # 50 parses would take a second
    assert verdicts[0] is Verdict.CORRECT and set(verdicts[11:]) == {Verdict.TIMED_OUT}
