"""Every equivalence relation: it can be configured, and keeps the contract of relations over what people write."""

from typing import Any

import pytest

from seed_grpo.config.sections import VerifierConfig
from seed_grpo.testing import check_relation
from seed_grpo.verify.relations import RELATIONS
from support.answer_pairs import PAIRS
from support.relation_settings import settings_of

SPELLINGS = [text for equal, unequal in PAIRS.values() for pair in (*equal[:2], *unequal[:2]) for text in pair]
TEXTS = {
    "code": ["print(1)", "print( 2 - 1 )", "print(2)", "print(1)\n1/0", "1/0", "not a program"],
    "own_relation:atoms": ["CH3COOH", "H2O", "Ca(OH)2", "CaO2H2", "Al2(SO4)3", "(", "2)", "no formula"],
}
EQUAL = {
    "math": [("1/2", "0.5"), ("x>1", "1<x")],
    "exact": [("a  b", "a b")],
    "code": [("print(1)", "print( 2 - 1 )")],
    "own_relation:atoms": [("CH3COOH", "C2H4O2"), ("HO2C-CH3", "C2H4O2")],
}
UNEQUAL = {
    "math": [("1/2", "1/3")],
    "exact": [("1/2", "0.5")],
    "code": [("print(1)", "print(2)"), ("print(1)", "1/0")],
    "own_relation:atoms": [("H2O", "H2O2")],
}


def test_every_relation_can_be_configured() -> None:
    assert set(VerifierConfig.model_fields["relation"].metadata[0].names) == set(RELATIONS)


@pytest.mark.parametrize("name", [*RELATIONS, "own_relation:atoms"])
def test_relations_keep_the_contract(name: str, tmp_path: Any, examples: Any) -> None:
    check_relation(
        name,
        settings_of(name, tmp_path),
        equal=EQUAL.get(name, ()),
        unequal=UNEQUAL.get(name, ()),
        texts=TEXTS.get(name, SPELLINGS),
    )
