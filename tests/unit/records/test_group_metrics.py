"""The metrics of a step, worked by hand: which are over all groups that were sampled, and which over the trained."""

import math

import numpy as np
import pytest

from seed_grpo.loop.batch import Batch, LostGroup, ReadyGroup
from seed_grpo.loop.ledger import NOT_FINITE, REPLACED, TOO_FEW_VALID
from seed_grpo.messages import GroupSummary, Verdict
from seed_grpo.records.group_metrics import METRICS, group_metrics
from seed_grpo.records.unjudged import STEPS, Unjudged
from support.group_summary import two_answers

R, W, N, T, E = Verdict.CORRECT, Verdict.INCORRECT, Verdict.NO_ANSWER, Verdict.TIMED_OUT, Verdict.VERIFIER_ERROR


def group(
    group_id: int,
    verdicts: tuple[Verdict, ...],
    classes: tuple[int, ...],
    entropy: float,
    lengths: tuple[int, ...],
    versions: tuple[int, int] = (5, 5),
    entropy_max: float = 1.0,
    clipped: bool = False,
    mib: int = 1,
    parts: dict[str, list[float]] | None = None,
    fault: str = "",
) -> ReadyGroup:
    summary: GroupSummary = two_answers(
        group_id,
        verdicts_G=verdicts,
        rewards_G=np.array([verdict is R for verdict in verdicts], np.float32),
        valid_G=np.array([verdict.is_valid for verdict in verdicts]),
        class_ids_G=np.array(classes, np.int32),
        semantic_entropy=entropy,
        entropy_max=entropy_max,
        entropy_clipped=clipped,
        lengths_G=np.array(lengths, np.int32),
        truncated_G=np.array(lengths) >= 10,
        version_min=versions[0],
        version_max=versions[1],
        payload_bytes=mib * 2**20,
        reward_parts_G={name: np.array(part, np.float32) for name, part in (parts or {}).items()},
        fault=fault,
    )
    return ReadyGroup(summary, payload=None)


MIXED = group(
    1, (R, W, T, R), (0, 1, -1, 0), 0.6, (2, 4, 10, 4), versions=(3, 5),
    parts={"correct": [1, 0, math.nan, 1], "brief": [0.5, math.nan, math.nan, 0]},
)  # fmt: skip
FILL = group(2, (W, W, N, W), (0, 0, 0, 0), 0.0, (1, 1, 1, 1), clipped=True, mib=2, parts={"correct": [0] * 4})
REPLACED_GROUP = group(
    0, (R, R, R, R), (0, 0, 0, 0), 0.0, (3, 3, 3, 3), versions=(1, 5), mib=3, parts={"correct": [1] * 4}
)
INVALID = group(
    3, (T, E, N, T), (-1, -1, 0, -1), 0.0, (10, 10, 10, 2), versions=(-1, -1), entropy_max=0.0, mib=4, fault="failed"
)


def batch() -> Batch:
    """A step of four groups, two of them trained. The overlong punishment of the invalid completion does not
    count."""
    return Batch(
        step=6,
        version=5,
        rounds=2,
        groups=[MIXED, FILL],
        dropped=[(REPLACED_GROUP, REPLACED), (INVALID, TOO_FEW_VALID)],
        lost=[LostGroup(4, "p4")],
        scale_P=np.array([0.98, 1.0]),
        overlong_PG=[np.array([0.0, -0.5, -1.0, -0.5]), np.zeros(4)],
        advantages_PG=[np.array([0.3, -0.6, 0.0, 0.3]), np.zeros(4)],
    )


