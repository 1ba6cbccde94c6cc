"""Fixtures of tests of the judge, wherever they stand."""

import pytest

from seed_grpo.config.sections import VerifierConfig
from seed_grpo.verify.judge import Judge
from support.judging import JUDGE_TIMEOUT


@pytest.fixture(scope="module")
def judge():
    """A judge with short limits."""
    judge = Judge(VerifierConfig(judge_timeout=JUDGE_TIMEOUT))
    yield judge
    judge.close()
