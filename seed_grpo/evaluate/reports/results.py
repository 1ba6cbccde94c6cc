"""Results of an evaluation, from the recorded groups of one or more sets.

Consumes recorded groups, greedy and sampled; produces `Results`, which `results_page` writes. Each part has its module
in `evaluate.metrics`: accuracy in `pass_at_k`, the quality of uncertainty in `uncertainty`, fewer samples in
`early_stopping` and `sample_size`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seed_grpo.config.sections import SemanticEntropyConfig
from seed_grpo.errors import ConfigError
from seed_grpo.evaluate.metrics import pass_at_k, uncertainty
from seed_grpo.evaluate.metrics.early_stopping import Curve, Rule, curve
from seed_grpo.evaluate.metrics.estimators import ESTIMATORS
from seed_grpo.evaluate.metrics.sample_size import SizeResult, entropy_by_size
from seed_grpo.evaluate.reports.formatting import escaped
from seed_grpo.records.rollout_table import RecordedGroup

FIRST, MORE, MOST = 4, 2, 32
"""answers that the adaptive rule draws first, then at a time, and in all"""
THRESHOLDS = 41
"""thresholds of the adaptive rule, evenly from 0 to the largest entropy"""
SIZES = (4, 8, 16)
"""sizes of the groups that are compared with many more samples"""
TIMES_MORE = 4
"""samples available per sample of such a group, at least"""


@dataclass(frozen=True)
class Note:
    """Remarks on a set for the reader."""

    name: str
    problems: int
    """problems asked"""
    left_out: int
    """problems that lack greedy or sampled answers because workers failed on them"""
    too_long: int
    """problems left out because their prompts exceed `max_prompt_tokens`"""
    max_prompt_tokens: int
    trained_on: tuple[str, ...]
    """ids of problems that the model was trained on"""

    @property
    def text(self) -> str:
        """The remarks in sentences."""
        said = [f"{escaped(self.name)}: {self.problems} problems."]
        if self.left_out:
            said.append(
                f"{self.left_out} of them lack answers, since workers failed on them again and again; the same command "
                "asks for them once more."
            )
        if self.too_long:
            said.append(
                f"{self.too_long} more were not asked: their prompts have over data.max_prompt_tokens="
                f"{self.max_prompt_tokens} tokens; raise it."
            )
        if self.trained_on:
            ids = ", ".join(escaped(problem_id) for problem_id in self.trained_on[:10])
            said.append(f"{len(self.trained_on)} of them are in the training set: {ids}.")
        return " ".join(said)


@dataclass(frozen=True)
class Results:
    """All parts of an evaluation's results."""

    notes: Sequence[Note]
    accuracy: pass_at_k.BenchmarkReport
    uncertainty: uncertainty.UncertaintyReport
    adaptive: dict[str, Curve]
    """curve of each set that has enough samples to save some"""
    monte_carlo: dict[str, list[SizeResult]]
    """errors by group size, for each set with enough completions of each problem"""


def measure(
    groups: Sequence[RecordedGroup], notes: Sequence[Note], config: SemanticEntropyConfig, seed: int
) -> Results:
    """Computes all parts of the results.

    Args:
        groups: of all sets, in any order.
        config: the estimator that the adaptive rule looks at.
        seed: of resamples and random orders.
    """
    sampled: dict[str, list[RecordedGroup]] = {}
    for group in groups:
        if group.temperature > 0:
            sampled.setdefault(group.source, []).append(group)
    curves = {source: _adaptive(of_source, config, seed) for source, of_source in sampled.items()}
    by_size = {source: _monte_carlo(of_source, seed) for source, of_source in sampled.items()}
    return Results(
        notes,
        pass_at_k.benchmark(groups, seed),
        uncertainty.uncertainty(groups, seed),
        {source: found for source, found in curves.items() if found is not None},
        {source: found for source, found in by_size.items() if found},
    )


def _adaptive(groups: Sequence[RecordedGroup], config: SemanticEntropyConfig, seed: int) -> Curve | None:
    """The curve of the adaptive rule; None if there are too few samples to save any."""
    most = min(MOST, max(len(group.valid_G) for group in groups))
    if most <= FIRST:
        return None
    if config.granularity == "step":  # `seed-grpo answer` then looks at intermediate results, which are not on record
        return None
    try:
        thresholds = np.linspace(0, math.log(most), THRESHOLDS).tolist()
        return curve(groups, Rule(FIRST, MORE, most, 0.0), thresholds, config, seed)
    except ConfigError:  # not one problem has all its completions valid
        return None


def _monte_carlo(groups: Sequence[RecordedGroup], seed: int) -> list[SizeResult]:
    fewest = min(len(group.valid_G) for group in groups)
    sizes = [size for size in SIZES if size * TIMES_MORE <= fewest]
    chosen = {name: estimate for name, estimate in ESTIMATORS.items() if name.startswith("semantic_entropy/")}
    return entropy_by_size(groups, sizes, chosen, seed) if sizes else []
