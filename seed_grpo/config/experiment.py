"""An experiment: configurations of a run x seeds, compared with one of them. Read from YAML, checked whole.

title: Does the scale help?
base: ../quickstart.yaml            # beside this file
directory: runs/experiments/scale
settings: {run.steps: 40}           # of all runs
configurations:                     # of each, besides
  dr_grpo: {algo.scale.kind: none}
grid: {algo.scale.kind: [linear, reciprocal], algo.scale.alpha: [0.02, 0.5]}   # further ones, the product
baseline: dr_grpo
seeds: [0, 1, 2, 3, 4]
metrics: [accuracy, reward]
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from seed_grpo.config import Config
from seed_grpo.config.checks import check_sampling
from seed_grpo.config.loading import describe, parse_config, read_tree
from seed_grpo.config.sections import NonNegative, Positive, Section
from seed_grpo.errors import ConfigError

Settings = dict[str, Any]
"""values by dotted name"""


class EvaluateConfig(Section):
    """Runs that train nothing: `seed-grpo evaluate` on the base's model."""

    sets: tuple[str, ...] = Field(min_length=1)
    samples: int = Field(ge=2)
    """completions of each problem"""
    problems: Positive | None = None
    """problems taken of each set, the first ones; None: all"""


class ExperimentConfig(Section):
    """See the module."""

    title: str
    base: Path
    directory: Path
    settings: Settings = Field(default_factory=dict)
    """settings of all runs"""
    configurations: dict[str, Settings] = Field(default_factory=dict)
    """further settings of each configuration, by its name"""
    grid: dict[str, list[Any]] = Field(default_factory=dict)
    """values by setting; further configurations are their product"""
    baseline: str | None = None
    """the configuration that the others are compared with; None where there is but one"""
    seeds: tuple[NonNegative, ...] = Field(min_length=1)
    metrics: tuple[str, ...] = Field(("accuracy", "reward"), min_length=1)
    """metrics in the order of the report's tables; `evaluate.studies.experiment` lists them"""
    evaluate: EvaluateConfig | None = None

    def all_configurations(self) -> dict[str, Settings]:
        """Configurations by name; those of the grid come last and are named after their values."""
        cells = [dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())]
        named = {" ".join(f"{key.rpartition('.')[2]}={value}" for key, value in cell.items()): cell for cell in cells}
        return self.configurations | (named if self.grid else {})

    def config(self, name: str, seed: int) -> Config:
        """Configuration of one run. Raises ConfigError as `load_config`."""
        settings = {**self.settings, **self.all_configurations()[name], "run.seed": seed}
        settings["run.directory"] = self.run_directory(name, seed)
        overrides = [f"{key}={json.dumps(value, default=str)}" for key, value in settings.items()]  # JSON is YAML
        return parse_config(read_tree(self.base), f"{self.base}, {name}", overrides)

    def run_directory(self, name: str, seed: int) -> Path:
        """Directory in which one run leaves its records."""
        return self.directory / "".join(c if c.isalnum() or c in "._=-" else "_" for c in name) / f"seed-{seed}"


def load_experiment(path: Path) -> ExperimentConfig:
    """Reads an experiment, and checks every run of it.

    Raises:
        ConfigError: a fault of the file, or of the settings of one of its runs.
    """
    tree = read_tree(path)
    if isinstance(tree.get("base"), str):
        tree["base"] = path.parent / tree["base"]
    try:
        experiment = ExperimentConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe(error)}") from error
    names = list(experiment.all_configurations())
    if not names:
        raise ConfigError(f"{path} has no configurations; give some under configurations or grid")
    if experiment.baseline not in (names if len(names) > 1 else (None, *names)):
        raise ConfigError(
            f"{path}: baseline={experiment.baseline} is none of the configurations; name one of {', '.join(names)}"
        )
    if len(set(experiment.seeds)) < len(experiment.seeds):
        raise ConfigError(f"{path}: seeds={list(experiment.seeds)} has a seed twice; give each once")
    directories = [experiment.run_directory(name, experiment.seeds[0]) for name in names]
    if len(set(directories)) < len(names):
        raise ConfigError(f"{path}: two configurations would share a folder: {', '.join(names)}; rename one of them")
    for name in names:
        config = experiment.config(name, experiment.seeds[0])
        if experiment.evaluate is None:
            check_sampling(config)
    return experiment
