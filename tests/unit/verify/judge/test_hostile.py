r"""Answers made to hang, crash, exhaust or be executed: every verdict is a verdict, soon, and the judge serves on.

Time is processor time of this process, so that other programs do not matter: parsing and comparing happen in it, and
what goes to the bounded process ends at `verifier.judge_timeout` of wall clock, which `test_bounded` shows. It is the
judge's own: a full garbage collection of what all test modules have loaded, a second and more, is kept out of it. The
file is one thing: a table of texts, and what holds for each.
"""

import contextlib
import gc
import itertools
import json
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.tables import default_data
from fuzz.answers import AnswerMaker
from seed_grpo.config.sections import VerifierConfig
from seed_grpo.messages import Judgement, Verdict
from seed_grpo.verify.extract import extract_answer
from seed_grpo.verify.isolation.bounds import BoundReachedError
from seed_grpo.verify.judge import Judge
from seed_grpo.verify.math.parse import Parsed

JUDGE_TIMEOUT = 0.2
CPU_SECONDS = 1.0
"""for a verdict, of this process; nearly all take a hundredth"""
GROWTH_MIB = 100
"""for a process that judges all texts, some of them of a MiB"""
MEMORY_MIB = 300


@pytest.fixture(scope="module", autouse=True)
def collections_of_own_objects_alone():
    """Collections look at what is made here, and not at the millions of objects that were there before."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def text_of(parts):
    return "".join(part if isinstance(part, str) else part[0] * part[1] for part in parts)


def gold_of(written):
    repeated = re.fullmatch(r"@(.*)\*(\d+)", written, re.S)
    return repeated[1] * int(repeated[2]) if repeated else written


def shared_cases():
    """The shared hostile texts with their references, as parameters."""
    path = default_data() / "grader_hostile.jsonl"
    if not path.exists():
        return [pytest.param("", "", marks=pytest.mark.skip("the shared data set is not there"))]
    rows = map(json.loads, path.read_text().splitlines())
    return [pytest.param(text_of(row["parts"]), gold_of(row["gold"]), id=f"{row['id']} {row['cat']}") for row in rows]


OWN = {
    # depth, beside braces
    "brackets of all kinds": "([{|" * 200,
    "absolute values": "|" * 3999,
    "boxes in boxes": r"\boxed{" * 500 + "5" + "}" * 500,
    "boxes never closed": r"\boxed{" * 500,
    "roots of roots": r"\sqrt" * 1000 + "5",
    "left without right": r"\left(" * 600,
    "environments": r"\begin{cases}" * 30 + "5" + r"\end{cases}" * 30,
    "environments never closed": r"\begin{pmatrix}" * 250,
    "minus signs": "-" * 3990 + "5",
    "exponents, right-associative": "^".join(["2"] * 1900),
    "subscripts": "x" + "_{x" * 39 + "}" * 39,
    "factorials": "5" + "!" * 3900,
    "primes": "f" + "'" * 3900,
    "text in text": r"\text{" * 39 + "5" + "}" * 39,
    "functions of functions": r"\sin " * 700 + "x",
    "fractions without end": r"\frac" * 700,
    "a text without its argument": r"\text",
    "a text that is given a command": r"\text\frac{1}{2}",
    "commands as arguments": r"\hat\operatorname{}",
    # size
    "a product of sums": "(a+b+c+d+f)" * 350,
    "a power of a sum of powers": r"((x^{99}+y^{98})^{49}+z)^{48}",
    "many terms": "+".join(f"x_{{{n}}}" for n in range(450)),
    "a chain of equations": "=".join(["x"] * 1900),
    "a chain of inequalities": "<".join(["x"] * 1900),
    "a union of intervals": r"\cup".join(f"({n},{n + 1})" for n in range(300)),
    "a list of surds": ",".join(rf"\sqrt{{{n}}}" for n in range(2, 300)),
    "a list of lists": "(1,2)," * 600,
    "a set of one thing": r"\{" + "1," * 1900 + r"1\}",
    "plus or minus": r"1\pm1" * 700,
    "a large matrix": r"\begin{pmatrix}" + r"\\".join(["&".join("12345678") * 3] * 60) + r"\end{pmatrix}",
    "large primes": r"\sqrt{" + str((2**127 - 1) * (2**89 - 1)) + "}",
    "a root of a high degree": r"\sqrt[1000000007]{2^{1000000}}",
    "digits that repeat": r"0.\overline{" + "142857" * 600 + "}",
    "digits behind the point": "0." + "3" * 3990,
    "a tower of e": "e^{" * 39 + "x" + "}" * 39,
    "cosines of powers": r"\cos(x^{99})^{99}" * 200,
    "a residue": r"7^{10^{9}} \equiv x \pmod{10^{9}+7}",
    "a least common multiple": r"\operatorname{lcm}(" + ",".join(map(str, range(1, 900))) + ")",
    "a binomial of binomials": r"\binom{\binom{99}{49}}{\binom{98}{48}}",
    "thousands": "1" + ",000" * 990,
    "thousands in spaces": "1 000 " * 660,
    # scans that may be quadratic
    "dollars": "$" * 3999,
    "backslashes": "\\" * 3999,
    "words": "so the answer is " * 230,
    "words before a formula": "a " * 1900 + "$5$",
    "digits and letters": "1a" * 1990,
    "digits, or": "1or" * 1300,
    "tags": "<answer>" * 480,
    "spaces": " " * 3990 + "5",
    "comments": "%" * 3990,
    "phantoms": r"\phantom{" * 400,
    "a bracket looked for to the end": "y(x_()" * 660,
    "dates": "may 5, " * 500,
    "clocks": "12:30 " * 600,
    # values
    "a pole": r"\tan\frac{\pi}{2}",
    "the logarithm of nothing": r"\ln 0",
    "base one": r"\log_1 5",
    "the zeroth root": r"\sqrt[0]{5}",
    "infinity less infinity": r"\infty-\infty",
    "modulo zero": r"5 \bmod 0",
    "factorial of a negative number": "(-1)!",
    "no common divisor": r"\gcd(0,0)",
    "beyond floating point": "1.5e308+1.5e308i",
    "far beyond": "10^{400}x-10^{400}y",
    "a sum to infinity": r"\sum_{n=0}^{\infty} n!",
    "a product to a symbol": r"\prod_{i=1}^{z} a",
    "a limit of what is undefined": r"\lim_{x \to 0} \frac{1}{x}",
    "an integral without a value": r"\int_0^1 \frac{1}{x} dx",
    "an integral of noise": r"\int_0^1 \sin(e^{x^x}) \ln(\cos x) dx",
    # characters
    "half a pair": "\ud83d",
    "combining marks": "5" + "\u0301" * 3900,
    "digits of other scripts": "\u0665\u096b\uff15\u2464\u00b2",
    "invisible": "\u200b\u2060\ufeff5\u202e",
    "control characters": "".join(map(chr, range(32))) + "5\x7f",
}  # fmt: skip
OWN_CASES = [pytest.param(text, "5", id=name) for name, text in OWN.items()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folders where this process and the bounded one work, and planted code would leave its mark."""
    before, folder = Path.cwd(), tmp_path_factory.mktemp("work")
    os.chdir(folder)
    yield folder
    os.chdir(before)


