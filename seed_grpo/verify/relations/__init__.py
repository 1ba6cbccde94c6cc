"""Equivalence relations over answers: when do two texts mean the same?

A relation makes a parsed form of each text, once. Equal forms mean the same, by hash, which decides most answers. Of
different forms `compare` says yes, no, or that it cannot tell, in process and quickly; what it cannot tell goes to the
relation's oracle, in the bounded process. A further relation is one entry of `RELATIONS`: the relation, or what makes
it of the settings; or a function of the user's own, see `own_relation`.

Every relation is symmetric and reflexive; where `math` is not transitive, `seed_grpo.verify.math.equivalence` says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from seed_grpo.config.sections import VerifierConfig
from seed_grpo.errors import ConfigError
from seed_grpo.extensions import is_import_path, load, num_positional
from seed_grpo.verify.isolation.bounded import BoundedProcess
from seed_grpo.verify.isolation.bounds import JudgeFaultError, check_length
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
    """`module:function` of two texts, for what `compare` cannot tell; None: it always can"""
    takes_rules: bool = True
    """true if the oracle gets the rules' numbers after the two texts"""
    is_symmetric: bool = True
    """true if the oracle says the same in either order; otherwise it is asked in both orders until it says yes"""
    close: Callable[[], None] = lambda: None
    """function that ends the processes of `parse`"""


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


def cannot_tell(first: Parsed, second: Parsed, rules: Rules) -> bool | None:
    """Compares nothing: the oracle does."""
    return None


def own_relation(config: VerifierConfig) -> Relation:
    """The relation of a user's own function, which runs in the bounded process.

    Of one text, without white space around it, it returns a text that is equal for answers that mean the same. Of two
    texts it returns whether they mean the same, which they do where it says so in either order.

    Raises:
        ConfigError: it cannot be imported, or takes other than one or two texts.
    """
    path = config.relation
    count = num_positional(load(path))
    if count == 2:
        return Relation(parse_exact, cannot_tell, path, takes_rules=False, is_symmetric=False)
    if count != 1:
        raise ConfigError(
            f"verifier.relation={path} takes {count} positional arguments; write a function of one answer that returns "
            "its form as a text, or of two answers that returns whether they mean the same"
        )
    process = BoundedProcess(path, config.memory_mib)

    def parse(text: str) -> Parsed:
        check_length(text)
        form = process.call(text.strip(), timeout=config.judge_timeout)
        if not isinstance(form, str):
            raise JudgeFaultError(f"verifier.relation={path} returned {type(form).__name__}, not a text, as a form")
        return Parsed("form", form, form)

    return Relation(parse, never, None, close=process.close)


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
        ConfigError: a function of the user's own cannot be imported, or takes other than one or two texts.
    """
    if is_import_path(config.relation):
        return own_relation(config)
    relation = RELATIONS[config.relation]
    return relation if isinstance(relation, Relation) else relation(config)
