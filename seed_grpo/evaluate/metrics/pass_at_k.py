"""Metrics of an evaluation: greedy accuracy, avg@G, pass@k and maj@k, by set, level and subject, with 95% intervals.

Consumes the recorded groups of one evaluation: of a problem one greedy completion (temperature 0), or a group of G
sampled ones, or both. Produces a `BenchmarkReport`, as JSON and as Markdown. It samples, judges and reads nothing.

Conventions. A completion that timed out or met a verifier error is invalid: it leaves numerator and denominator and is
counted, so n <= G completions of a problem remain; a problem with n < k has no pass@k and no maj@k and is not behind
that number. Completions without an answer are never the majority, unless no completion has one.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from seed_grpo.errors import DataError
from seed_grpo.evaluate.metrics.intervals import RESAMPLES, mean_intervals, wilson_interval
from seed_grpo.evaluate.reports.formatting import Measured, escaped, json_ready, percent, table
from seed_grpo.messages import Verdict
from seed_grpo.records.rollout_table import RecordedGroup

MAX_SUBSETS = 1_000
"""subsets of k among n completions that maj@k averages over; if there are more, so many are drawn at random with a
seed"""

S = TypeVar("S")


@dataclass(frozen=True)
class Part:
    """The metrics of a set, or of one level or subject of it."""

    source: str
    by: str
    """kind of part: `all`, `level` or `subject`"""
    name: str
    """name of the level or the subject; empty for `all`"""
    problems: int
    greedy_invalid: int
    """greedy completions left out"""
    completions: int
    """number of sampled completions"""
    invalid: int
    """sampled completions left out"""
    metrics: dict[str, Measured]
    """`greedy` with its Wilson interval; by bootstrap over problems `avg`, `pass@1`, `pass@2`, ... and `maj@1`, ..."""


@dataclass(frozen=True)
class BenchmarkReport:
    """All parts of all sets, in alphabetical order, each set before its levels and subjects.

    A set whose problems are all of one level has no part for it, as that would be the set again; so for subjects.
    """

    parts: tuple[Part, ...]
    resamples: int
    seed: int

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON: nan is null."""
        return json_ready(self)


@dataclass
class Problem(Generic[S]):
    """Counts of one problem's groups."""

    level: str
    subject: str
    greedy: float | None = None
    """correctness of its greedy completion, 0 or 1; nan if that is invalid, None without one"""
    sampled: S | None = None
    """counts of its sampled completions; None without any"""


@dataclass(frozen=True)
class _Sampled:
    completions: int
    invalid: int
    metrics: dict[str, float]


def benchmark(groups: Iterable[RecordedGroup], seed: int = 0, resamples: int = RESAMPLES) -> BenchmarkReport:
    """The metrics of one evaluation.

    Args:
        groups: greedy and sampled ones in any order; read once, and not kept.
        seed: of the bootstrap and of the random subsets of maj@k.

    Raises:
        DataError: as `by_source`.
    """

    def sampled(group: RecordedGroup) -> _Sampled:
        return _Sampled(len(group.valid_G), int(np.sum(~group.valid_G)), sampled_metrics(group, seed))

    parts = [
        _part(source, by, name, problems, seed, resamples)
        for source, in_source in by_source(groups, sampled).items()
        for by, name, problems in _selections(in_source)
    ]
    return BenchmarkReport(tuple(parts), resamples, seed)


def by_source(groups: Iterable[RecordedGroup], of_sampled: Callable[[RecordedGroup], S]) -> dict[str, list[Problem[S]]]:
    """The problems of each set, ordered by their ids, so that the order of the groups does not matter.

    Args:
        groups: of one evaluation; those of temperature 0 are the greedy ones.
        of_sampled: what to keep of a sampled group.

    Raises:
        DataError: a problem has two greedy or two sampled groups, or a greedy group more or fewer than one completion.
    """
    sets: dict[str, dict[str, Problem[S]]] = {}
    for group in groups:
        in_source = sets.setdefault(group.source, {})
        problem = in_source.setdefault(group.problem_id, Problem(group.level, group.subject))
        kind = "greedy" if group.temperature == 0 else "sampled"
        if getattr(problem, kind) is not None:
            raise DataError(
                f"problem {group.problem_id!r} of set {group.source!r} has two {kind} groups; "
                "give the groups of one evaluation, which is one table"
            )
        if kind == "sampled":
            problem.sampled = of_sampled(group)
        elif len(group.valid_G) == 1:
            problem.greedy = float(group.verdicts_G[0] is Verdict.CORRECT) if group.valid_G[0] else math.nan
        else:
            raise DataError(
                f"problem {group.problem_id!r} of set {group.source!r} has {len(group.valid_G)} completions at "
                "temperature 0 instead of one greedy completion; sample groups at a temperature above 0"
            )
    return {source: [in_source[key] for key in sorted(in_source)] for source, in_source in sorted(sets.items())}