NUMBERS = (12, 0.0)
"""decimal digits and relative tolerance, which the oracle gets behind two texts; the defaults"""


@pytest.fixture(scope="module")
def judge(folder):
    judge = Judge(VerifierConfig(judge_timeout=JUDGE_TIMEOUT))
    serves(judge)  # libraries are loaded, and the bounded process is up
    assert os.readlink(f"/proc/{judge.process.pid}/cwd") == str(folder)
    yield judge
    judge.close()


def serves(judge):
    """Right and wrong are told apart, in this process and in the bounded one."""
    judgements = [judged.judgement.verdict for judged in judge.judge_answers(["0.5", "0.6"], [r"\frac12"])]
    assert judgements == [Verdict.CORRECT, Verdict.INCORRECT]
    assert judge.process.call(r"\frac{1}{1+\sqrt2}", r"\sqrt2-1", *NUMBERS, timeout=30.0)
    assert not judge.process.call(r"\frac{1}{1+\sqrt2}", r"\sqrt2+1", *NUMBERS, timeout=30.0)


def judged_everywhere(judge, text, gold):
    """The verdicts on a text as an answer, in a box, bare in a completion, as the reference; and their CPU seconds."""
    for texts, references, judge_them in (
        ([text], [gold], judge.judge_answers),
        ([rf"So \boxed{{{text}}}."], [gold], judge.judge),
        ([text], [gold], judge.judge),
        ([gold], [text], judge.judge_answers),
        ([text], [text], judge.judge_answers),
    ):
        judge.parsed.clear()
        started = time.process_time()
        judgement = judge_them(texts, references)[0].judgement
        yield judgement, time.process_time() - started


