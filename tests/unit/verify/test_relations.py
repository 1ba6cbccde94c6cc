"""The relation `exact`."""

from seed_grpo.config.sections import VerifierConfig
from seed_grpo.verify.judge import Judge
from support.judging import same


def test_the_exact_relation_keeps_spellings_apart():
    judge = Judge(VerifierConfig(relation="exact"))
    assert same(judge, " 0.5 ", "0.5") and same(judge, "a  b", "a b")
    assert not same(judge, "0.5", "1/2")
