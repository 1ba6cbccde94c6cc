"""The contract of an equivalence relation: reflexive, symmetric, bounded, and with a verdict on whatever is written."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from seed_grpo.config.sections import VerifierConfig
from seed_grpo.errors import SeedGrpoError
from seed_grpo.messages import Judgement, Verdict
from seed_grpo.testing.parts import Part, importable_elsewhere, name_of, path_of
from seed_grpo.verify.isolation.bounds import BoundReachedError, JudgeFaultError
from seed_grpo.verify.judge import Judge
from seed_grpo.verify.math.parse import Parsed
from seed_grpo.verify.math.values import Rules
from seed_grpo.verify.relations import Relation, relation_of

ANYTHING = ("?", "no answer", "(", "}{", "\\frac{", "a\nb", "\u00bd", "\ud800", "0" * 50)
"""answers that a policy may write where another was asked for"""
Pair = tuple[str, str]


def check_relation(
    relation: Part,
    settings: Mapping[str, Any] | None = None,
    *,
    equal: Sequence[Pair] = (),
    unequal: Sequence[Pair] = (),
    texts: Sequence[str] = (),
) -> None:
    """Checks a relation over answers as a run uses it: with its form, its comparison and its bounded process.

    Every text has one form, whatever white space is around it, and means what it means itself. Any two texts compare
    alike in either order. Of pairs, and of texts that stand beside each other, the judge gives the same verdict in
    either order, within `judge_timeout`.

    Args:
        relation: function of one answer, or of two; its import path; or a built-in name. A function must be at the top
            level of a module, as it runs in a process of its own.
        settings: further ones of `verifier`, such as `judge_timeout`.
        equal: pairs of answers that mean the same.
        unequal: pairs that do not.
        texts: further answers; `ANYTHING` are always among them.

    Raises:
        AssertionError: names two answers and what the relation made of them.
    """
    name = name_of(relation)
    config = VerifierConfig.model_validate({**(settings or {}), "relation": path_of(relation)})
    with importable_elsewhere():
        try:
            judge, own = Judge(config), relation_of(config)
        except SeedGrpoError as error:
            raise AssertionError(f"the relation {name} cannot be used: {error}") from error
        try:
            all_texts = [*itertools.chain(*equal, *unequal), *texts, *ANYTHING]
            _check_forms(name, own, all_texts, config)
            _check_verdicts(name, judge, all_texts, equal, unequal)
        finally:
            judge.close()
            own.close()


def _check_forms(name: str, relation: Relation, texts: Sequence[str], config: VerifierConfig) -> None:
    forms = [_form(name, relation, text) for text in texts]
    for text, form in zip(texts, forms, strict=True):
        again = _form(name, relation, f" {text} ")
        assert form == again and hash(form) == hash(again), (
            f"the relation {name} gives {text!r} the form {_shown(form)}, and {_shown(again)} when it is asked again, "
            "with a space around; let the form depend on the answer alone"
        )
    rules = Rules(config.decimal_digits, config.relative_tolerance)
    for first, second in itertools.combinations(filter(None, forms), 2):
        if first != second:
            one, other = relation.compare(first, second, rules), relation.compare(second, first, rules)
            assert one is other, (
                f"the relation {name} compares {first.shown!r} with {second.shown!r}: {one}, and the other way round: "
                f"{other}; let the order not matter"
            )


def _form(name: str, relation: Relation, text: str) -> Parsed | None:
    """The form of a text; None where a bound does not let it be read."""
    try:
        return relation.parse(text)
    except BoundReachedError:
        return None
    except JudgeFaultError as error:
        raise AssertionError(
            f"the relation {name} failed on {text!r:.100}: {error}; it gets whatever a policy writes, so return the "
            "text itself where it is no answer"
        ) from error


def _check_verdicts(
    name: str, judge: Judge, texts: Sequence[str], equal: Sequence[Pair], unequal: Sequence[Pair]
) -> None:
    for text in texts:
        said = _judged(name, judge, text, text)
        assert said.verdict is Verdict.CORRECT, (
            f"the relation {name} says {said.verdict} of {text!r} against itself ({said.rule}); an answer means "
            "what it means"
        )
    for first, second in [*equal, *unequal, *itertools.pairwise(texts)]:
        one, other = _judged(name, judge, first, second), _judged(name, judge, second, first)
        assert one.verdict is other.verdict, (
            f"the relation {name} says {one.verdict} of {first!r} against {second!r} ({one.rule}), and {other.verdict} "
            f"the other way round ({other.rule}); let the order not matter"
        )
    for pairs, expected in ((equal, Verdict.CORRECT), (unequal, Verdict.INCORRECT)):
        for first, second in pairs:
            said = _judged(name, judge, first, second)
            assert said.verdict is expected, (
                f"the relation {name} says {said.verdict} of {first!r} against {second!r} ({said.rule}; read as "
                f"{said.parsed!r}), and {expected} is right"
            )


def _judged(name: str, judge: Judge, answer: str, reference: str) -> Judgement:
    judgement = judge.judge_answers([answer], [reference])[0].judgement
    assert judgement.verdict.is_valid, (
        f"the relation {name} has no verdict on {answer!r:.100} against {reference!r:.100}: {judgement.verdict}, "
        f"{judgement.rule}"
    )
    return judgement


def _shown(form: Parsed | None) -> str:
    return "None (a bound was reached)" if form is None else repr(form.shown)
