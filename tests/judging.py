"""The verdict on one bare answer, for tests of the judge."""

JUDGE_TIMEOUT = 1.0


def verdict(judge, answer, *references):
    """What the judge says of the answer in a box."""
    return judge.judge([rf"So \boxed{{{answer}}}."], references)[0].judgement.verdict


def both_orders(judge, first, second):
    """The verdicts on each of two bare answers with the other as the reference."""
    pairs = ((first, second), (second, first))
    return {judge.judge_answers([one], [other])[0].judgement.verdict for one, other in pairs}