@pytest.mark.parametrize(("text", "gold"), [*shared_cases(), *OWN_CASES])
def test_a_hostile_text_gets_a_verdict_and_the_judge_serves_on(judge, text, gold):
    verdicts = set()
    for judgement, seconds in judged_everywhere(judge, text, gold):
        verdicts.add(judgement.verdict)
        assert isinstance(judgement, Judgement) and isinstance(judgement.verdict, Verdict)
        assert seconds < CPU_SECONDS
        assert judgement.verdict is not Verdict.VERIFIER_ERROR, judgement.rule
    assert judgement.verdict is not Verdict.INCORRECT  # of the text against itself
    if Verdict.TIMED_OUT in verdicts:
        serves(judge)


@pytest.mark.parametrize(("text", "gold"), [*shared_cases(), *OWN_CASES])
def test_only_time_leaves_a_text_undecided(judge, text, gold):
    """Beside a reference within the bounds, what is beyond them is wrong, and its rule gives the bound."""
    judgement, of_gold = (judged.judgement for judged in judge.judge_answers([text, gold], [gold]))
    if of_gold.verdict is not Verdict.CORRECT:
        assert judgement.verdict is Verdict.TIMED_OUT  # a reference beyond the bounds makes no answer wrong
    elif judgement.verdict is Verdict.TIMED_OUT:
        assert judgement.rule.startswith("a call took over")
    elif judgement.rule.startswith("out of proportion"):
        assert judgement.verdict is Verdict.INCORRECT and re.search(r"\d", judgement.rule)


