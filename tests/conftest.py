"""Fixtures of more than one test file."""

import pytest

from judging import JUDGE_TIMEOUT
from seed_grpo.config import VerifierConfig
from seed_grpo.verify.judge import Judge


@pytest.fixture(scope="module")
def judge():
    """A judge with short limits."""
    judge = Judge(VerifierConfig(judge_timeout=JUDGE_TIMEOUT))
    yield judge
    judge.close()
