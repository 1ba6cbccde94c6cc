"""The console, and the evaluation results that it shows, with numbers worked by hand."""

from __future__ import annotations

import io
import json
import math
import re
import time
from pathlib import Path

import numpy as np
import pytest

from seed_grpo.commands.console import Console, Report, format_duration, stage_seconds
from seed_grpo.evaluate.metrics.intervals import EvaluationResult, summarize, wilson_interval
from seed_grpo.messages import GroupSummary, Verdict
from seed_grpo.records.files import JsonLines

R, W, N, T, E = Verdict.CORRECT, Verdict.INCORRECT, Verdict.NO_ANSWER, Verdict.TIMED_OUT, Verdict.VERIFIER_ERROR


def summary(
    verdicts: tuple[Verdict, ...],
    classes: tuple[int, ...] = (),
    entropy: float = 0.0,
    entropy_max: float = 1.0,
    lengths: tuple[int, ...] = (),
    versions: tuple[int, int] = (3, 3),
    clipped: bool = False,
) -> GroupSummary:
    count = len(verdicts)
    return GroupSummary(
        group_id=0,
        problem_id="p",
        verdicts_G=verdicts,
        rewards_G=np.array([verdict is R for verdict in verdicts], np.float32),
        valid_G=np.array([verdict.is_valid for verdict in verdicts]),
        class_ids_G=np.array(classes or [0] * count, np.int32),
        semantic_entropy=entropy,
        entropy_max=entropy_max,
        entropy_clipped=clipped,
        lengths_G=np.array(lengths or [1] * count, np.int32),
        truncated_G=np.array(lengths or [1] * count) >= 10,
        version_min=versions[0],
        version_max=versions[1],
        rollout_seconds=1.0,
        verify_seconds=1.0,
        payload_bytes=100,
    )


def test_summarize() -> None:
    # The timed-out one is not among the trials: 2 of 4, not 2 of 5.
    greedy = [summary((verdict,)) for verdict in (R, R, W, N, T)]
    # The third has no two answers in its partition: its 0 says nothing. Mean (0.2 + 0.6) / 2 = 0.4, not 0.8 / 3.
    sampled = [summary((R, W), entropy=0.2), summary((R, W), entropy=0.6), summary((N, N), entropy_max=0.0)]
    result = summarize(greedy, sampled)
    assert (result.accuracy, result.num_problems) == (0.5, 4)
    assert (result.accuracy_low, result.accuracy_high) == wilson_interval(2, 4)[1:]
    assert (result.semantic_entropy, result.num_entropy_problems) == (pytest.approx(0.4), 2)
    assert (result.verdict_correct, result.verdict_incorrect, result.verdict_no_answer) == (2, 1, 1)
    assert (result.verdict_timed_out, result.verdict_verifier_error) == (1, 0)


def test_a_greedy_group_has_one_completion() -> None:
    with pytest.raises(ValueError, match="p has 2 greedy completions"):
        summarize([summary((R, R))], [])


def test_a_result_comes_back_from_its_record(tmp_path: Path) -> None:
    result = summarize([summary((R,)), summary((W,))], [])  # no entropy was measured: nan, which JSON does not have
    records = JsonLines(tmp_path / "evaluations.jsonl")
    records.append(0, result.as_metrics())
    record = json.loads(records.path.read_text())
    del record["step"]
    back = EvaluationResult.from_metrics(record)
    assert math.isnan(back.semantic_entropy)
    np.testing.assert_equal(back.as_metrics(), result.as_metrics())


STEP = {"reward": 0.5, "semantic_entropy": 0.25, "scale_mean": 0.99, "completion_tokens": 3000.0}


class FakeClock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_log_gets_a_line_every_few_seconds_and_the_last_step() -> None:
    out, clock = io.StringIO(), FakeClock()
    with Console(10, out, clock, log_interval=2.5) as console:
        console.begin_steps()
        for step in range(1, 11):
            clock.now += 1.0
            console.step(step, STEP, {"total": 1.0})
    lines = out.getvalue().splitlines()
    # the first line at 1 s, then every third second; step 10 falls due, and would come in any case
    assert [int(re.findall(r"step +(\d+)/10", line)[0]) for line in lines] == [1, 4, 7, 10]
    assert lines[0] == ("step  1/10  reward 0.500  semantic entropy 0.250  scale 0.9900  3,000 tokens/s  9 s left")
    assert lines[-1].endswith("done")


def test_the_last_step_is_shown_even_right_after_another() -> None:
    out, clock = io.StringIO(), FakeClock()
    with Console(2, out, clock) as console:
        for step in (1, 2):
            console.step(step, STEP, {"total": 0.0})
    assert [line[:8] for line in out.getvalue().splitlines()] == ["step 1/2", "step 2/2"]


def test_messages_are_printed_as_they_are() -> None:
    out = io.StringIO()
    message = "worker [bold]rollout-1[/bold] died: " + "x" * 200
    Console(1, out).log(message)
    assert out.getvalue() == message + "\n"  # neither taken as markup nor broken into lines


def test_waiting_says_what_for() -> None:
    out = io.StringIO()
    console = Console(1, out)
    with console.waiting("Ray to start", every=0.02):
        deadline = time.monotonic() + 5
        while not out.getvalue() and time.monotonic() < deadline:
            time.sleep(0.005)
    said = out.getvalue()
    assert said.startswith("waiting for Ray to start, 0 s\n")
    time.sleep(0.06)
    assert out.getvalue() == said


def test_the_final_table() -> None:
    before = summarize([summary((R,))] * 2 + [summary((W,))] * 8, [summary((R, W), entropy=0.5)] * 4)
    after = summarize([summary((R,))] * 8 + [summary((W,))] * 2, [])
    seconds = {"rollout": 20.0, "train": 15.0, "train/forward": 9.0, "weight_sync": 5.0, "total": 50.0}
    out = io.StringIO()
    Console(3, out).report(Report(before, after, 3, 600, 9000.0, 50.0, seconds, Path("runs/quickstart")))
    text = out.getvalue()
    rows = {line.strip()[:16].strip(): line for line in text.splitlines()}
    assert "20.0% [5.7%, 51.0%]" in text and "80.0% [49.0%, 94.3%]" in text
    assert "0.500 [0.500, 0.500]" in rows["mean semantic en"] and rows["mean semantic en"].strip().endswith("-")
    assert "12.0" in rows["samples/s"] and "180" in rows["completion token"]
    shares = re.findall(r"(rollout|train|weight sync|other) +([\d.]+%)", text)
    assert shares == [("rollout", "40.0%"), ("train", "30.0%"), ("other", "20.0%"), ("weight sync", "10.0%")]
    assert text.endswith("run directory: runs/quickstart\n") and max(map(len, text.splitlines())) <= 110


def test_a_run_without_steps_has_a_table_too() -> None:
    out = io.StringIO()
    Console(3, out).report(Report(None, None, 0, 0, 0.0, 0.0, {"total": 0.0}, Path("runs/x")))
    assert "greedy accuracy" in out.getvalue()


def test_parts_of_a_stage_are_not_counted_twice() -> None:
    # 4 = 3 - 0 of train and 1 of other; with the part it would be 5
    assert stage_seconds({"train": 3.0, "train/forward": 2.0, "total": 4.0}) == {"train": 3.0, "other": 1.0}


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_format_duration(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
