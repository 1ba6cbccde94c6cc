"""The configuration of a run: the sections, and what they must agree on.

Consumes settings as `loading` reads them from YAML; produces a checked `Config`, which nothing edits afterwards.
"""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from seed_grpo.config.checks import faults_between, with_followed
from seed_grpo.config.sections import Sections


class Config(Sections):
    """A run's settings, complete and consistent."""

    @model_validator(mode="before")
    @classmethod
    def _held_out_prompts_are_made_alike(cls, tree: Any) -> Any:
        return with_followed(tree)

    @model_validator(mode="after")
    def _sections_fit_together(self) -> Config:
        problems = faults_between(self)
        if problems:
            raise ValueError("; ".join(problems))
        return self
