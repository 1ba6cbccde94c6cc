"""The verdict on one bare answer, for tests of the judge."""

JUDGE_TIMEOUT = 1.0


def verdict(judge, answer, *references):
    """What the judge says of the answer in a box."""
    return judge.judge([rf"So \boxed{{{answer}}}."], references)[0].judgement.verdict
