"""Part of the judge's benchmark: how fast it verifies and partitions, beside Math-Verify, and how rightly meanwhile.

Consumes `grader_workload.jsonl.gz` and `grader_workload_real.jsonl`; prints rates, percentiles and ratios, every group
in which a right answer shares a class with a wrong one or right answers are in several classes, every wrong verdict,
and the disagreements with another grader on answers of a real model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.judge_runs import IN_FLIGHT, Run, Timed, in_process, math_verify, pool, pool_throughput
from benchmarks.tables import heading, progress, records, share, show, show_list
from seed_grpo.config.sections import VerifierConfig
from seed_grpo.messages import Verdict
from seed_grpo.verify.judge import Judge

MATH_VERIFY_GROUPS = 100
"""groups of the workload, evenly spread, that Math-Verify is timed on"""


def speed(data: Path) -> None:
    """The workload in three ways, then the answers of a real model."""
    heading("Speed: grader_workload.jsonl.gz")
    rows = records(data / "grader_workload.jsonl.gz")
    ours = [pool(rows), in_process(rows)]
    sample = [rows[index] for index in np.linspace(0, len(rows) - 1, min(MATH_VERIFY_GROUPS, len(rows)), dtype=int)]
    theirs = math_verify(sample)
    ids = {row["id"] for row in sample}
    matched = [*(run.only(ids) for run in ours), theirs]
    _show_rates(f"Ours on all {len(rows)} groups, one core", ours)
    _show_rates(f"On the same {len(sample)} groups, evenly spread, one core each", matched)
    _show_ratios(matched)
    everything, busy = pool_throughput(rows), pool_throughput(sample)
    print(
        f"The pool with {IN_FLIGHT} groups in flight: {everything:.1f} groups a second on all, {busy:.1f} on the same "
        f"{len(sample)}, {busy / _rates(theirs)[-1]:.1f} times as fast as Math-Verify.\n"
    )
    print(
        "pool: a VerifierWorker actor of one core, one group in flight, from the call to the arrival of the summary;\n"
        "its time of a verification is that inside the worker. Math-Verify's partition is greedy, on cached parses.\n"
    )
    heading("Correctness on the workload")
    _show_faults([*ours, matched[0], theirs])
    _list_faults(ours[0])
    if _faults(ours[0]) != _faults(ours[1]):
        print("The two ways of ours differ; in process:")
        _list_faults(ours[1])
    _real(data)


def _rates(run: Run) -> tuple[float, float, float]:
    """Verifications, partitions and whole groups a second."""
    verifications = sum(len(group.verification_G) for group in run.groups)
    per_verification = sum(group.verify_seconds for group in run.groups) / verifications
    per_partition, per_group = (
        sum(getattr(group, name) for group in run.groups) / len(run.groups) for name in ("partition_seconds", "seconds")
    )
    return 1 / per_verification, 1 / per_partition, 1 / per_group


def _show_rates(title: str, runs: Sequence[Run]) -> None:
    table = []
    for run in runs:
        verification = 1e3 * np.array([each for group in run.groups for each in group.verification_G])
        whole = 1e3 * np.array([group.seconds for group in run.groups])
        rates = ["-" if np.isnan(rate) else f"{rate:.1f}" for rate in _rates(run)]
        times = [f"{figure(each):.3f}" for each in (verification, whole) for figure in (np.median, _p99, np.max)]
        table.append((run.name, *rates, *times))
    units = ("verifications\na second", "partitions\na second", "groups\na second")
    times = [f"ms a {unit}\n{kind}" for unit in ("verification", "group") for kind in ("median", "99th", "most")]
    show(title, ("way", *units, *times), table)


def _p99(values: np.ndarray) -> float:
    return float(np.percentile(values, 99))


def _show_ratios(matched: Sequence[Run]) -> None:
    theirs = _rates(matched[-1])
    table = []
    for run in matched[:-1]:
        ratios = [ours / other for ours, other in zip(_rates(run), theirs, strict=True)]
        table.append([run.name, *("-" if np.isnan(ratio) else f"{ratio:.1f}" for ratio in ratios)])
    columns = ("way", "verifications", "partitions", "verifying and partitioning")
    show("Times as fast as Math-Verify, on the same groups", columns, table)


def _classes(group: Timed, right: bool) -> set[int]:
    """Classes of the right or the wrong answers, those outside the partition left out."""
    expected_G = [each["expected"] for each in group.record["preds"]]
    return {name for name, expected in zip(group.class_ids_G, expected_G, strict=True) if expected is right} - {-1}


def _merged(group: Timed) -> set[int]:
    """The classes in which a right answer is with a wrong one."""
    return _classes(group, True) & _classes(group, False)


def _faults(run: Run) -> list[tuple[str, str, str, bool, str, str]]:
    """Verdicts that are not as expected: of a right answer other than correct, of a wrong one correct or undecided."""
    faults = []
    for group in run.groups:
        for each, verdict, rule in zip(group.record["preds"], group.verdicts_G, group.rules_G, strict=True):
            fine = (Verdict.CORRECT,) if each["expected"] else (Verdict.INCORRECT, Verdict.NO_ANSWER)
            if verdict not in fine:
                faults.append((group.record["gold"], each["pred"], each["kind"], each["expected"], verdict, rule))
    return faults


def _show_faults(runs: Sequence[Run]) -> None:
    table = []
    for run in runs:
        verdicts = sum(len(group.verdicts_G) for group in run.groups)
        merged = sum(bool(_merged(group)) for group in run.groups)
        split = sum(len(_classes(group, True)) > 1 for group in run.groups)
        outside = sum(group.class_ids_G.count(-1) for group in run.groups)
        right = share(verdicts - len(_faults(run)), verdicts)
        table.append((run.name, len(run.groups), right, merged, split, outside))
    columns = ("way", "groups", "verdicts as expected", "groups merged", "groups split", "answers in no class")
    show("Verdicts and classes", columns, table)
    print("merged: a right answer is in one class with a wrong one; split: right answers are in several classes.\n")


def _list_faults(run: Run) -> None:
    columns = ("gold", "pred", "kind", "expected", "verdict", "rule")
    show_list(f"{run.name}: verdicts not as expected", columns, _faults(run), 50)
    merged, split = [], []
    for group in run.groups:
        members = list(zip(group.record["preds"], group.class_ids_G, strict=True))
        for name in sorted(_merged(group)):
            inside = [each for each, of in members if of == name]
            right, wrong = ({each["pred"] for each in inside if each["expected"] is kind} for kind in (True, False))
            merged.append((group.record["id"], group.record["gold"], " | ".join(right), " | ".join(wrong)))
        if len(_classes(group, True)) > 1:
            seen = {of: each["pred"] for each, of in reversed(members) if each["expected"] and of != -1}
            split.append((group.record["id"], group.record["gold"], " | ".join(seen.values())))
    show_list(f"{run.name}: merged groups", ("id", "gold", "right answers", "with wrong ones"), merged, 60)
    show_list(f"{run.name}: split groups", ("id", "gold", "one of each class"), split, 90)


def _real(data: Path) -> None:
    """Answers that a real model gave, against another grader's score."""
    heading("Answers of a real model: grader_workload_real.jsonl")
    judge = Judge(VerifierConfig())
    judged, disagreements = 0, []
    for row in progress(records(data / "grader_workload_real.jsonl"), "groups"):
        preds: list[dict[str, Any]] = row["preds"]
        verdicts = judge.judge([rf"\boxed{{{each['pred']}}}" for each in preds], [row["gold"]])
        for each, (judgement, _) in zip(preds, verdicts, strict=True):
            judged += 1
            verdict, score = judgement.verdict, each["qwen_score"]
            if (verdict is Verdict.CORRECT) is not score:
                disagreements.append((row["id"], row["gold"], each["pred"], score, verdict, judgement.rule))
    judge.close()
    print(f"agreement with Qwen's grader: {share(judged - len(disagreements), judged)}\n")
    columns = ("id", "gold", "pred", "Qwen's score", "our verdict", "rule")
    show_list("Disagreements", columns, disagreements, 50)