@pytest.mark.parametrize("style", ["boxed", "answer_tag", "phrase", "last_number", "auto"])
def test_extraction_of_long_texts_is_quick(style):
    for unit in (
        r"\boxed{",
        "<answer>",
        "the final answer is ",
        "####",
        "$",
        "{",
        "\\",
        "1,",
        r"\(",
        '"',
        "\n",
        "(a) ",
    ):
        started = time.process_time()
        extract_answer(unit * (2**18 // len(unit)), style)
        assert time.process_time() - started < CPU_SECONDS, unit


def test_pairs_of_hostile_texts_are_compared_within_bounds(judge):
    """As a partition asks: `same` answers, or says that a bound was reached."""
    texts = [r"\int_0^1 \sin(e^{x^x}) dx", r"\sum_{k=1}^{n} k!", r"\prod_{i=1}^{z} a", r"\lim_{x \to 0} \max(x, y)"]
    forms = [judged.form for judged in judge.judge_answers(texts, ["5"])]
    assert all(isinstance(form, Parsed) for form in forms)
    for first, second in itertools.combinations(forms, 2):
        with contextlib.suppress(BoundReachedError):  # any other error fails the test
            assert not judge.same(first, second)
    serves(judge)


# nothing is executed

PLANTED = "planted"
CODE = (
    f"__import__('os').mkdir('{PLANTED}')",
    f"open('{PLANTED}', 'w')",
    f"exec(\"open('{PLANTED}','w')\")",
    f"eval(compile(\"open('{PLANTED}','w')\",'','exec'))",
    f"().__class__.__base__.__subclasses__()[0].__init__.__globals__['os'].mkdir('{PLANTED}')",
    f"[__import__('os').mkdir('{PLANTED}') for _ in [1]]",
    f"(lambda: __import__('os').mkdir('{PLANTED}'))()",
    f"Symbol('x').func.__class__('{PLANTED}', (), {{}}) or open('{PLANTED}','w')",
    f"x.__class__.__init__.__globals__['__builtins__']['open']('{PLANTED}','w')",
    f"`touch {PLANTED}`",
    f"$(touch {PLANTED})",
    f"; touch {PLANTED} #",
    rf"\input|\"touch {PLANTED}\"",
    rf"\immediate\write18{{touch {PLANTED}}}",
    rf"\openout1={PLANTED}",
    f"{{{{__import__('os').mkdir('{PLANTED}')}}}}",
    f"%(open('{PLANTED}','w'))s",
    f"!!python/object/apply:os.mkdir ['{PLANTED}']",
    f"cos\nsystem\n(S'touch {PLANTED}'\ntR.",
)
AROUND = (
    "{}", "$ {} $", r"\text{{{}}}", r"\operatorname{{{}}}", r"\mathrm{{{}}}", r"\frac{{{}}}{{2}}", r"\sqrt[{}]{{5}}",
    "5+0*len(str({}))", "x = {}", "({}, 5)", r"\{{{}\}}", "5^{{{}}}", r"\sum_{{k=1}}^{{3}} {}", "f'{{{}}}'",
    r"\begin{{pmatrix}} {} \\ 5 \end{{pmatrix}}", "x_{{{}}}", r"\int_0^1 {} dx", r"\sin({})", "5 {}",
    "<answer>{}</answer>", "The final answer is {}.", r"\boxed{{{}}}",
)  # fmt: skip


@pytest.mark.parametrize("code", CODE)
def test_planted_code_is_not_executed(judge, folder, code):
    """Neither in this process nor, as the references need the oracle, in the bounded one."""
    texts = [around.format(code) for around in AROUND]
    for reference in (r"\frac{1}{1+\sqrt2}", code):
        judge.judge_answers(texts, [reference])
        judge.judge(texts, [reference])
        judge.judge_answers([extract_answer(text, "auto") for text in texts], [reference])
    for text in texts:
        judge.judge_answers([r"\sqrt2-1"], [text])
    for text in texts[:6]:  # no judge would ask the oracle about them
        with contextlib.suppress(BoundReachedError):
            judge.process.call(text, r"\sqrt2-1", *NUMBERS, timeout=1.0)
            judge.process.call(r"\sqrt2-1", text, *NUMBERS, timeout=1.0)
    assert list(folder.iterdir()) == []
    assert list(Path("/").glob(PLANTED)) == []


# memory, over many texts


def judge_all_and_tell_memory():
    """For the test below, in a process of its own: MiB that it grew by, and the peak of the largest one below it."""
    judge = Judge(VerifierConfig(judge_timeout=JUDGE_TIMEOUT, memory_mib=MEMORY_MIB))
    serves(judge)
    before = status_mib("VmHWM")
    for case in [*shared_cases(), *OWN_CASES]:
        text, gold = case.values
        judge.judge_answers([text], [gold])
        judge.judge([f"{text} {text}"], [text])
    serves(judge)
    judge.close()
    print(status_mib("VmHWM") - before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)


def status_mib(field):
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field)]
    return int(line.split()[1]) / 1024


def test_memory_stays_within_bounds_over_all_hostile_texts():
    code = f"import {__name__} as hostile; hostile.judge_all_and_tell_memory()"
    path = os.pathsep.join(map(str, (Path(__file__).parents[3], Path(__file__).parents[4])))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    grown, largest = map(float, done.stdout.split())
    assert grown < GROWTH_MIB and largest < MEMORY_MIB


def test_texts_beyond_all_bounds_are_not_remembered(judge):
    """A text is kept for its form; one that is too long has none, and a thousand of them would take a gigabyte."""
    judge.parsed.clear()
    judge.judge_answers(["7" * 2**20, "5"], ["a" * 2**20, "5"])
    assert list(judge.parsed) == ["5"]


# a short run of the fuzzer's answers: the same every time


def test_made_up_answers_get_verdicts_that_do_not_depend_on_the_order(judge):
    maker = AnswerMaker(0, [text for text in OWN.values() if len(text) < 100])
    for _ in range(80):
        pair = maker.pair()
        verdicts = set()
        for one, other in ((pair.answer, pair.reference), (pair.reference, pair.answer)):
            judge.decided.clear()
            judgement = judge.judge_answers([one], [other])[0].judgement
            if judgement.verdict is Verdict.VERIFIER_ERROR:
                assert judgement.rule == "no reference answer can be parsed", pair
            verdicts.add(judgement.verdict)
            if judgement.verdict is Verdict.TIMED_OUT:
                break
        assert not {Verdict.CORRECT, Verdict.INCORRECT} <= verdicts, pair
    serves(judge)