EXPECTED = {
    "sampling_rounds": 2,
    "sampled_completions": 16,
    "informative_share": 1 / 4,  # the first alone; over the trained groups 1/2
    "dropped_groups": 2,
    "lost_groups": 1,  # of which nothing else is known: it counts nowhere else
    "replaced_groups": 1,  # the other had too few valid completions
    # 2 + 0 + 4 + 0 right of 3 + 4 + 4 + 1 valid completions. Over the trained groups alone it would be 2/7, over the
    # groups' means (2/3 + 0 + 1 + 0) / 4.
    "reward": 6 / 12,
    "reward/correct": 6 / 11,  # 2 + 0 + 4 of the 3 + 4 + 4 that have it; the last group's failed
    "reward/brief": 0.25,  # (0.5 + 0.0) / 2, of the one group that has it, without its nan
    "reward_failed_groups": 1,
    "overlong_punishment": -1 / 7,  # -0.5 twice of 7 valid; with the timed-out one -2/8
    "no_gradient_share": 1 / 2,
    "semantic_entropy": 0.2,  # (0.6 + 0 + 0) / 3; the last has nothing to tell apart
    "semantic_entropy_zero_share": 2 / 3,
    "entropy_clipped_groups": 1,
    "classes": (2 + 1 + 1 + 1) / 4,
    "scale_mean": 0.99,
    "scale_min": 0.98,
    "scale_max": 1.0,
    "verdict_correct_share": 6 / 16,
    "verdict_incorrect_share": 4 / 16,
    "verdict_no_answer_share": 2 / 16,
    "verdict_timed_out_share": 3 / 16,
    "verdict_verifier_error_share": 1 / 16,
    "invalid_share": 4 / 16,
    "unjudged_groups_share": 1 / 4,  # the last, three of four; the first has one of four
    "completion_tokens": 20 + 4 + 12 + 32,
    "completion_tokens_mean": 68 / 16,
    "completion_tokens_max": 10,
    "truncated_share": 4 / 16,
    "mixed_version_groups": 2,
    "payload_mib_mean": 2.5,  # (1 + 2 + 3 + 4) / 4
    "staleness_mean": 1.0,  # (5 - 3 + 5 - 5) / 2, of the trained
    "staleness_max": 2,  # 5 - 3 of the trained; the replaced group's 5 - 1 = 4 trains nothing
}


def test_metrics_worked_by_hand() -> None:
    metrics = group_metrics(batch())
    assert set(metrics) == {*METRICS, "reward/correct", "reward/brief"}
    assert metrics == pytest.approx(EXPECTED)


def test_a_step_that_trained_nothing_still_tells_of_the_policy() -> None:
    """All its updates were skipped: what is over the trained groups has nothing to average, the rest stays."""
    skipped = batch().without((0, 1), NOT_FINITE)
    metrics = group_metrics(skipped)
    nothing = {"overlong_punishment", "no_gradient_share", "scale_mean", "scale_min", "scale_max", "staleness_mean"}
    assert {name for name, value in metrics.items() if math.isnan(value)} == nothing
    changed = {"dropped_groups": 4, "staleness_max": 0} | dict.fromkeys(nothing, math.nan)
    assert metrics == pytest.approx(EXPECTED | changed, nan_ok=True)


def test_many_completions_without_a_verdict_name_their_prompts() -> None:
    # 3 + 1 time-outs and faults of 16 completions are 25%; the most are the last group's, of problem p3
    message = Unjudged().step(batch())
    assert message is not None
    assert "step 6: 4 of 16 completions of the last 1 steps (25.0%, over 2%) have no verdict" in message
    assert "3 timed_out, 1 verifier_error; most are of the prompts p3 (3), p1 (1)." in message
    assert "verifier.judge_timeout" in message


def of_fifty(step: int, *others: Verdict) -> Batch:
    verdicts = (R,) * (50 - len(others)) + others
    alone = group(step, verdicts, (0,) * 50, 0.0, (2,) * 50)
    return Batch(step, step - 1, 0, [alone], [], [], np.ones(1), [np.zeros(50)], [np.zeros(50)])


def test_completions_without_a_verdict_are_counted_over_steps() -> None:
    counts = Unjudged()
    assert counts.step(of_fifty(1, T)) is None  # 1 of 50 is the 2% that may be
    message = counts.step(of_fifty(2, T, E))
    assert message is not None and "3 of 100 completions of the last 2 steps (3.0%, over 2%)" in message
    assert [counts.step(of_fifty(step, T, T)) for step in range(3, 2 + STEPS)] == [None] * (STEPS - 1)  # said already
    message = counts.step(of_fifty(2 + STEPS, T, T))
    assert message is not None and f"{2 * STEPS} of {50 * STEPS} completions of the last {STEPS} steps" in message


def test_a_group_without_tokens_has_no_age() -> None:
    alone = Batch(6, 5, 0, [INVALID], [], [], np.ones(1), [np.zeros(4)], [np.zeros(4)])
    metrics = group_metrics(alone)
    assert metrics["staleness_max"] == 0  # 5 - -1 would be 6
    assert math.isnan(metrics["staleness_mean"])
    assert metrics["no_gradient_share"] == 1
