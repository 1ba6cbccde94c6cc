"""Checks before anything starts, and the page of `seed-grpo doctor` about them.

Consumes the configuration; produces the prompts of the run, or the first error. Versions, model, data and placement
are looked at; no device is touched, no worker started.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from seed_grpo import __version__
from seed_grpo.commands.console import Page
from seed_grpo.commands.own_code import check_own_code
from seed_grpo.config import Config
from seed_grpo.config.checks import PLACES, check_sampling
from seed_grpo.config.sections import DataConfig, VerifierConfig
from seed_grpo.data.mixture import LoadedSet, all_prompts, load_sets
from seed_grpo.data.prompts import PromptSet, shown
from seed_grpo.data.source import Prompt
from seed_grpo.data.survey import survey
from seed_grpo.errors import ConfigError, ModelError
from seed_grpo.extensions import install
from seed_grpo.records.trackers.process import described
from seed_grpo.runtime.cluster.placement import (
    KINDS,
    check_plan,
    cluster_address,
    machine_cpus,
    machine_gpus,
    make_plan,
)

UPLOADS = "runtime_resources"
"""Ray's folder of the working directories that jobs brought with them"""


@dataclass(frozen=True)
class Prepared:
    """Tokenizer and data of a run."""

    tokenizer: Any
    train: list[LoadedSet]
    """data sets to train on"""
    held_out: list[Prompt] | None
    """prompts to evaluate on, `evaluation.num_problems` at most; those of several sets are mixed in proportion to their
    sizes"""
    notes: list[str]
    """oddities of the data, one line each"""


def prepare(config: Config) -> Prepared:
    """Checks everything that can be checked without starting anything, and reads the data.

    Raises:
        SeedGrpoError: the first fault.
    """
    check_versions(config)
    check_sampling(config)
    check_machine(config)
    check_directory(config)
    check_engine(config)
    install(config.run.code)
    tokenizer = load_policy_tokenizer(config)
    check_model(config, tokenizer)
    train = load_sets(config.data, tokenizer)
    check_sets(train, config.rollout.prompts_per_step, "rollout.prompts_per_step")
    evaluated = load_sets(config.evaluation.data, tokenizer) if config.evaluation is not None else []
    check_own_code(config, train, evaluated)
    notes = sets_notes(config, [*train, *evaluated])
    held_out = None
    if config.evaluation is not None:
        held_out = all_prompts(evaluated)[: config.evaluation.num_problems]
    return Prepared(tokenizer, train, held_out, notes)


def check_versions(config: Config) -> str:
    """Checks the versions of the packages that the program is pinned to.

    Raises:
        ConfigError: one of them is missing or of another version, or the program is: a job may be newer
            than its image, whose entry points the engines load.
    """
    extra = "cpu" if config.cluster.device == "cpu" else "gpu"
    found, faults = [], []
    if (installed := metadata.version("seed-grpo")) != __version__:
        faults.append(f"seed-grpo {installed} is installed, but {__version__} is running")
    for line in metadata.requires("seed-grpo") or []:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            faults.append(f"{requirement.name} is missing")
            continue
        if requirement.specifier:
            found.append(f"{requirement.name} {version}")
            if not requirement.specifier.contains(version, prereleases=True):
                faults.append(f"{requirement.name} is {version}, {requirement.specifier} is needed")
    if faults:
        raise ConfigError(f"{'; '.join(faults)}; run docker/setup.sh {extra}")
    return ", ".join(found)


def check_machine(config: Config) -> str:
    """Checks the placement plan against this machine, unless the run goes to a cluster elsewhere.

    Raises:
        PlacementError: it does not fit.
    """
    plan = make_plan(config)
    workers = ", ".join(f"{p.num_workers} {p.kind} ({p.cpus:g} CPU, {p.gpus:g} GPU each)" for p in plan.pools)
    needs = f"{workers}; {plan.cpus:g} CPU and {plan.gpus:g} GPU in all"
    address = cluster_address(config)
    if address is not None:
        return f"{needs}; on the cluster at {address}, checked when the run starts"
    cpus, gpus = machine_cpus(), machine_gpus()
    check_plan(plan, [{"CPU": cpus, "GPU": gpus, **dict.fromkeys(KINDS, 1.0)}], "this machine")
    return f"{needs}; this machine has {cpus} and {gpus}"


