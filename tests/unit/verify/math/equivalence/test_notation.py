"""Notations of one value, and of two: pairs by the kind of writing, labelled by hand, in `notation_pairs.jsonl`.

A kind begins with its numbers in the issue on strangers' inputs, whose examples stand first; the rest are others of the
kind. Each value is worked out by hand: `why` says how, or what another reading would give.
"""

import json
from collections import defaultdict
from pathlib import Path

import pytest

from seed_grpo.messages import Verdict
from support.judging import verdict

PAIRS: dict[tuple[str, bool], list[tuple[str, str]]] = defaultdict(list)
"""kind and whether the two mean the same, to pairs"""
for line in (Path(__file__).parents[4] / "support/notation_pairs.jsonl").read_text().splitlines():
    row = json.loads(line)
    PAIRS[row["kind"], row["expected"]].append((row["first"], row["second"]))


@pytest.mark.parametrize(("kind", "equal"), PAIRS)
def test_notations_mean_what_their_label_says_in_either_order(judge, kind, equal):
    expected = Verdict.CORRECT if equal else Verdict.INCORRECT
    said = {pair: {verdict(judge, *pair), verdict(judge, *reversed(pair))} for pair in PAIRS[kind, equal]}
    assert {pair: verdicts for pair, verdicts in said.items() if verdicts != {expected}} == {}
