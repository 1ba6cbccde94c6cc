"""Gradients that a run would have had under other settings: recorded groups replayed, without a model.

Consumes the tables and the configuration of a run; produces, for each choice of settings, the scales and advantages of
the same completions, summarised by the difficulty of the prompts. One step's groups are in memory at a time. It does
not tell how the policy would have changed, and replays neither what the loss does with an advantage nor which groups
dynamic sampling would have kept.

Shape suffix D: `DIFFICULTIES`. The weight of a group in the gradient is the sum of |advantage x scale| over its
completions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from seed_grpo.algo.advantage import ADVANTAGES
from seed_grpo.algo.scale import SCALES
from seed_grpo.config import Config
from seed_grpo.config.loading import load_config
from seed_grpo.config.sections import AlgoConfig
from seed_grpo.errors import ConfigError
from seed_grpo.evaluate.metrics.intervals import rank_correlation
from seed_grpo.evaluate.studies.replay import RecordedStep, differences, recorded_step, replay
from seed_grpo.extensions import install
from seed_grpo.messages import Verdict
from seed_grpo.records.rollout_table import RecordedGroup, tables
from seed_grpo.records.run_directory import kept_code
from seed_grpo.semantics.entropy import FUNCTIONALS

REPLAYED = ("algo.semantic_entropy.", "algo.scale.", "algo.advantage", "algo.overlong_tokens")
"""settings that a replay heeds"""
DIFFICULTIES = ("0", "(0, 0.25]", "(0.25, 0.5]", "(0.5, 0.75]", "(0.75, 1)", "1")
"""share right of a group's valid completions"""

_FUNCTIONALS = f"algo.semantic_entropy.functional={','.join(FUNCTIONALS)}"
_KINDS = f"algo.scale.kind={','.join(kind for kind in SCALES if kind not in ('none', 'focal'))}"
_ALPHAS = "algo.scale.alpha=0.02,0.5"
DEFAULTS = (
    ("algo.semantic_entropy.mass=counts", _FUNCTIONALS),
    ("algo.semantic_entropy.mass=likelihood", "algo.semantic_entropy.likelihood=mean,sum", _FUNCTIONALS),
    ("algo.scale.kind=none",),
    (_KINDS, _ALPHAS),
    ("algo.scale.kind=focal", "algo.scale.gamma=2", _ALPHAS),
    ("algo.scale.control=mean_matched,shuffled",),
    (f"algo.advantage={','.join(ADVANTAGES)}",),
)
"""grids that are tried if the user names none"""


@dataclass(frozen=True)
class Part:
    """Some of the trained groups: those of one of `DIFFICULTIES`, or of one data set."""

    name: str
    groups: int
    scale_mean: float | None
    """mean scale of the groups; None without groups"""
    weight: float | None
    """the groups' share of the weight of all trained groups; None if no group has any"""


@dataclass(frozen=True)
class Outcome:
    """Effect of one choice of settings on the run's groups."""

    name: str
    scale_mean: float
    """mean scale over the trained groups; the fields down to `difficulties` are over these groups too"""
    scale_min: float
    scale_max: float
    gradient_share: float
    """share of the groups with an advantage that is not 0"""
    step_mean: float
    """mean |advantage x scale| over the completions"""
    step_against_none: float | None
    """`step_mean` divided by what it is with the scale `none`; None without a gradient"""
    rank_correlation: float | None
    """Spearman's rank correlation of the scales with those of the run within a step, mean over the steps in which both
    vary"""
    clipped: int
    """trained groups whose entropy estimate exceeded its maximum"""
    difficulties: tuple[Part, ...]
    datasets: tuple[Part, ...]
    """groups by data set, for a run with several; else empty"""
    dropped_scale_mean: float | None
    """mean scale of the groups that were dropped, each computed by itself and without a control; None without such
    groups"""
    dropped_gradient_share: float | None