def check_engine(config: Config) -> str:
    """Checks that vLLM knows the further arguments of the engines; their values it checks when an engine starts.

    Raises:
        ConfigError: it does not know one.
    """
    given = config.rollout.engine_args
    if not given:
        return "no further arguments (rollout.engine_args)"
    from seed_grpo.rollout.vllm.startup import check_engine_args  # loads vLLM, which takes ten seconds

    check_engine_args(given)
    return f"further arguments for vLLM: {', '.join(given)}"


def check_directory(config: Config) -> str:
    """Checks the directory in which the run leaves its records.

    Raises:
        ConfigError: in the upload of a Ray job, which goes with the job, or where this program cannot write.
    """
    check_outlives_job("run.directory", config.run.directory)
    directory = config.run.directory.resolve()
    try:
        there = next(folder for folder in (directory, *directory.parents) if folder.exists())
    except OSError as error:  # of a name that is too long
        raise ConfigError(f"run.directory={directory}: {error.strerror}; choose another") from error
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        why = "cannot be written to" if there.is_dir() else "is a file"
        raise ConfigError(f"run.directory={directory}: {there} {why}; choose another run.directory")
    return f"{directory}"


def check_outlives_job(name: str, folder: Path) -> None:
    """Refuses to write into the upload of a Ray job.

    Args:
        name: of what names the folder, for the message.

    Raises:
        ConfigError: it lies there.
    """
    if UPLOADS in folder.resolve().parts:
        raise ConfigError(
            f"{name}={folder} lies in the working directory that Ray uploaded for this job, and would be deleted with "
            "it; give an absolute folder that all machines share"
        )


def load_policy_tokenizer(config: Config) -> Any:
    """Loads the policy's tokenizer.

    Raises:
        ModelError: the model is not where the configuration says; names what to change.
    """
    if config.warm_start is not None and not Path(config.model.path, "config.json").is_file():
        raise ModelError(f"model.path={config.model.path} holds no model yet; make it with `seed-grpo warm-start`")
    from seed_grpo.train.model import load_tokenizer  # loads torch, which takes seconds

    return load_tokenizer(config.model)


def check_model(config: Config, tokenizer: Any) -> str:
    """Checks that the policy's folder holds a whole model that can be trained, and all that an export needs.

    Raises:
        ModelError: says what is missing, left over or of another shape, by name.
    """
    from seed_grpo.pretrained.fit import check_weights
    from seed_grpo.pretrained.small_files import read_small_files

    found = check_weights(config.model, trains=True)
    if found is None:
        return "its weights are not on this machine, and are checked when they are loaded"
    read_small_files(config.model, tokenizer)
    return found


def check_prompts(data: DataConfig, prompts: PromptSet, needed: int, what: str) -> str:
    """Checks that a data set is large enough.

    Raises:
        ConfigError: it is not.
    """
    facts = (
        f"{data.source_name}: {len(prompts.prompts)} prompts, {prompts.skipped} malformed records left out, "
        f"{prompts.too_long} longer than {data.max_prompt_tokens} tokens left out"
    )
    if len(prompts.prompts) < needed:
        raise ConfigError(f"{facts}; {what} needs {needed} prompts: take more data, or lower it")
    return facts


def check_sets(sets: Sequence[LoadedSet], needed: int, what: str) -> list[str]:
    """Checks that the data sets of a run are large enough together; facts of each.

    Raises:
        ConfigError: they are not.
    """
    total = sum(len(each.loaded.prompts) for each in sets)
    alone = needed if len(sets) == 1 else 1
    facts = [check_prompts(each.config, each.loaded, alone, what) for each in sets]
    if total < needed:
        raise ConfigError(f"{'; '.join(facts)}; {what} asks for {needed}: take more data, or lower it")
    return facts


def data_notes(verifier: VerifierConfig, data: DataConfig, prompts: PromptSet) -> list[str]:
    """Sentences on what is odd about the problems of a set, and on what was done to their prompts.

    Args:
        verifier: settings for the set's answers.
    """
    problems = [problem for problem, _ in prompts.prompts]
    sentences = [*survey(problems, verifier.relation), *prompts.remarks]
    if silent := prompts.not_asking.get(verifier.extraction, 0):
        sentences.append(
            f"{silent} of {len(problems)} prompts do not ask for the answer {PLACES[verifier.extraction]}, where "
            f"verifier.extraction={verifier.extraction} looks for it; ask for it in data.instruction, or look elsewhere"
        )
    return [f"{data.source_name}: {sentence}" for sentence in sentences]


