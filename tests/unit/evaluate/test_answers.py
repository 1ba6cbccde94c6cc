"""The judge as a library, as its examples and `seed-grpo judge` use it."""

from seed_grpo.cli import main
from seed_grpo.config.sections import VerifierConfig
from seed_grpo.evaluate.answers import judge, partition
from seed_grpo.messages import Verdict


def test_answers_are_judged_and_put_into_classes() -> None:
    assert judge(r"\frac{1}{2}", "0.5") is Verdict.CORRECT
    assert partition(["1/2", "0.5", "2"]).tolist() == [0, 0, 1]


def test_each_configuration_has_a_judge_of_its_own() -> None:
    exact = VerifierConfig(relation="exact")
    assert judge("1/2", "0.5", exact) is Verdict.INCORRECT
    assert judge("1/2", "0.5") is Verdict.CORRECT


def test_the_command_prints_the_verdict_and_both_answers(capsys) -> None:
    assert main(["judge", r"\frac12", "0.5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["verdict", "correct"]
    assert [line.split()[0] for line in lines] == ["verdict", "prediction", "reference", "decided"]