@dataclass(frozen=True)
class WhatIf:
    """The outcomes, that of the run's own settings first."""

    run: str
    steps: int
    trained: int
    """trained groups"""
    dropped: int
    scale_difference: float
    """largest difference between a recorded scale and the replay of the run's own settings; more than rounding is an
    error"""
    advantage_difference: float
    outcomes: tuple[Outcome, ...]


def variants_of(run_directory: Path, overrides: Sequence[str]) -> list[tuple[str, AlgoConfig]]:
    """The settings to try on a run, each with a name: the grid of the overrides; without overrides, all of `DEFAULTS`
    that differs from the run.

    Args:
        overrides: such as `algo.scale.alpha=0.02,0.5`; of several, every combination.

    Raises:
        ConfigError: a value is impossible, or a replay does not heed the setting.
    """
    file = run_directory / "config.yaml"
    if overrides:
        return _grid(file, overrides)
    own = load_config(file).algo
    return [(name, algo) for grid in DEFAULTS for name, algo in _grid(file, grid) if algo != own]


def whatif(run_directory: Path, variants: Sequence[tuple[str, AlgoConfig]]) -> WhatIf:
    """Replays the groups of a run under its own settings and under others. Controls act on the batch of a step, with
    the run's seeds.

    Args:
        variants: a name and settings each; of the latter, `REPLAYED` is heeded.

    Raises:
        ConfigError: there is nothing to replay, or the run's own settings do not give back what is on record.
    """
    files = tables(run_directory / "rollouts")
    if not files:
        raise ConfigError(
            f"{run_directory} has no rollouts/step_*.parquet to replay; name the directory of a run that has trained"
        )
    install(kept_code(run_directory))
    config = load_config(run_directory / "config.yaml")
    named = [("the run", config.algo), *variants]
    sums = [_Sums(name, config.model_copy(update={"algo": algo})) for name, algo in named]
    off_by = []
    for file in files:
        step = recorded_step(file, run_directory / "ledger" / file.name)
        own = replay(step.batch, config)
        off_by.append(differences(step.batch, own, run_directory / "config.yaml"))
        for each in sums:
            each.add(step, own.scale_P)
    trained = int(sums[0].groups_D.sum())
    if not trained:
        raise ConfigError(f"none of the groups in {run_directory / 'rollouts'} was trained: there is nothing to replay")
    outcomes = tuple(each.outcome() for each in sums)
    by_scale, by_advantage = np.max(off_by, axis=0).tolist()
    return WhatIf(str(run_directory), len(files), trained, sums[0].dropped, by_scale, by_advantage, outcomes)


def _grid(file: Path, overrides: Sequence[str]) -> list[tuple[str, AlgoConfig]]:
    axes = []
    for override in overrides:
        key, equals, values = override.partition("=")
        if not key.startswith(REPLAYED):
            raise ConfigError(
                f"{override!r} changes nothing that a replay of recorded completions shows; give settings of "
                "algo.semantic_entropy or algo.scale, algo.advantage, or algo.overlong_tokens"
            )
        axes.append([f"{key}{equals}{value}" for value in values.split(",")])
    return [
        (" ".join(map(_short, settings)), load_config(file, settings).algo) for settings in itertools.product(*axes)
    ]


def _short(setting: str) -> str:
    """Short name of an override: `alpha=0.5` for `algo.scale.alpha=0.5`."""
    key, _, value = setting.partition("=")
    return f"{key.rpartition('.')[2]}={value}"


def _difficulty(group: RecordedGroup) -> int:
    """Place in `DIFFICULTIES`."""
    right = float(np.mean([verdict is Verdict.CORRECT for verdict in group.verdicts_G], where=group.valid_G))
    return int(np.searchsorted([0.0, 0.25, 0.5, 0.75], right)) + (right == 1.0)


def _over(total: float, count: float) -> float | None:
    return float(total / count) if count else None


def _zeros_D() -> np.ndarray:
    return np.zeros(len(DIFFICULTIES))