def sets_notes(config: Config, sets: Sequence[LoadedSet]) -> list[str]:
    """Sentences of `data_notes` on several sets."""
    return [note for each in sets for note in _notes_of(config, each)]


def _notes_of(config: Config, each: LoadedSet) -> list[str]:
    template, trained = each.config.template, {own.template for own in config.data.sets}
    other = f"{each.config.source_name}: data.template={template} is that of no set to train on ({', '.join(trained)})"
    notes = data_notes(config.verifier_of(each.config), each.config, each.loaded)
    return notes if template in trained else [*notes, other]


def check_batch(config: Config) -> str:
    """Describes the arithmetic of a step, which the configuration has checked."""
    rollout, trainer = config.rollout, config.trainer
    rows = config.completions_per_step
    longest = config.data.max_prompt_tokens + rollout.max_completion_tokens
    least = trainer.tokens_per_micro_batch // longest
    return (
        f"{rollout.prompts_per_step} prompts x {rollout.completions_per_prompt} completions = {rows} rows a step, "
        f"{trainer.epochs * trainer.mini_batches} updates of {rows // trainer.mini_batches} rows; a row has at most "
        f"{longest} tokens, a micro-batch of {trainer.tokens_per_micro_batch} tokens holds at least {least}"
    )


class _Data:
    """Tokenizer and data of a run, each read once."""

    def __init__(self, config: Config) -> None:
        self._config = config

    @cached_property
    def tokenizer(self) -> Any:
        return load_policy_tokenizer(self._config)

    @cached_property
    def train(self) -> list[LoadedSet]:
        return load_sets(self._config.data, self.tokenizer)

    @cached_property
    def held_out(self) -> list[LoadedSet]:
        return [] if self._config.evaluation is None else load_sets(self._config.evaluation.data, self.tokenizer)


def diagnose(config: Config, page: Page) -> None:
    """Checks without starting anything: the page of `seed-grpo doctor`."""
    data, needed = _Data(config), config.rollout.prompts_per_step
    page.check("versions", check_versions, config)
    page.check("placement", check_machine, config)
    page.check("records", check_directory, config)
    page.check("trackers", described, config.run.trackers)
    page.check("batch", check_batch, config)
    page.check("sampling", check_sampling, config)
    page.check("engine", check_engine, config)
    page.check("code", _describe_code, config)
    page.check("weights", _describe_sync, config)
    page.check("model", lambda: _describe_model(config, data.tokenizer))
    is_whole = page.check("data", lambda: _describe_data(config, data.train, data.tokenizer, needed))
    if config.evaluation is not None:
        is_whole &= page.check("evaluation", lambda: _describe_data(config, data.held_out, data.tokenizer, 1))
    if is_whole:
        page.check("own code", lambda: check_own_code(config, data.train, data.held_out))


def _describe_code(config: Config) -> str:
    copies = install(config.run.code)
    return f"run.code: {', '.join(path.name for path in copies)}" if copies else "none of your own (run.code)"


def _describe_sync(config: Config) -> str:
    return f"over {config.transport}, canary within {config.canary_tolerance:g} nats"


def _describe_model(config: Config, tokenizer: Any) -> str:
    found = check_model(config, tokenizer)
    return f"{config.model.path}, {config.model.dtype}, {len(tokenizer)} tokens in the vocabulary; {found}"


def _describe_data(config: Config, sets: Sequence[LoadedSet], tokenizer: Any, needed: int) -> str:
    lines = []
    for each, facts in zip(sets, check_sets(sets, needed, "a step"), strict=True):
        prompts = each.loaded.prompts
        longest = max(len(prompt_ids) for _, prompt_ids in prompts)
        share = f"; {each.ratio / sum(other.ratio for other in sets):.1%} of the prompts" if len(sets) > 1 else ""
        lines += [f"{facts}; the longest prompt has {longest} tokens{share}"]
        lines += filter(None, [each.loaded.taken])
        lines += [f"note: {note}" for note in _notes_of(config, each)]
        lines += shown(prompts[0][1], tokenizer)
    return "\n".join(lines)
