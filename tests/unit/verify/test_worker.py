"""The verifier worker: from a group to verdicts, rewards, meaning classes and semantic entropy."""

import dataclasses
import os
import random
from pathlib import Path

import numpy as np
import pytest

from seed_grpo.config.sections import SemanticEntropyConfig, VerifierConfig
from seed_grpo.messages import Completion, FinishReason, Group, GroupTask, Problem, Sampling, Verdict
from seed_grpo.verify.relations import RELATIONS
from seed_grpo.verify.worker import VerifierWorker


def group(*texts, reference="132", reasons=None, lengths=None):
    sampling = Sampling(len(texts), 1.0, 1.0, 64, 0)
    task = GroupTask(0, Problem("p", "47+85=", (reference,)), (1,), sampling)
    completions = []
    for index, text in enumerate(texts):
        length = lengths[index] if lengths else 4
        tokens = np.zeros(length, dtype=np.int32)
        reason = reasons[index] if reasons else FinishReason.STOP
        completions.append(Completion(text, tokens, np.full(length, -0.5, dtype=np.float32), tokens, reason))
    return Group(task, tuple(completions), "rollout-0", 1.0)


SURD, SAME_SURD = r"\boxed{\frac{1}{1+\sqrt2}}", r"\boxed{\sqrt2-1}"
"""equal, and only the oracle can tell"""
BEYOND_BOUNDS = r"\boxed{1e1000000}"
"""a text that the parser refuses to read"""


@pytest.fixture
def worker():
    """Makes verifier workers, and closes them."""
    workers = []

    def make(**verifier):
        workers.append(VerifierWorker(VerifierConfig(**verifier), SemanticEntropyConfig()))
        return workers[-1]

    yield make
    for each in workers:
        each.close()


def test_a_group_is_judged_partitioned_and_measured(worker):
    judged = worker().judge_group(group(r"\boxed{132}", r"\boxed{122}", r"\boxed{132.0}", r"\boxed{\frac{132}{1}}"))
    assert judged.rewards_G.tolist() == [1, 0, 1, 1] and judged.rewards_G.dtype == np.float32
    assert judged.class_ids_G.tolist() == [0, 1, 0, 0] and judged.class_ids_G.dtype == np.int32
    assert judged.valid_G.all()
    # equal likelihoods: p = 3/4, 1/4 and Eq. 5 gives -(ln 3/4 + ln 1/4)/2 = 0.836988
    assert judged.semantic_entropy == pytest.approx(0.836988, abs=1e-6)
    assert judged.entropy_max == pytest.approx(np.log(4)) and not judged.entropy_clipped


def test_groups_of_one_call_keep_their_order_behind_the_summaries(worker):
    groups = [group(r"\boxed{132}", r"\boxed{1}"), group(r"\boxed{2}", r"\boxed{3}", r"\boxed{132}")]
    summaries, *judged = worker().judge(*groups)
    assert [summary.rewards_G.tolist() for summary in summaries] == [[1, 0], [0, 0, 1]]
    assert [each.group for each in judged] == groups
    assert [each.rewards_G.tolist() for each in judged] == [[1, 0], [0, 0, 1]]
    # 4 tokens of 4 bytes, in three arrays, a completion; and the text
    assert summaries[0].payload_bytes == 2 * 48 + len(r"\boxed{132}") + len(r"\boxed{1}")


def test_invalid_completions_leave_partition_and_reward(worker):
    reasons = [FinishReason.STOP, FinishReason.TIMEOUT, FinishReason.LENGTH, FinishReason.STOP]
    judged = worker(judge_timeout=1e-6).judge_group(
        group(SURD, r"\boxed{132}", r"\boxed{\sqrt2-1}", r"\boxed{1}", reference=r"\sqrt2-1", reasons=reasons)
    )
    verdicts = [judgement.verdict for judgement in judged.judgements_G]
    assert verdicts == [Verdict.TIMED_OUT, Verdict.TIMED_OUT, Verdict.CORRECT, Verdict.INCORRECT]
    assert judged.judgements_G[1].rule == "request_timeout"
    assert judged.valid_G.tolist() == [False, False, True, True]
    assert judged.rewards_G.tolist() == [0, 0, 1, 0]
    assert judged.class_ids_G.tolist() == [-1, -1, 0, 1]
    assert judged.entropy_max == pytest.approx(np.log(2))  # of the two inside; log 4 would count the invalid ones