def sampled_metrics(group: RecordedGroup, seed: int = 0) -> dict[str, float]:
    """avg (mean reward), pass@k and maj@k of one problem, for every k of `sizes(G)` that its n valid completions allow.

    A completion counts as right in pass@k if its verdict is `correct`.
    """
    n = int(np.sum(group.valid_G))
    if n == 0:
        return {}
    right = sum(verdict is Verdict.CORRECT for verdict in group.verdicts_G)
    ks = [k for k in sizes(len(group.valid_G)) if k <= n]
    return {
        "avg": float(group.rewards_G[group.valid_G].mean()),
        **{f"pass@{k}": pass_at_k(n, right, k) for k in ks},
        **{f"maj@{k}": majority_at_k(group, k, seed) for k in ks},
    }


def sizes(count: int) -> list[int]:
    """The k of pass@k and maj@k: the powers of two below G, and G; e.g. 1, 2, 4, 6 for G = 6."""
    return [2**i for i in range((count - 1).bit_length())] + [count]


def pass_at_k(n: int, right: int, k: int) -> float:
    """Probability that of k completions, drawn without replacement from n of which c are right, at least one is right.

    1 - C(n-c, k) / C(n, k), as the product 1 - prod over i = n-c+1..n of (1 - k/i): unbiased for independent
    completions, and without the large binomials (Chen et al. 2021, arXiv 2107.03374, Eq. 1).

    Raises:
        ValueError: not 1 <= k <= n, or not 0 <= right <= n.
    """
    if not (1 <= k <= n and 0 <= right <= n):
        raise ValueError(f"pass@k needs 1 <= k <= n and 0 <= right <= n; k={k}, n={n}, right={right}")
    if n - right < k:
        return 1.0
    return 1.0 - math.prod(1.0 - k / i for i in range(n - right + 1, n + 1))


def majority_at_k(group: RecordedGroup, k: int, seed: int = 0) -> float:
    """Expected correctness of the majority answer of k of the n valid completions (Wang et al. 2022, arXiv 2203.11171).

    The majority answer is the largest meaning class; among classes of the same size the choice is even, so the value
    is the mean over them. A class is as right as its members' rewards in the whole group are in the mean: the partition
    is symmetric, but the judge compares each member with the reference on its own, and may differ. The expectation is
    over subsets of k: all of them if they are at most `MAX_SUBSETS`, else so many random ones, the same ones for every
    problem of n valid completions.

    Raises:
        ValueError: not 1 <= k <= n.
    """
    ids_n, rewards_n = answer_classes(group), group.rewards_G[group.valid_G]
    if not 1 <= k <= len(ids_n):
        raise ValueError(f"maj@k needs 1 <= k <= n valid completions; k={k}, n={len(ids_n)}")
    num_ids = int(ids_n.max()) + 1
    reward_C = np.bincount(ids_n, rewards_n, num_ids) / np.maximum(np.bincount(ids_n, minlength=num_ids), 1)
    subsets_Sk = _subsets(len(ids_n), k, seed)
    slots_Sk = ids_n[subsets_Sk] + num_ids * np.arange(len(subsets_Sk))[:, None]
    counts_SC = np.bincount(slots_Sk.ravel(), minlength=num_ids * len(subsets_Sk)).reshape(-1, num_ids)
    # having no answer wins where nothing stands against it, and nowhere else
    counts_SC[:, 0] = ~counts_SC[:, 1:].any(axis=1)
    tied_SC = counts_SC == counts_SC.max(axis=1, keepdims=True)
    return float(np.mean(tied_SC @ reward_C / tied_SC.sum(axis=1)))


