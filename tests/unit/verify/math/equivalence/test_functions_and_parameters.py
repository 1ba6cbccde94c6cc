"""Answers with functions, parameters, powers, equations and series: pairs labelled by their mathematics."""

import time

import pytest

from support import function_pairs, statement_pairs
from support.judging import same

KINDS = function_pairs.KINDS | statement_pairs.KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_that_mean_the_same_are_found(judge, kind):
    assert [pair for pair in KINDS[kind][0] if not same(judge, *pair)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_that_differ_are_told_apart(judge, kind):
    assert [pair for pair in KINDS[kind][1] if same(judge, *pair)] == []


def test_laws_of_powers_are_no_time_out(judge):
    """a^b a^c by exact forms and at points, without rational powers of rationals, which take seconds."""
    same(judge, "a^b", "a^c")  # the bounded process is up
    started = time.monotonic()
    assert same(judge, "a^b a^c", "a^{b+c}") and same(judge, "(a^b)^c", "a^{bc}")
    assert time.monotonic() - started < 1.0