def test_answers_out_of_proportion_are_wrong_and_one_class(worker):
    """Apart they would be six classes of six: the most entropy that there is, and the smallest scale."""
    beyond = [BEYOND_BOUNDS, r"\boxed{" + "7" * 5000 + "}", r"\boxed{" + "(" * 50 + "}", r"\boxed{9!^{9!^{9!}}}"]
    judged = worker().judge_group(group(*beyond, r"\boxed{132}", "none"))
    assert [judgement.verdict for judgement in judged.judgements_G[:4]] == [Verdict.INCORRECT] * 4
    rules = [judgement.rule for judgement in judged.judgements_G]
    assert rules[0] == "out of proportion to the reference: an exponent of ten is over 1500"
    assert rules[1] == "out of proportion to the reference: an answer of 5000 characters is longer than 4000"
    assert judged.valid_G.all() and judged.rewards_G.tolist() == [0, 0, 0, 0, 1, 0]
    # the last of the four was read, and has a form of its own
    assert judged.class_ids_G.tolist() == [0, 0, 0, 1, 2, 3]


def test_a_reference_beyond_the_bounds_judges_nothing(worker):
    judged = worker().judge_group(group(BEYOND_BOUNDS, r"\boxed{132}", reference="7" * 5000))
    assert [judgement.verdict for judgement in judged.judgements_G] == [Verdict.TIMED_OUT] * 2
    assert not judged.valid_G.any()


@pytest.mark.parametrize(
    ("no_answer", "classes"),
    [("one_class", [0, 1, 0, 2]), ("one_each", [0, 1, 2, 3]), ("none", [-1, 0, -1, 1])],
)
def test_no_answer(worker, no_answer, classes):
    judged = worker(no_answer=no_answer).judge_group(group("cut", r"\boxed{132}", "off", r"\boxed{no answer}"))
    assert judged.class_ids_G.tolist() == classes
    assert judged.valid_G.all() and judged.rewards_G.tolist() == [0, 1, 0, 0]


def test_empty_completions_have_finite_entropy(worker):
    judged = worker().judge_group(group("", r"\boxed{132}", "", lengths=[0, 4, 0]))
    assert np.isfinite(judged.semantic_entropy) and judged.summary.num_classes == 2


def test_classes_do_not_depend_on_the_order_of_the_completions(worker):
    texts = [rf"\boxed{{{answer}}}" for answer in (r"28\%", "28", "0.28", "7", r"\sqrt{49}", "(1,2)")] + ["none"]
    verifier = worker()
    expected = {frozenset(texts[:3]), frozenset(texts[3:5]), frozenset(texts[5:6]), frozenset(texts[6:])}
    shuffle = random.Random(0).sample
    for _ in range(10):
        permuted = shuffle(texts, len(texts))
        classes = verifier.judge_group(group(*permuted)).class_ids_G
        pairs = list(zip(permuted, classes, strict=True))
        assert {frozenset(text for text, each in pairs if each == name) for name in classes} == expected


def test_a_group_out_of_time_is_timed_out(worker):
    verifier = worker(group_timeout=1e-9)
    judged = verifier.judge_group(group(SURD, r"\boxed{3}", reference="3"))
    assert [judgement.verdict for judgement in judged.judgements_G] == [Verdict.TIMED_OUT, Verdict.TIMED_OUT]
    assert judged.class_ids_G.tolist() == [-1, -1]


