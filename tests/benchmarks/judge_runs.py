r"""For the speed part of the judge's benchmark: the three ways in which the workload is verified and partitioned.

Consumes groups of the workload; produces a `Run` each: verdicts, classes and times. `pool` is the verifier worker as a
run has it, a Ray actor with one core that gets its groups from the object store; `in_process` is the judge alone;
`math_verify` verifies each prediction against the gold, which is parsed once, and clusters the same parses greedily.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import ray

from benchmarks.judge_peer import MathVerify, in_a_box
from benchmarks.tables import progress
from seed_grpo.config.sections import SemanticEntropyConfig, VerifierConfig
from seed_grpo.errors import SeedGrpoError
from seed_grpo.messages import Completion, FinishReason, Group, GroupTask, Judgement, Problem, Sampling, Verdict
from seed_grpo.runtime.cluster.connection import spawn
from seed_grpo.runtime.cluster.placement import Pool
from seed_grpo.semantics.partition import partition
from seed_grpo.verify.judge import Judge
from seed_grpo.verify.worker import VerifierWorker

TOKENS = 512
"""tokens of a completion, whose arrays travel with it"""
IN_FLIGHT = 8
"""groups that one verifier worker has at a time, where its throughput is measured"""
WARM_UP: dict[str, Any] = {"id": "warm-up", "gold": "1", "preds": [{"pred": r"\int_0^1 2x\,dx"}, {"pred": "1"}]}
"""a group for which all libraries are loaded and the bounded process comes up"""


@dataclass
class Timed:
    """Outcome of one group of the workload in one way."""

    record: dict[str, Any]
    verdicts_G: list[str]
    rules_G: list[str]
    correct_G: list[bool]
    class_ids_G: list[int]
    """-1 outside the partition"""
    verification_G: list[float]
    """seconds of each verification"""
    verify_seconds: float
    """seconds for all verifications of the group, with the parsing of the gold"""
    partition_seconds: float
    """seconds for the partition, parsing not included"""
    seconds: float
    """seconds for the group as its caller sees it"""


@dataclass
class Run:
    """One way over many groups."""

    name: str
    groups: list[Timed] = field(default_factory=list)

    def only(self, ids: set[str]) -> Run:
        """The same run, of some of the groups."""
        return Run(self.name, [group for group in self.groups if group.record["id"] in ids])


def pool(rows: Sequence[dict[str, Any]]) -> Run:
    """Ours as the run has it: one verifier actor with one core, one group in flight."""
    run = Run("ours, pool")
    with _verifier() as worker:
        for group_id, row in enumerate(progress([WARM_UP, *rows], run.name)):
            task_ref = ray.put(_message(group_id, row))
            started = time.perf_counter()
            summary_ref, payload_ref = worker.judge.options(num_returns=2).remote(task_ref)
            (summary,) = ray.get(summary_ref)
            seconds = time.perf_counter() - started
            judged = ray.get(payload_ref)  # for people; the controller fetches the summary only
            if row is not WARM_UP:
                classes_G = summary.class_ids_G.tolist()
                verify_seconds = sum(judgement.seconds for judgement in judged.judgements_G)
                timed = _timed(row, judged.judgements_G, classes_G, verify_seconds, float("nan"), seconds)
                run.groups.append(timed)
    return run


def pool_throughput(rows: Sequence[dict[str, Any]]) -> float:
    """Groups a second of a new verifier actor with one core that has `IN_FLIGHT` groups at a time, as in a run."""
    with _verifier() as worker:
        ray.get(worker.judge.options(num_returns=2).remote(_message(0, WARM_UP)))
        task_refs = [ray.put(_message(group_id, row)) for group_id, row in enumerate(rows)]
        pending: list[ray.ObjectRef] = []
        started = time.perf_counter()
        for task_ref in task_refs:
            if len(pending) == IN_FLIGHT:
                done, pending = ray.wait(pending, num_returns=1)
                ray.get(done)
            summary_ref, _ = worker.judge.options(num_returns=2).remote(task_ref)
            pending.append(summary_ref)
        ray.get(pending)
        return len(rows) / (time.perf_counter() - started)


def in_process(rows: Sequence[dict[str, Any]]) -> Run:
    """Ours without messages: the judge and the partition, called here."""
    run = Run("ours, in process")
    judge = Judge(VerifierConfig())
    for row in progress([WARM_UP, *rows], run.name):
        texts_G = [_text(each["pred"]) for each in row["preds"]]
        started = time.perf_counter()
        judged_G = judge.judge(texts_G, [row["gold"]])
        verified = time.perf_counter()
        class_ids_G = partition([_key(*judged) for judged in judged_G], lambda one, other: _same(judge, one, other))
        ended = time.perf_counter()
        if row is not WARM_UP:
            judgements_G = [judged.judgement for judged in judged_G]
            seconds = (verified - started, ended - verified, ended - started)
            run.groups.append(_timed(row, judgements_G, class_ids_G.tolist(), *seconds))
    judge.close()
    return run


def math_verify(rows: Sequence[dict[str, Any]]) -> Run:
    """Math-Verify in a process of its own, whose times it takes itself; answers in a box, which it reads fastest."""
    run = Run("Math-Verify")
    with MathVerify() as process:
        process.group(in_a_box(WARM_UP["gold"]), [in_a_box(each["pred"]) for each in WARM_UP["preds"]])
        for row in progress(rows, run.name):
            reply = process.group(in_a_box(row["gold"]), [in_a_box(each["pred"]) for each in row["preds"]])
            if reply is None:
                raise RuntimeError(f"Math-Verify did not finish the group {row['id']} in time")
            verdicts_G = [str(Verdict.CORRECT if same else Verdict.INCORRECT) for same in reply["same"]]
            verify_seconds = reply["gold_seconds"] + sum(reply["seconds"])
            run.groups.append(
                Timed(
                    record=row,
                    verdicts_G=verdicts_G,
                    rules_G=[""] * len(verdicts_G),
                    correct_G=reply["same"],
                    class_ids_G=reply["classes"],
                    verification_G=reply["seconds"],
                    verify_seconds=verify_seconds,
                    partition_seconds=reply["partition_seconds"],
                    seconds=verify_seconds + reply["partition_seconds"],
                )
            )
    return run


@contextmanager
def _verifier() -> Iterator[Any]:
    """The actor, on a cluster of its own."""
    ray.init(
        address="local", num_cpus=len(os.sched_getaffinity(0)), include_dashboard=False, log_to_driver=False,
        logging_level=logging.ERROR, _node_ip_address="127.0.0.1", object_store_memory=256 * 2**20,
    )  # fmt: skip
    try:
        place = Pool("verifier", 1, 1.0, 0.0, {"OMP_NUM_THREADS": "1"})
        worker = spawn(VerifierWorker, place, "verifier-0", VerifierConfig(), SemanticEntropyConfig())
        ray.get(worker.__ray_ready__.remote())
        yield worker
        ray.get(worker.close.remote())
    finally:
        ray.shutdown()


def _message(group_id: int, row: dict[str, Any]) -> Group:
    sampling = Sampling(len(row["preds"]), 1.0, 1.0, TOKENS, 0)
    task = GroupTask(group_id, Problem(row["id"], "", (row["gold"],)), (1,), sampling)
    tokens_T, logprobs_T = np.zeros(TOKENS, dtype=np.int32), np.full(TOKENS, -0.5, dtype=np.float32)
    completions_G = [
        Completion(_text(each["pred"]), tokens_T, logprobs_T, tokens_T, FinishReason.STOP) for each in row["preds"]
    ]
    return Group(task, tuple(completions_G), "rollout-0", 1.0)


def _text(pred: str) -> str:
    return rf"\boxed{{{pred}}}"


def _key(judgement: Judgement, form: Any) -> Any:
    """As the verifier worker has it by default: no answer is one class, no valid verdict is outside."""
    if judgement.verdict is Verdict.NO_ANSWER:
        return "no answer"
    return form if judgement.verdict.is_valid else None


def _same(judge: Judge, first: Any, second: Any) -> bool:
    if "no answer" in (first, second):
        return False
    try:
        return judge.same(first, second)
    except SeedGrpoError:  # undecided, which leaves two classes
        return False


def _timed(
    row: dict[str, Any], judgements_G: Sequence[Judgement], class_ids_G: list[int],
    verify_seconds: float, partition_seconds: float, seconds: float,
) -> Timed:  # fmt: skip
    return Timed(
        record=row,
        verdicts_G=[str(judgement.verdict) for judgement in judgements_G],
        rules_G=[judgement.rule for judgement in judgements_G],
        correct_G=[judgement.verdict is Verdict.CORRECT for judgement in judgements_G],
        class_ids_G=class_ids_G,
        verification_G=[judgement.seconds for judgement in judgements_G],
        verify_seconds=verify_seconds,
        partition_seconds=partition_seconds,
        seconds=seconds,
    )
