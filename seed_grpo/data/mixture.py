"""Several data sets in one run: their prompts by name, and the order in which a run takes them.

Consumes the encoded prompts of each set and its ratio; produces one endless sequence that resumes to the record. Each
set has a `PromptSource` of its own, epoch after epoch. After n prompts a set with share s of the ratios has given n * s
of them, give or take one: the next is taken from the set for which (taken + 1/2) / ratio is smallest, as seats are
given by Webster's method. No chance is in it, so that two numbers a set are the whole state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from seed_grpo.config.sections import MixtureConfig, SourceConfig
from seed_grpo.data.prompts import PromptSet, load_prompts
from seed_grpo.data.source import Prompt, PromptSource
from seed_grpo.errors import CheckpointError


class LoadedSet(NamedTuple):
    """A data set of a run with its prompts."""

    config: SourceConfig
    loaded: PromptSet

    @property
    def ratio(self) -> float:
        """Share of the run's prompts, in proportion to those of the other sets."""
        return self.config.ratio or float(len(self.loaded.prompts))


def load_sets(config: MixtureConfig, tokenizer: Any) -> list[LoadedSet]:
    """Reads and encodes all data sets of a run; problems of `data.sources` have their set's name before their ids.

    Raises:
        DataError, ConfigError, ModelError: as `load_prompts`, for the first set at fault.
    """
    sets = [LoadedSet(each, load_prompts(each, tokenizer)) for each in config.sets]
    return [_named(each) for each in sets] if config.sources else sets


def _named(each: LoadedSet) -> LoadedSet:
    name = each.config.label
    prompts = [(replace(problem, dataset=name, id=f"{name}/{problem.id}"), ids) for problem, ids in each.loaded.prompts]
    return each._replace(loaded=each.loaded._replace(prompts=prompts))


def prompt_source(sets: Sequence[LoadedSet], seed: int) -> PromptSource | MixedSource:
    """The order in which a run takes its prompts.

    Args:
        seed: of the run.
    """
    sources = {each.config.label: PromptSource(each.loaded.prompts, seed, each.config.shuffle) for each in sets}
    if len(sources) == 1:
        return next(iter(sources.values()))
    return MixedSource(sources, {each.config.label: each.ratio for each in sets})


def all_prompts(sets: Sequence[LoadedSet]) -> list[Prompt]:
    """Every prompt of all sets once, mixed in proportion to the sets' sizes, each set in its own order."""
    if len(sets) == 1:
        return sets[0].loaded.prompts
    sources = {each.config.label: PromptSource(each.loaded.prompts, 0, shuffle=False) for each in sets}
    sizes = {each.config.label: float(len(each.loaded.prompts)) for each in sets}
    return MixedSource(sources, sizes).take(int(sum(sizes.values())))


class MixedSource:
    """Several prompt sources, mixed by ratio.

    Invariant: `restore(state())` of another one over the same sources and ratios goes on with the very prompts that
    this one would hand out next.
    """

    def __init__(self, sources: Mapping[str, PromptSource], ratios: Mapping[str, float]) -> None:
        """Starts before the first prompt of each source.

        Args:
            sources: by name, at least one.
            ratios: by name, each above 0.
        """
        self._sources, self._ratios = sources, ratios

    def take(self, number: int) -> list[Prompt]:
        """The next prompts."""
        return [self._next() for _ in range(number)]

    def _next(self) -> Prompt:
        name = min(self._sources, key=lambda name: (self._sources[name].taken + 0.5) / self._ratios[name])
        (prompt,) = self._sources[name].take(1)
        return prompt

    def state(self) -> dict[str, Any]:
        """Position in each source, as JSON."""
        return {name: source.state() for name, source in self._sources.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes to where `state` was taken.

        Raises:
            CheckpointError: the state is of other sources, or of sources over other problems.
        """
        if list(state) != list(self._sources):
            raise CheckpointError(
                f"the checkpoint's data cursor is of {', '.join(state)}, the configuration names "
                f"{', '.join(self._sources)}; resume with the data section that the run was started with"
            )
        for name, source in self._sources.items():
            source.restore(state[name])
