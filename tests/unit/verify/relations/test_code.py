"""The relation `code`: programs are the same by what they do; bounds, settings. See `test_sandbox` too."""

import os
import subprocess
import sys

import pytest

from seed_grpo.config.loading import parse_config
from seed_grpo.config.sections import VerifierConfig
from seed_grpo.errors import ConfigError, VerifierError
from seed_grpo.messages import Verdict
from seed_grpo.semantics.partition import partition
from seed_grpo.verify.isolation.sandbox import Behaviour
from seed_grpo.verify.isolation.sandbox_main import OUTPUT_BYTES
from seed_grpo.verify.judge import Judge
from seed_grpo.verify.relations import code
from support.sandboxes import LONG, LOOP, MEMORY_MIB, needs_sandbox

SUM = "print('it', sum(range(int(input()) + 1)), sep='\\n')"
FORMULA = "n = int(input())\nprint(f'it \\n{n * (n + 1) // 2} \\n')"
SQUARE = "n = int(input())\nprint('it', n * n, sep='\\n')"
SUM_AND_FAIL = SUM + "\nraise SystemExit(1)"


@needs_sandbox
def test_programs_that_behave_alike_mean_the_same():
    judge = Judge(VerifierConfig(relation="code", code_inputs=("1", "10"), judge_timeout=LONG, memory_mib=MEMORY_MIB))
    programs = [SUM, SQUARE, FORMULA, SUM_AND_FAIL, "syntax error", f"    {SQUARE}".replace("\n", "\n    "), None]
    judged = judge.judge_answers(programs, [SUM])
    correct, wrong = Verdict.CORRECT, Verdict.INCORRECT
    verdicts = [each.judgement.verdict for each in judged]
    # on the input 1 alone the square would be right, by what is printed alone the one that fails
    assert verdicts == [correct, wrong, correct, wrong, wrong, wrong, Verdict.NO_ANSWER]
    assert partition([each.form for each in judged], judge.same).tolist() == [0, 1, 0, 2, 3, 1, -1]
    assert judged[0].judgement.parsed.startswith(r"behaviour (('success', 'it\n1', ")
    judge.close()


@needs_sandbox
def test_a_program_out_of_time_is_timed_out_and_one_out_of_size_wrong():
    judge = Judge(VerifierConfig(relation="code", code_inputs=("1",), judge_timeout=2.0, memory_mib=MEMORY_MIB))
    judged = judge.judge_answers([LOOP, SUM, "while True: print(1)", "#" * 20_001], [SUM])
    assert [each.judgement.verdict for each in judged] == [
        Verdict.TIMED_OUT, Verdict.CORRECT, Verdict.INCORRECT, Verdict.INCORRECT
    ]  # fmt: skip
    rules = [each.judgement.rule for each in judged]
    assert "over 2 s; raise verifier.judge_timeout" in rules[0] and f"over {OUTPUT_BYTES} bytes" in rules[2]
    assert "20001 characters" in rules[3]
    assert [each.form is None for each in judged] == [True, False, True, True]
    assert judge.judge_answers([SUM], [LOOP])[0].judgement.verdict is Verdict.TIMED_OUT  # nor does it make one wrong
    judge.close()


def test_each_program_is_run_once_on_each_input(monkeypatch):
    runs = []

    def record(program, text, seconds, memory_mib):
        runs.append((program, text))
        return Behaviour("trial\n" if text == "trial" else f"{len(program)}\n", True)

    monkeypatch.setattr(code, "run_program", record)
    judge = Judge(VerifierConfig(relation="code", code_inputs=("1", "2")))
    for _ in range(2):
        judged = judge.judge_answers(["a", "b", "ccc"] * 5, ["a"])
        assert partition([each.form for each in judged], judge.same).tolist() == [0, 0, 1] * 5
    assert runs[1:] == [(program, text) for program in ("a", "b", "ccc") for text in ("1", "2")]


@needs_sandbox
def test_a_long_output_counts_to_its_end():
    programs = code.Programs(("",), LONG, MEMORY_MIB)
    long, longer = (programs.parse(f"print('a' * 1000 + '{end}')") for end in "bc")
    assert long != longer and len(str(long.value)) < 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a privilege to lose")
def test_without_a_sandbox_nothing_is_run():
    script = (
        "import ctypes, sys\n"
        "assert ctypes.CDLL(None).prctl(24, 21, 0, 0, 0) == 0\n"  # programs started from here lack CAP_SYS_ADMIN
        "from seed_grpo.config.sections import VerifierConfig\n"
        "from seed_grpo.errors import VerifierError\n"
        "from seed_grpo.verify.judge import Judge\n"
        "try:\n"
        "    Judge(VerifierConfig(relation='code', code_inputs=('',)))\n"
        "except VerifierError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert "needs a sandbox" in done.stdout and "unshare" in done.stdout and "not permitted" in done.stdout


@needs_sandbox
def test_too_little_memory_for_the_interpreter_is_an_error_of_the_start():
    with pytest.raises(VerifierError, match=r"raise verifier\.memory_mib=1"):
        code.Programs(("",), LONG, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"relation": "code"}, "relation=code needs code_inputs"),
        ({"code_inputs": ("1",)}, "relation=math does not use code_inputs"),
    ],
)
def test_inputs_and_the_relation_go_together(settings, message):
    with pytest.raises(ValueError, match=message):
        VerifierConfig(**settings)


def test_intermediate_results_are_no_programs():
    tree = {
        "run": {"directory": "x", "steps": 1}, "model": {"path": "m"}, "data": {"source": "arithmetic"},
        "verifier": {"relation": "code", "code_inputs": [""]}, "algo": {"semantic_entropy": {"granularity": "step"}},
    }  # fmt: skip
    with pytest.raises(ConfigError, match="set granularity=answer"):
        parse_config(tree, "a test")
