"""Fixtures of tests of the judge and of own code, wherever they stand."""

import os
from pathlib import Path

import pytest

from seed_grpo.config.sections import VerifierConfig
from seed_grpo.extensions import install
from seed_grpo.rollout.vllm.strict_products import strict_products
from seed_grpo.verify.judge import Judge
from support.judging import JUDGE_TIMEOUT

# Engines that a test starts are forked from its process, with its threads and its products. Tensors are tiny here: a
# second thread would only wait for the first.
os.environ |= {"OMP_NUM_THREADS": "1", **strict_products()}


@pytest.fixture(scope="module")
def judge():
    """A judge with short limits."""
    judge = Judge(VerifierConfig(judge_timeout=JUDGE_TIMEOUT))
    yield judge
    judge.close()


@pytest.fixture(scope="module")
def examples():
    """Makes the functions of jobs/examples importable."""
    yield install(sorted((Path(__file__).parents[1] / "jobs/examples").glob("*.py")))
    install([])