def majority_share(group: RecordedGroup) -> float:
    """Share of the n valid completions that give the majority answer, in [0, 1]; 0 without an answer, nan for n = 0."""
    ids_n = answer_classes(group)
    return float(np.bincount(ids_n, minlength=2)[1:].max() / len(ids_n)) if len(ids_n) else math.nan


def answer_classes(group: RecordedGroup) -> np.ndarray:
    """Meaning classes of the n valid completions, [n]: 1, 2, ... of answers, 0 for all that have none."""
    has_none_G = [verdict is Verdict.NO_ANSWER for verdict in group.verdicts_G]
    return np.where(has_none_G, 0, group.class_ids_G + 1)[group.valid_G]


@functools.lru_cache(maxsize=256)
def _subsets(n: int, k: int, seed: int) -> np.ndarray:
    """[S, k] indices below n."""
    if math.comb(n, k) <= MAX_SUBSETS:
        return np.array(list(itertools.combinations(range(n), k)))
    return np.random.default_rng([seed, n]).random((MAX_SUBSETS, n)).argsort(axis=1)[:, :k].copy()


def _selections(problems: list[Problem[S]]) -> Iterator[tuple[str, str, list[Problem[S]]]]:
    yield "all", "", problems
    for by in ("level", "subject"):
        names = {getattr(problem, by) for problem in problems}
        for name in sorted(names - {""}) if len(names) > 1 else []:
            yield by, name, [problem for problem in problems if getattr(problem, by) == name]


def _part(source: str, by: str, name: str, problems: Sequence[Problem[_Sampled]], seed: int, resamples: int) -> Part:
    greedy = [problem.greedy for problem in problems if problem.greedy is not None]
    judged = [right for right in greedy if not math.isnan(right)]
    sampled = [problem.sampled for problem in problems if problem.sampled is not None]
    metrics = {"greedy": Measured(*wilson_interval(int(sum(judged)), len(judged)), len(judged))} if greedy else {}
    names = sorted({name for each in sampled for name in each.metrics}, key=_order)
    if names:
        values_PM = np.array([[each.metrics.get(name, np.nan) for name in names] for each in sampled])
        numbers_M = np.sum(~np.isnan(values_PM), axis=0)
        for metric, number, interval in zip(names, numbers_M, mean_intervals(values_PM, seed, resamples), strict=True):
            metrics[metric] = Measured(*interval, int(number))
    completions, invalid = sum(each.completions for each in sampled), sum(each.invalid for each in sampled)
    return Part(source, by, name, len(problems), len(greedy) - len(judged), completions, invalid, metrics)


def _order(name: str) -> tuple[int, int]:
    """avg, then pass@k, then maj@k, by k."""
    kind, _, k = name.partition("@")
    return ("avg", "pass", "maj").index(kind), int(k or 0)


def markdown(report: BenchmarkReport) -> str:
    """A table for each set, with a row for the set and for each of its levels and subjects."""
    lines = []
    for source, in_source in itertools.groupby(report.parts, key=lambda part: part.source):
        parts = list(in_source)
        names = [name for name in parts[0].metrics if not name.endswith("@1")]
        rows = [
            [
                part.by if part.by == "all" else f"{part.by} {escaped(part.name)}",
                str(part.problems),
                *[percent(part.metrics.get(name), of=part.problems) for name in names],
                str(part.greedy_invalid + part.invalid),
            ]
            for part in parts
        ]
        columns = ["part", "problems", *names, "invalid"]
        lines += [f"### {escaped(source) or 'unnamed set'}", "", *table(columns, rows)]
    lines += [
        f"95% intervals: Wilson for greedy; otherwise percentiles of {report.resamples:,} bootstrap resamples over "
        f"problems (seed {report.seed}). avg is pass@1 and maj@1 as well. In parentheses: the problems behind a "
        "number, where they are not all. `invalid`: completions that timed out or met a verifier error; they are in no "
        "metric.",
        "",
    ]
    return "\n".join(lines)
