r"""Answer extraction, parsed forms, verdicts, the bounded process, and the verifier worker around them."""

import json
import os
import random
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seed_grpo.config import SemanticEntropyConfig, VerifierConfig
from seed_grpo.errors import VerifierError
from seed_grpo.messages import Completion, FinishReason, Group, GroupTask, Problem, Sampling, Verdict
from seed_grpo.runtime.verifier_worker import VerifierWorker
from seed_grpo.verify import relations
from seed_grpo.verify.bounded import BoundedProcess, WorkerCrashError
from seed_grpo.verify.extract import STYLES, extract_answer
from seed_grpo.verify.judge import Judge
from seed_grpo.verify.limits import BoundReachedError
from seed_grpo.verify.parse import parse_answer
from seed_grpo.verify.relations import RELATIONS, Relation

DATA = Path(__file__).parents[2] / "shared" / "data"
JUDGE_TIMEOUT = 1.0
SLACK = 2.0
"""seconds for a replaced process to come up, on a machine that others use too"""


def records(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the shared data set {name} is not there")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def judge():
    judge = Judge(VerifierConfig(judge_timeout=JUDGE_TIMEOUT))
    yield judge
    judge.close()


def verdict(judge, answer, *references):
    return judge.judge([rf"So \boxed{{{answer}}}."], references)[0].judgement.verdict


# extraction


@pytest.mark.parametrize(
    ("style", "completion", "answer"),
    [
        ("boxed", r"first \boxed{1}, then \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        ("boxed", r"\boxed{12} and cut off in \boxed{34", "12"),
        ("boxed", r"cut off in \boxed{34", None),
        ("boxed", r"a stray { and \boxed{5}", "5"),
        ("boxed", r"a stray } and \boxed{5}", "5"),
        ("boxed", r"\boxed{\{1,2\}}", r"\{1,2\}"),
        ("boxed", r"\boxed{1+\boxed{2}}", r"1+\boxed{2}"),
        ("boxed", r"\boxed 7.", "7."),
        ("boxed", r"\boxed{ }", None),
        ("boxed", "no box: 5", None),
        ("answer_tag", "<answer>1</answer> <answer> 2 </answer>", "2"),
        ("answer_tag", r"<answer>It is \boxed{3}</answer>", "3"),
        ("answer_tag", "<answer>1</answer> <answer>2", "1"),
        ("last_number", "from 5-3 we get 1,234.5, done", "1,234.5"),
        ("last_number", "5-3", "3"),
        ("last_number", "it is -3", "-3"),
        ("last_number", "none", None),
        ("auto", r"The answer is 3. \boxed{4}", "4"),
        ("auto", "so\n#### 42", "42"),
        ("auto", "The final answer is $x^2$. I hope it is correct.", "x^2"),
        ("auto", "that makes 12 apples", "12"),
    ],
)
def test_extract_answer(style, completion, answer):
    assert extract_answer(completion, style) == answer


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("part", ["{", "\\boxed{", "<answer>", "1,", "$", "\\", "answer is ", "-1/", " ", "\\boxed "])
def test_extraction_is_fast_on_hostile_text(style, part):
    started = time.monotonic()
    extract_answer(part * 500_000, style)
    assert time.monotonic() - started < 1.0


def test_extraction_looks_at_the_end():
    assert extract_answer("x" * 1_000_000 + r"\boxed{5}", "boxed") == "5"


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
    started = time.monotonic()
    with pytest.raises(BoundReachedError):
        parse_answer(text)
    assert time.monotonic() - started < 0.5


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
    assert judge._process.pid is None


# the bounded process, with oracles of this file


def sleeps(first, second):
    if first == "slow":
        time.sleep(60)
    return first == second


def spins(first, second):
    return 9**9**9 == 0  # in C, where no Python signal handler runs


def dies(first, second):
    os._exit(3)


def allocates(first, second):
    return len(bytearray(8 * 2**30)) == 0


def raises(first, second):
    raise KeyError("own fault")


def oracle(function):
    return f"test_verify:{function.__name__}"


@pytest.fixture
def importable(monkeypatch):
    """Lets the worker process import this file."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)


def judge_by(function, monkeypatch):
    relation = Relation(RELATIONS["exact"].parse, lambda first, second: None, oracle(function))
    monkeypatch.setitem(relations.RELATIONS, "exact", relation)
    return Judge(VerifierConfig(relation="exact", judge_timeout=0.5))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (sleeps, Verdict.TIMED_OUT),
        (spins, Verdict.TIMED_OUT),
        (allocates, Verdict.TIMED_OUT),
        (dies, Verdict.VERIFIER_ERROR),
        (raises, Verdict.VERIFIER_ERROR),
    ],
)
def test_failures_of_the_slow_path_are_verdicts_of_their_own(function, expected, importable, monkeypatch):
    judge = judge_by(function, monkeypatch)
    assert verdict(judge, "slow", "5") is expected
    assert verdict(judge, "5", "5") is Verdict.CORRECT
    judge.close()


def test_the_process_serves_again_after_a_kill_and_leaves_nothing(importable):
    process = BoundedProcess(oracle(sleeps), 1024)
    with pytest.raises(BoundReachedError, match=r"0\.2 s"):
        process.same("slow", "a", 0.2)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(process.same("a", "a", 5.0)))
    thread.start()
    thread.join()
    assert answers == [True] and process.same("a", "b", 5.0) is False
    pid = process.pid
    process.close()
    assert not Path(f"/proc/{pid}").exists()  # neither running nor a zombie


def test_the_process_ends_with_its_owner(importable):
    process = BoundedProcess(oracle(sleeps), 1024)
    process.same("a", "a", 5.0)
    process._process.stdin.close()  # what the kernel does when the owner is killed
    assert process._process.wait(timeout=5) == 0
    process._process.stdout.close()


def test_a_process_that_cannot_start_is_an_error():
    process = BoundedProcess("no_such_module:same", 1024)
    with pytest.raises(VerifierError, match="did not start") as raised:
        process.same("a", "b", 1.0)
    assert not isinstance(raised.value, WorkerCrashError)


# the shared cases


def test_accuracy_on_the_development_cases(judge, capsys):
    """All unequal pairs of bare answers and every fourth equal one, to be quick."""
    cases = [record for record in records("grader_cases_dev.jsonl") if record["form"] == "answer"]
    equal = [record for record in cases if record["expected"]][::4]
    unequal = [record for record in cases if not record["expected"]]
    found = np.mean([verdict(judge, record["pred"], record["gold"]) is Verdict.CORRECT for record in equal])
    verdicts = [verdict(judge, record["pred"], record["gold"]) for record in unequal]
    merged = verdicts.count(Verdict.CORRECT)
    with capsys.disabled():
        told = verdicts.count(Verdict.INCORRECT)
        print(f"\n  equal found {found:.1%} of {len(equal)}; unequal told {told}, merged {merged} of {len(unequal)}")
    assert found >= 0.85
    assert merged <= 2  # two lists that differ in order alone, which one suite calls unequal


def text_of(parts):
    return "".join(part if isinstance(part, str) else part[0] * part[1] for part in parts)


def test_hostile_answers_are_bounded_and_nothing_is_executed(judge, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = [text_of(record["parts"]) for record in records("grader_hostile.jsonl")]
    plant = f"open({str(tmp_path / 'planted')!r}, 'w')"
    texts += [plant, rf"\text{{{plant}}}", f"5+0*len(str({plant}))", f"({plant})", rf"\frac{{{plant}}}{{2}}"]
    for text in texts:
        started = time.monotonic()
        said = verdict(judge, text, "5")
        assert time.monotonic() - started < JUDGE_TIMEOUT + SLACK, text[:80]
        assert said is not Verdict.VERIFIER_ERROR, text[:80]
    assert list(tmp_path.iterdir()) == []
    assert verdict(judge, r"\gcd(3, 18)", "3") is Verdict.CORRECT  # it still serves


# the worker


def group(*texts, reference="132", reasons=None, lengths=None):
    sampling = Sampling(len(texts), 1.0, 1.0, 64, 0)
    task = GroupTask(0, Problem("p", "47+85=", (reference,)), (1,), sampling)
    completions = []
    for index, text in enumerate(texts):
        length = lengths[index] if lengths else 4
        tokens = np.zeros(length, dtype=np.int32)
        reason = reasons[index] if reasons else FinishReason.STOP
        completions.append(Completion(text, tokens, np.full(length, -0.5, dtype=np.float32), tokens, reason))
    return Group(task, tuple(completions), "rollout-0", 1.0)


def worker(**verifier):
    return VerifierWorker(VerifierConfig(**verifier), SemanticEntropyConfig())


def test_a_group_is_judged_partitioned_and_measured():
    judged = worker().judge_group(group(r"\boxed{132}", r"\boxed{122}", r"\boxed{132.0}", r"\boxed{\frac{132}{1}}"))
    assert judged.rewards_G.tolist() == [1, 0, 1, 1] and judged.rewards_G.dtype == np.float32
    assert judged.class_ids_G.tolist() == [0, 1, 0, 0] and judged.class_ids_G.dtype == np.int32
    assert judged.valid_G.all()
    # equal likelihoods: p = 3/4, 1/4 and Eq. 5 gives -(ln 3/4 + ln 1/4)/2 = 0.836988
    assert judged.semantic_entropy == pytest.approx(0.836988, abs=1e-6)
    assert judged.entropy_max == pytest.approx(np.log(4)) and not judged.entropy_clipped


def test_invalid_completions_leave_partition_and_reward():
    reasons = [FinishReason.STOP, FinishReason.TIMEOUT, FinishReason.LENGTH, FinishReason.STOP]
    judged = worker().judge_group(
        group(r"\boxed{9^{9^{9}}}", r"\boxed{132}", r"\boxed{132}", r"\boxed{1}", reasons=reasons)
    )
    verdicts = [judgement.verdict for judgement in judged.judgements_G]
    assert verdicts == [Verdict.TIMED_OUT, Verdict.TIMED_OUT, Verdict.CORRECT, Verdict.INCORRECT]
    assert judged.judgements_G[1].rule == "request_timeout"
    assert judged.valid_G.tolist() == [False, False, True, True]
    assert judged.rewards_G.tolist() == [0, 0, 1, 0]
    assert judged.class_ids_G.tolist() == [-1, -1, 0, 1]
    assert judged.entropy_max == pytest.approx(np.log(2))  # of the two inside; log 4 would count the invalid ones


@pytest.mark.parametrize(
    ("no_answer", "classes"),
    [("one_class", [0, 1, 0, 2]), ("one_each", [0, 1, 2, 3]), ("none", [-1, 0, -1, 1])],
)
def test_no_answer(no_answer, classes):
    judged = worker(no_answer=no_answer).judge_group(group("cut", r"\boxed{132}", "off", r"\boxed{no answer}"))
    assert judged.class_ids_G.tolist() == classes
    assert judged.valid_G.all() and judged.rewards_G.tolist() == [0, 1, 0, 0]


def test_empty_completions_have_finite_entropy():
    judged = worker().judge_group(group("", r"\boxed{132}", "", lengths=[0, 4, 0]))
    assert np.isfinite(judged.semantic_entropy) and judged.summary.num_classes == 2


def test_classes_do_not_depend_on_the_order_of_the_completions():
    texts = [rf"\boxed{{{answer}}}" for answer in (r"28\%", "28", "0.28", "7", r"\sqrt{49}", "(1,2)")] + ["none"]
    verifier = worker()
    expected = {frozenset(texts[:3]), frozenset(texts[3:5]), frozenset(texts[5:6]), frozenset(texts[6:])}
    shuffle = random.Random(0).sample
    for _ in range(10):
        permuted = shuffle(texts, len(texts))
        classes = verifier.judge_group(group(*permuted)).class_ids_G
        pairs = list(zip(permuted, classes, strict=True))
        assert {frozenset(text for text, each in pairs if each == name) for name in classes} == expected
    verifier.close()


def test_a_group_out_of_time_is_timed_out():
    verifier = worker(group_timeout=1e-9)
    judged = verifier.judge_group(group(r"\boxed{\gcd(3, 18)}", r"\boxed{3}", reference="3"))
    assert [judgement.verdict for judgement in judged.judgements_G] == [Verdict.TIMED_OUT, Verdict.CORRECT]
    assert judged.class_ids_G.tolist() == [-1, 0]  # it has a parsed form, and is outside the partition all the same
