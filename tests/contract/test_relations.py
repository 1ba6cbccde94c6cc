"""Every equivalence relation: it can be configured, is reflexive and symmetric, and equal forms have equal hashes."""

import itertools

import pytest

from seed_grpo.config.sections import VerifierConfig
from seed_grpo.messages import Verdict
from seed_grpo.verify.judge import Judge
from seed_grpo.verify.math.values import Rules
from seed_grpo.verify.relations import RELATIONS, relation_of
from support.answer_pairs import PAIRS
from support.judging import said, same
from support.relation_settings import settings_of

SPELLINGS = [text for equal, unequal in PAIRS.values() for pair in (*equal[:2], *unequal[:2]) for text in pair]
FORMULAS = ["CH3COOH", "C2H4O2", "HO2C-CH3", "H2O", "Ca(OH)2", "CaO2H2", "Al2(SO4)3", "(", "2)", "no formula"]
PROGRAMS = ["print(1)", "print( 2 - 1 )", "print(2)", "print(1)\n1/0", "1/0", "not a program"]


def test_every_relation_can_be_configured():
    assert set(VerifierConfig.model_fields["relation"].metadata[0].names) == set(RELATIONS)


@pytest.mark.parametrize("name", [*RELATIONS, "own_relation:atoms"])
def test_relations_keep_the_contract(name, tmp_path, examples):
    config = VerifierConfig(relation=name, **settings_of(name, tmp_path))
    rules = Rules(config.decimal_digits, config.relative_tolerance)
    judge = Judge(config)
    relation, texts = relation_of(config), {"code": PROGRAMS, "own_relation:atoms": FORMULAS}.get(name, SPELLINGS)
    try:
        forms = [relation.parse(text) for text in texts]
        for text, form in zip(texts, forms, strict=True):
            again = relation.parse(f" {text} ")
            assert form == again and hash(form) == hash(again)
            assert said(judge, text, text) is Verdict.CORRECT
        equal = 0
        for first, second in itertools.combinations(forms, 2):
            if first == second:
                equal += 1
                assert hash(first) == hash(second)
            else:
                assert relation.compare(first, second, rules) is relation.compare(second, first, rules)
        assert equal > 0  # the hashes of some were looked at
        for first, second in itertools.islice(zip(texts[::2], texts[1::2], strict=True), 0, None, 3):
            same(judge, first, second)
    finally:
        judge.close()
