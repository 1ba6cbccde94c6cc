"""Equivalence relations over answers: when do two texts mean the same?

A relation makes a parsed form of each text, once. Equal forms mean the same, by hash, which decides most answers. Of
different forms `compare` says yes, no, or that it cannot tell, in process and quickly; what it cannot tell goes to the
relation's oracle, in the bounded process. A further relation is one entry of `RELATIONS`: the relation, or what makes
it of the settings.

Every relation is symmetric and reflexive; where `math` is not transitive, `seed_grpo.verify.math.equivalence` says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from seed_grpo.config.sections import VerifierConfig
from seed_grpo.verify.math.parameters import same_answers
from seed_grpo.verify.math.parse import Parsed, parse_answer, same_text
from seed_grpo.verify.math.reach import check_reach
from seed_grpo.verify.math.values import Rules
from seed_grpo.verify.relations.code import Programs
from seed_grpo.verify.relations.text import METHODS, parse_text


@dataclass(frozen=True)
class Relation:
    """One equivalence relation."""

    parse: Callable[[str], Parsed]
    """function from a text to its form; raises BoundReachedError"""
    compare: Callable[[Parsed, Parsed, Rules], bool | None]
    """function that tells whether two different forms mean the same; None: cannot tell; raises BoundReachedError"""
    oracle: str | None
    """`module:function` of two texts and the rules' numbers, for what `compare` cannot tell; None: it always can"""


def parse_exact(text: str) -> Parsed:
    """The text itself as a form, apart from the amount of white space."""
    written = " ".join(text.split())
    return Parsed("string", written, written)


def never(first: Parsed, second: Parsed, rules: Rules) -> bool | None:
    """Compares two different forms, which are different answers."""
    return False


def compare_math(first: Parsed, second: Parsed, rules: Rules) -> bool | None:
    """Checks whether two different parsed forms mean the same, as far as that is quickly told.

    Raises:
        BoundReachedError: it is not, and one of the two holds a number out of reach.
    """
    nodes = (first.kind, first.value), (second.kind, second.value)
    same = same_text(first, second) or same_answers(*nodes, rules)
    if same is None:
        check_reach(*nodes)
    return same


def code_relation(config: VerifierConfig) -> Relation:
    """The relation by which programs mean the same if they behave alike on `verifier.code_inputs`."""
    programs = Programs(config.code_inputs, config.judge_timeout, config.memory_mib)
    return Relation(programs.parse, never, None)


def text_relation(config: VerifierConfig) -> Relation:
    """The relation by which texts mean the same if the model `verifier.text_model` says so."""
    assert config.text_model is not None  # the configuration says so
    return Relation(parse_text, METHODS[config.text_method](config.text_model, config.text_threshold).compare, None)


RELATIONS: dict[str, Relation | Callable[[VerifierConfig], Relation]] = {
    "math": Relation(parse_answer, compare_math, "seed_grpo.verify.math.symbolic:same"),
    "exact": Relation(parse_exact, never, None),
    "code": code_relation,
    "text": text_relation,
}
"""relations by `verifier.relation`"""


def relation_of(config: VerifierConfig) -> Relation:
    """The relation that a configuration asks for.

    Raises:
        VerifierError: this machine cannot run it.
    """
    relation = RELATIONS[config.relation]
    return relation if isinstance(relation, Relation) else relation(config)
