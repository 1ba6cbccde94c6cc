"""Part `entropy`: what semantic entropy costs, for several numbers of completions a prompt.

First each stage alone, in this process: judging, partition, entropy, scale, on the grader workload and on what the
quickstart's model samples. Then real runs: how much of the stages is hidden behind generation, and what is left as a
share of the step. The reward needs judging in any method; partition, entropy and scale are SEED-GRPO's own.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Hashable, Sequence
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import small_runs
from benchmarks.tables import heading, progress, records, show
from seed_grpo.algo.scale import scales_P
from seed_grpo.config.sections import ScaleConfig, SemanticEntropyConfig, VerifierConfig
from seed_grpo.messages import Verdict
from seed_grpo.semantics.entropy import SemanticEntropy, log_likelihood, semantic_entropy
from seed_grpo.semantics.partition import partition
from seed_grpo.verify.judge import Judge, Judged

COMPLETIONS = (4, 8, 16, 32)
"""G"""
SAMPLES, STEPS = 512, 9
"""samples of a step, and steps of a run, the first of which is left out"""
PASSES = 3
"""over all groups, of which the median counts; each with a judge that remembers nothing"""
TOKENS = 512
"""tokens of a completion of the workload, which are its likelihood's cost"""
GOAL = 0.01

Group = tuple[list[str], list[str], list[np.ndarray]]
"""texts [G], references, log-probabilities [G] of arrays [T]"""


