"""Checks before anything starts, and the page of `seed-grpo doctor` about them.

Consumes the configuration; produces the prompts of the run, or the first error. Versions, model, data and placement
are looked at; no device is touched, no worker started.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from seed_grpo import __version__
from seed_grpo.commands.own_code import check_own_code, own_names
from seed_grpo.config import Config
from seed_grpo.config.checks import PLACES
from seed_grpo.config.sections import DataConfig
from seed_grpo.data.prompts import PromptSet, load_prompts, shown
from seed_grpo.data.survey import survey
from seed_grpo.errors import ConfigError, ModelError, SeedGrpoError
from seed_grpo.extensions import install
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

INDENT = " " * 9
"""of further lines of a check"""


@dataclass(frozen=True)
class Prepared:
    """Tokenizer and data of a run."""

    tokenizer: Any
    train: PromptSet
    held_out: PromptSet | None
    notes: list[str]
    """what is odd about the data"""


def prepare(config: Config) -> Prepared:
    """Checks everything that can be checked without starting anything, and reads the data.

    Raises:
        SeedGrpoError: the first fault.
    """
    check_versions(config)
    check_machine(config)
    check_directory(config)
    install(config.run.code)
    tokenizer = load_policy_tokenizer(config)
    check_model(config, tokenizer)
    train = load_prompts(config.data, tokenizer)
    check_own_code(config, train.prompts[0][0])
    check_prompts(config.data, train, config.rollout.prompts_per_step, "rollout.prompts_per_step")
    notes = data_notes(config, config.data, train)
    held_out = None
    if config.evaluation is not None:
        held_out = load_prompts(config.evaluation.data, tokenizer)
        check_prompts(config.evaluation.data, held_out, 1, "a single problem")
        notes += data_notes(config, config.evaluation.data, held_out)
    return Prepared(tokenizer, train, held_out, notes)


def check_versions(config: Config) -> str:
    """Versions of the packages that the program is pinned to.

    Raises:
        ConfigError: one of them is missing or of another version, or the program is: a job may be newer
            than its image, whose entry points the engines load.
    """
    extra = "cpu" if config.cluster.device == "cpu" else "gpu"
    found, faults = [], []
    if (installed := metadata.version("seed-grpo")) != __version__:
        faults.append(f"seed-grpo is installed as {installed}, and {__version__} is running")
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
    """The placement plan against this machine, unless the run goes to a cluster elsewhere.

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
            f"{name}={folder} would lie in the upload of this Ray job and go with it; give an absolute folder that all "
            "machines share"
        )


def load_policy_tokenizer(config: Config) -> Any:
    """The policy's tokenizer.

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
        f"{data.source}: {len(prompts.prompts)} prompts, {prompts.skipped} malformed records left out, "
        f"{prompts.too_long} longer than {data.max_prompt_tokens} tokens left out"
    )
    if len(prompts.prompts) < needed:
        raise ConfigError(f"{facts}; {what} asks for {needed}: take more data, or lower it")
    return facts


def data_notes(config: Config, data: DataConfig, prompts: PromptSet) -> list[str]:
    """Sentences on what is odd about the problems of a set, and on what was done to their prompts."""
    problems = [problem for problem, _ in prompts.prompts]
    sentences = [*survey(problems, config.verifier.relation), *prompts.remarks]
    extraction = config.verifier.extraction
    if silent := prompts.not_asking.get(extraction, 0):
        sentences.append(
            f"{silent} of {len(problems)} prompts do not ask for the answer {PLACES[extraction]}, where "
            f"verifier.extraction={extraction} looks for it; ask for it in data.instruction, or look elsewhere"
        )
    return [f"{data.source}: {sentence}" for sentence in sentences]


def check_batch(config: Config) -> str:
    """The arithmetic of a step; the configuration has checked that it works out."""
    rollout, trainer = config.rollout, config.trainer
    rows = config.completions_per_step
    longest = config.data.max_prompt_tokens + rollout.max_completion_tokens
    least = trainer.tokens_per_micro_batch // longest
    return (
        f"{rollout.prompts_per_step} prompts x {rollout.completions_per_prompt} completions = {rows} rows a step, "
        f"{trainer.epochs * trainer.mini_batches} updates of {rows // trainer.mini_batches} rows; a row has at most "
        f"{longest} tokens, a micro-batch of {trainer.tokens_per_micro_batch} tokens holds at least {least}"
    )


class Page:
    """Page of findings, printed line by line as they are found."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self.well = True

    def check(self, name: str, section: Callable[..., str], *arguments: Any) -> None:
        """Says what the section finds of its arguments, further lines under the first; or its error, which goes no
        further."""
        try:
            text = section(*arguments)
        except SeedGrpoError as error:
            self.fault(name, error)
        else:
            self._log(f"  ok     {name:<12} {text}".replace("\n", f"\n{INDENT}"))

    def fault(self, name: str, error: SeedGrpoError) -> None:
        """A line of what is wrong."""
        self.well = False
        self._log(f"  FAULT  {name:<12} {error}")


def diagnose(config: Config, page: Page) -> None:
    """Checks without starting anything: the page of `seed-grpo doctor`."""
    page.check("versions", check_versions, config)
    page.check("placement", check_machine, config)
    page.check("records", check_directory, config)
    page.check("batch", check_batch, config)
    page.check("code", _describe_code, config)
    page.check("weights", _describe_sync, config)
    page.check("model", _describe_model, config)
    page.check("data", _describe_data, config, config.data, config.rollout.prompts_per_step)
    if list(own_names(config)):
        page.check("own code", _try_code, config)
    if config.evaluation is not None:
        page.check("evaluation", _describe_data, config, config.evaluation.data, 1)


def _describe_code(config: Config) -> str:
    copies = install(config.run.code)
    return f"run.code: {', '.join(path.name for path in copies)}" if copies else "none of your own (run.code)"


def _try_code(config: Config) -> str:
    return check_own_code(config, load_prompts(config.data, load_policy_tokenizer(config)).prompts[0][0])


def _describe_sync(config: Config) -> str:
    return f"over {config.transport}, canary within {config.canary_tolerance:g} nats"


def _describe_model(config: Config) -> str:
    tokenizer = load_policy_tokenizer(config)
    found = check_model(config, tokenizer)
    return f"{config.model.path}, {config.model.dtype}, {len(tokenizer)} tokens in the vocabulary; {found}"


def _describe_data(config: Config, data: DataConfig, needed: int) -> str:
    tokenizer = load_policy_tokenizer(config)
    prompts = load_prompts(data, tokenizer)
    longest = max((len(prompt_ids) for _, prompt_ids in prompts.prompts), default=0)
    facts = f"{check_prompts(data, prompts, needed, 'a step')}; the longest prompt has {longest} tokens"
    notes = [f"note: {note}" for note in data_notes(config, data, prompts)]
    return "\n".join([facts, *notes, *shown(prompts.prompts[0][1], tokenizer)])
