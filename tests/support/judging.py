"""The verdict on one bare answer, for tests of the judge."""

from seed_grpo.messages import Verdict

JUDGE_TIMEOUT = 1.0


def verdict(judge, answer, *references):
    """Verdict of the judge on the answer in a box."""
    return judge.judge([rf"So \boxed{{{answer}}}."], references)[0].judgement.verdict


def both_orders(judge, first, second):
    """The verdicts on each of two bare answers with the other as the reference."""
    pairs = ((first, second), (second, first))
    return {judge.judge_answers([one], [other])[0].judgement.verdict for one, other in pairs}


def said(judge, answer, reference):
    """The verdict on a bare answer."""
    return judge.judge_answers([answer], [reference])[0].judgement.verdict


def same(judge, first, second):
    """Tells whether two answers mean the same, which must not depend on their order."""
    one, other = said(judge, first, second), said(judge, second, first)
    assert one is other, f"{first!r}, {second!r}: {one}, in the other order {other}"
    assert one in (Verdict.CORRECT, Verdict.INCORRECT), f"{first!r}, {second!r}: {one}"
    return one is Verdict.CORRECT