@dataclass
class _Sums:
    """Sums over the steps so far, for one choice of settings."""

    name: str
    config: Config
    groups_D: np.ndarray = field(default_factory=_zeros_D)
    scale_D: np.ndarray = field(default_factory=_zeros_D)
    weight_D: np.ndarray = field(default_factory=_zeros_D)
    of_datasets: dict[str, np.ndarray] = field(default_factory=dict)
    """[3] number of groups, sum of their scales, and of their weights, by data set"""
    unscaled: float = 0.0
    completions: int = 0
    with_gradient: int = 0
    clipped: int = 0
    scale_min: float = 1.0
    scale_max: float = 0.0
    correlations: list[float] = field(default_factory=list)
    dropped: int = 0
    dropped_scale: float = 0.0
    dropped_with_gradient: int = 0

    def add(self, step: RecordedStep, run_scale_P: np.ndarray) -> None:
        """Adds the groups of one step.

        Args:
            run_scale_P: [P] scales of the step's batch under the run's own settings.
        """
        replayed = replay(step.batch, self.config)
        trained_P = np.array([group.scale is not None for group in step.batch], dtype=bool)
        for p in np.flatnonzero(trained_P):
            self._add_group(step.batch[p], float(replayed.scale_P[p]), float(np.abs(replayed.unscaled_PG[p]).sum()))
        self.clipped += int(replayed.clipped_P[trained_P].sum())
        correlation = rank_correlation(replayed.scale_P[trained_P], run_scale_P[trained_P])
        if not math.isnan(correlation):
            self.correlations.append(correlation)
        alone = replay(step.dropped, _uncontrolled(self.config))
        self.dropped += len(step.dropped)
        self.dropped_scale += float(alone.scale_P.sum())
        pairs = zip(alone.scale_P, alone.unscaled_PG, strict=True)
        self.dropped_with_gradient += sum(bool((scale * unscaled_G).any()) for scale, unscaled_G in pairs)

    def _add_group(self, group: RecordedGroup, scale: float, unscaled: float) -> None:
        d = _difficulty(group)
        self.groups_D[d] += 1
        self.scale_D[d] += scale
        self.weight_D[d] += scale * unscaled
        if group.dataset:
            sums = self.of_datasets.setdefault(group.dataset, np.zeros(3))
            sums += (1, scale, scale * unscaled)
        self.unscaled += unscaled
        self.completions += len(group.rewards_G)
        self.with_gradient += scale * unscaled > 0
        self.scale_min, self.scale_max = min(self.scale_min, scale), max(self.scale_max, scale)

    def outcome(self) -> Outcome:
        groups, weight = self.groups_D.sum(), self.weight_D.sum()
        columns = zip(DIFFICULTIES, self.groups_D, self.scale_D, self.weight_D, strict=True)
        return Outcome(
            name=self.name,
            scale_mean=float(self.scale_D.sum() / groups),
            scale_min=self.scale_min,
            scale_max=self.scale_max,
            gradient_share=float(self.with_gradient / groups),
            step_mean=float(weight / self.completions),
            step_against_none=_over(weight, self.unscaled),
            rank_correlation=_over(sum(self.correlations), len(self.correlations)),
            clipped=self.clipped,
            difficulties=tuple(Part(d, int(n), _over(s, n), _over(w, weight)) for d, n, s, w in columns),
            datasets=tuple(
                Part(name, int(n), _over(s, n), _over(w, weight))
                for name, (n, s, w) in sorted(self.of_datasets.items())
            ),
            dropped_scale_mean=_over(self.dropped_scale, self.dropped),
            dropped_gradient_share=_over(self.dropped_with_gradient, self.dropped),
        )


def _uncontrolled(config: Config) -> Config:
    scale = config.algo.scale.model_copy(update={"control": "none"})
    return config.model_copy(update={"algo": config.algo.model_copy(update={"scale": scale})})