def entropy(data: Path) -> None:
    """Stages alone, then real runs."""
    small_runs.small_model()
    heading("Stages of semantic entropy alone, one core")
    rows = records(data / "grader_workload.jsonl.gz")
    workload = {size: _workload(rows, size) for size in COMPLETIONS}
    _show_stages("Grader workload", workload)
    print("Of 32: the answers to two problems, so with more classes than one problem has.\n")
    runs: dict[int, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in progress(COMPLETIONS, "runs"):
            config = small_runs.run_config(Path(folder) / f"g{size}", STEPS, SAMPLES // size, size)
            told = small_runs.run(f"G{size}", config)
            seconds = small_runs.timings(config.run.directory)
            completions = small_runs.completions(config.run.directory)
            runs[size] = {"tails": told["tails"], "seconds": seconds, "groups": _sampled(completions)}
    stages = _show_stages("Quickstart's model", {size: run["groups"] for size, run in runs.items()})
    heading("Semantic entropy in real runs")
    _show_runs(runs, stages)


def _workload(rows: Sequence[dict[str, Any]], size: int) -> list[Group]:
    """Groups of so many answers: parts of those of 16, or two of them together."""
    logprobs_T = np.full(TOKENS, -0.5, dtype=np.float32)
    groups = []
    together = max(1, size // len(rows[0]["preds"]))
    for start in range(0, len(rows), together):
        pair = rows[start : start + together]
        texts = [rf"\boxed{{{each['pred']}}}" for row in pair for each in row["preds"]]
        texts = texts[:: max(1, len(texts) // size)][:size]
        groups.append((texts, [pair[0]["gold"]], [logprobs_T] * len(texts)))
    return [group for group in groups if len(group[0]) == size]


def _sampled(rows: Sequence[dict[str, Any]]) -> list[Group]:
    """The groups of a run, each completion with as many log-probabilities as it has tokens."""
    groups = []
    for _, members in groupby(rows, lambda row: row["group_id"]):
        group = list(members)
        logprobs = [np.full(row["num_tokens"], row["mean_logprob"] or 0.0, dtype=np.float32) for row in group]
        groups.append(([row["text"] for row in group], group[0]["references"], logprobs))
    return groups


class _Stages:
    """Seconds of each stage, over groups."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(("judging", "partition", "entropy", "scale"), 0.0)

    def time(self, stage: str, call: Callable[..., Any], *arguments: Any) -> Any:
        started = time.perf_counter()
        result = call(*arguments)
        self.seconds[stage] += time.perf_counter() - started
        return result


def _time_stages(groups: Sequence[Group]) -> tuple[dict[str, float], float, int]:
    """Seconds by stage, mean number of classes, and verdicts that are not valid; all as the verifier worker does it."""
    stages, judge, settings = _Stages(), Judge(VerifierConfig()), SemanticEntropyConfig()
    judge.judge([r"\boxed{\int_0^1 2x\,dx}"], ["1"])  # libraries are loaded, the bounded process comes up
    found: list[SemanticEntropy] = []
    classes, invalid = 0, 0
    for texts_G, references, logprobs_GT in groups:
        judged_G = stages.time("judging", judge.judge, texts_G, references)
        keys_G = [_key(judged) for judged in judged_G]
        ids_G = stages.time("partition", partition, keys_G, judge.same)
        found.append(stages.time("entropy", _entropy, ids_G, logprobs_GT, settings))
        classes += int(ids_G.max()) + 1
        invalid += sum(not judged.judgement.verdict.is_valid for judged in judged_G)
    values, maxima = np.array([each.value for each in found]), np.array([each.maximum for each in found])
    stages.time("scale", scales_P, values, maxima, ScaleConfig(), np.random.default_rng(0))
    judge.close()
    return stages.seconds, classes / len(groups), invalid


def _key(judged: Judged) -> Hashable | None:
    if judged.judgement.verdict is Verdict.NO_ANSWER:
        return "no answer"
    return judged.form if judged.judgement.verdict.is_valid else None


def _entropy(ids_G: np.ndarray, logprobs_GT: Sequence[np.ndarray], settings: SemanticEntropyConfig) -> SemanticEntropy:
    likelihoods_G = np.array([log_likelihood(logprobs_T, settings.likelihood) for logprobs_T in logprobs_GT])
    return semantic_entropy(ids_G, likelihoods_G, settings)


def _show_stages(title: str, groups: dict[int, list[Group]]) -> dict[int, dict[str, float]]:
    """Prints milliseconds a group; returns seconds a group by stage."""
    table, found = [], {}
    passes = [{size: _time_stages(own) for size, own in groups.items()} for _ in range(PASSES)]
    for size, own in groups.items():
        seconds, classes, invalid = passes[0][size]
        found[size] = {stage: median(each[size][0][stage] for each in passes) / len(own) for stage in seconds}
        cells = [f"{1e3 * spent:.4f}" for spent in found[size].values()]
        table.append((size, len(own), f"{classes:.1f}", *cells, f"{1e3 * sum(found[size].values()):.3f}", invalid))
    columns = ("G", "groups", "classes", *(f"{stage}, ms" for stage in found[COMPLETIONS[0]]), "all, ms", "invalid")
    show(f"{title}: milliseconds a group", columns, table)
    return found


def _show_runs(runs: dict[int, dict[str, Any]], stages: dict[int, dict[str, float]]) -> None:
    table = []
    for size, run in runs.items():
        seconds = run["seconds"][1:]
        total, train, judging = (
            median(step[name] for step in seconds) for name in ("total", "train", "rollout/judging")
        )
        tail = median(run["tails"][1:])
        prompts = SAMPLES // size
        own = prompts * sum(stages[size][stage] for stage in ("partition", "entropy", "scale"))
        left = tail + prompts * stages[size]["scale"]
        table.append(
            (
                size,
                prompts,
                f"{total:.2f}",
                f"{train:.2f}",
                f"{judging:.3f}",
                f"{judging / train:.2%}",
                f"{own:.4f}",
                f"{own / train:.3%}",
                f"{1e3 * tail:.1f}",
                f"{left / total:.2%}",
            )
        )
    columns = (
        "G", "prompts", "step, s", "training\nin it, s", "all stages in\nthe verifier, s", "of\ntraining",
        "partition, entropy,\nscale, s", "of\ntraining,", "last group generated to\nlast judged, ms",
        "not hidden,\nof wall-clock",
    )  # fmt: skip
    show(f"Medians over {STEPS - 1} steps of {SAMPLES} samples", columns, table)
    print(
        "not hidden: from the last group generated to the last judged and known to the controller, messages included, "
        f"and the scale. Goal: under {GOAL:.0%}.\n"
    )