def test_a_fault_of_ours_in_a_comparison_keeps_two_classes_and_the_run(worker, monkeypatch):
    def breaks(first, second, rules):
        if {first.text, second.text} == {"7", "8"}:  # of two completions, not of one and the reference
            raise TypeError("own fault")
        return False

    monkeypatch.setitem(RELATIONS, "math", dataclasses.replace(RELATIONS["math"], compare=breaks))
    judged = worker().judge_group(group(r"\boxed{132}", r"\boxed{7}", r"\boxed{8}", r"\boxed{7}"))
    assert judged.rewards_G.tolist() == [1, 0, 0, 0] and judged.valid_G.all()
    assert judged.class_ids_G.tolist() == [0, 1, 2, 1]


def test_an_answer_whose_comparison_timed_out_leaves_the_partition(worker):
    verifier = worker(judge_timeout=1e-6)
    judged = verifier.judge_group(group(SURD, SAME_SURD, reference=r"\sqrt2-1"))
    assert [judgement.verdict for judgement in judged.judgements_G] == [Verdict.TIMED_OUT, Verdict.CORRECT]
    assert judged.class_ids_G.tolist() == [-1, 0]  # it has a parsed form, and is outside the partition all the same


def test_the_oracle_merges_what_forms_leave_apart(worker):
    """Also of answers that are wrong: their classes count in the entropy as much as the right ones'."""
    verifier = worker(judge_timeout=10.0)
    judged = verifier.judge_group(group(SURD, r"\boxed{7}", SAME_SURD, r"\boxed{\sqrt2+1}", reference="132"))
    assert judged.class_ids_G.tolist() == [0, 1, 0, 2] and judged.rewards_G.tolist() == [0, 0, 0, 0]
    judged = verifier.judge_group(group(SURD, r"\boxed{7}", SAME_SURD, reference=r"\sqrt2-1"))
    assert judged.class_ids_G.tolist() == [0, 1, 0] and judged.rewards_G.tolist() == [1, 0, 1]


def test_what_cannot_be_compared_in_time_keeps_two_classes(worker):
    """Against the reference both are told apart by their kinds; between the two the oracle would have to be asked."""
    verifier = worker(judge_timeout=1e-6)
    judged = verifier.judge_group(group(SURD, SAME_SURD, r"\boxed{7}", reference=r"\text{Tuesday}"))
    assert [judgement.verdict for judgement in judged.judgements_G] == [Verdict.INCORRECT] * 3
    assert judged.class_ids_G.tolist() == [0, 1, 2]  # had the oracle been waited for, the first two would be one


def test_a_worker_serves_on_after_bounds_and_faults(worker, monkeypatch):
    def breaks(first, second, rules):
        raise TypeError("own fault")

    verifier = worker(judge_timeout=10.0)
    with monkeypatch.context() as broken:
        broken.setitem(RELATIONS, "math", dataclasses.replace(RELATIONS["math"], compare=breaks))
        judged = worker().judge_group(group(r"\boxed{7}", BEYOND_BOUNDS, r"\boxed{132}"))
    verdicts = [judgement.verdict for judgement in judged.judgements_G]
    assert verdicts == [Verdict.VERIFIER_ERROR, Verdict.INCORRECT, Verdict.CORRECT]
    assert judged.valid_G.tolist() == [False, True, True] and judged.rewards_G.tolist() == [0, 0, 1]
    judged = verifier.judge_group(group(r"\boxed{\frac{264}{2}}", SURD))
    assert judged.rewards_G.tolist() == [1, 0] and judged.valid_G.all()


def test_a_closed_worker_leaves_no_process():
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = set(children.read_text().split())
    verifier = VerifierWorker(VerifierConfig(), SemanticEntropyConfig())
    assert len(set(children.read_text().split()) - before) == 1  # it comes up before the first group does
    verifier.close()
    assert set(children.read_text().split()) <= before
