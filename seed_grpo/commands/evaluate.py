"""`seed-grpo evaluate` and `seed_grpo.evaluate`: a model on named sets of problems, sampled on the rollout pool.

Consumes a configuration and names of sets; produces `responses/<set>/*.parquet`, every completion with its verdict, and
from them `results.json`, `results.md` and figures. Recorded completions are not sampled again: a command that was
stopped continues where it was, and one with a further set adds that set.
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from seed_grpo.commands.console import Console
from seed_grpo.commands.doctor import check_prompts, data_notes, load_policy_tokenizer
from seed_grpo.commands.sampled_model import check_same_sampling, is_run, served, serving_config
from seed_grpo.config import Config
from seed_grpo.config.loading import load_config
from seed_grpo.config.sections import DataConfig
from seed_grpo.data.datasets import load_problems
from seed_grpo.data.prompts import PromptSet, load_prompts
from seed_grpo.data.survey import normal_text
from seed_grpo.errors import ConfigError, DataError
from seed_grpo.evaluate.reports.results import Note, Results, measure
from seed_grpo.evaluate.reports.results_page import write_results
from seed_grpo.evaluate.sampling import ask, greedy_tasks, sampled_tasks
from seed_grpo.extensions import installing
from seed_grpo.loop.interfaces import Sampler
from seed_grpo.messages import GroupTask, JudgedGroup
from seed_grpo.records.files import claimed, write_table
from seed_grpo.records.rollout_table import RecordedGroup, read_groups, rollout_rows, schema, tables

GROUPS_PER_TABLE = 64
"""groups written at once; a program that is killed loses at most so many"""
LOG_EVERY_SECONDS = 10.0


@dataclass(frozen=True)
class Question:
    """A set of problems, encoded."""

    name: str
    prompts: PromptSet
    folder: Path
    """folder of the set's tables"""


@dataclass(frozen=True)
class Evaluation:
    """An evaluation as it is on disk."""

    directory: Path
    """folder with `results.json`, `results.md`, figures, and `responses/<set>/*.parquet`, every completion"""
    results: Results
    """accuracy, avg@G, pass@k and maj@k with 95% intervals, how well uncertainty tells wrong answers, and remarks"""


def evaluate(
    model: str | Path,
    sets: str | Sequence[str],
    samples: int = 16,
    directory: str | Path | None = None,
    settings: Path | None = None,
    overrides: Sequence[str] = (),
) -> Evaluation:
    """Evaluates a model: one greedy completion of each problem, and some sampled ones.

    Completions that are on record in the directory are not sampled again.

    Args:
        model: folder or hub id of a Hugging Face model, or the directory of a run, whose settings it then has.
        sets: one or more named sets, files or hub data sets, as `data.source`.
        samples: completions of each problem, at least 2.
        directory: folder to write into; None for `runs/evaluations/MODEL-kSAMPLES`.
        settings: YAML file of a run, to take the settings from.
        overrides: strings `section.key=value`.

    Raises:
        SeedGrpoError: with what to change; a directory that holds what was sampled with other settings is refused.
    """
    model = str(model)
    folder = Path(directory or Path("runs/evaluations") / f"{Path(model).name}-k{samples}")
    config = serving_config(model, samples, folder, settings, overrides)
    trained_on = load_config(Path(model) / "config.yaml").data if is_run(model) else None
    return evaluate_sets(config, [sets] if isinstance(sets, str) else sets, trained_on)


def evaluate_sets(config: Config, sets: Sequence[str], trained_on: DataConfig | None) -> Evaluation:
    """Samples what is missing, and writes the results.

    Args:
        config: `data` says how problems are rendered; its source is not looked at.
        sets: as `data.source`.
        trained_on: problems that the model has seen, which the results name.

    Raises:
        SeedGrpoError: as `evaluate`.
    """
    with ExitStack() as stack:
        stack.enter_context(installing(config.run.code))
        check_same_sampling(config)
        if not sets or len(set(sets)) < len(sets) or "" in sets:
            raise ConfigError(f"the sets {','.join(sets)!r}: name one set or more, each once")
        questions = [_question(config, name) for name in sets]
        seen, trouble = _seen(trained_on)
        stack.enter_context(claimed(config.run.directory))
        console = stack.enter_context(Console(total_steps=1))
        for question in questions:
            for note in data_notes(config.verifier, _data(config, question.name), question.prompts):
                console.log(f"note: {note}")
        missing = [(question, list(_missing(config, question, _recorded(question)))) for question in questions]
        if any(tasks for _, tasks in missing):
            with served(config, console) as pipeline:
                for question, tasks in missing:
                    _answer(config, question, tasks, pipeline, console)
        if trouble:
            console.log(trouble)
        recorded = [list(_recorded(question)) for question in questions]
        notes = [_note(config, *each, seen) for each in zip(questions, recorded, strict=True)]
        groups = [group for each in recorded for group in each]
        results = measure(groups, notes, config.algo.semantic_entropy, config.run.seed)
        console.log(write_results(config.run.directory, results).read_text())
        console.log(f"results, figures and responses: {config.run.directory}")
    return Evaluation(config.run.directory, results)


def _question(config: Config, name: str) -> Question:
    data = _data(config, name)
    prompts = load_prompts(data, load_policy_tokenizer(config))
    check_prompts(data, prompts, 1, "an evaluation")
    plain = re.sub(r"[^\w.-]+", "_", name)
    folder = plain if plain == name else f"{plain}-{_number(name):08x}"  # so that no two sets share one
    return Question(name, prompts, config.run.directory / "responses" / folder)


def _data(config: Config, name: str) -> DataConfig:
    return config.data.model_copy(update={"source": name, "sources": ()})


def _missing(config: Config, question: Question, recorded: Iterable[RecordedGroup]) -> Iterator[GroupTask]:
    """Tasks that are not on record yet, greedy completions first."""
    there = {(group.group_id, group.temperature == 0) for group in recorded}
    prompts, rollout = question.prompts.prompts, config.rollout
    sampled = sampled_tasks(prompts, rollout, config.run.seed, _number(question.name))
    for task in (*greedy_tasks(prompts, rollout), *sampled):
        if (task.group_id, task.sampling.temperature == 0) not in there:
            yield task


def _recorded(question: Question) -> Iterator[RecordedGroup]:
    """Recorded groups of the set's problems, under the name by which the user named the set.

    Raises:
        ConfigError: a prompt is not the one that was answered.
    """
    prompts = question.prompts.prompts
    for group in read_groups(tables(question.folder), texts=False):
        if group.group_id >= len(prompts):
            continue  # of a larger data.limit
        prompt = prompts[group.group_id]
        if not group.is_of(prompt):
            raise ConfigError(
                f"the set {question.name} or its template has changed: {question.folder} has answers to "
                f"{group.problem_id} at place {group.group_id}, and now the problem there is {prompt[0].id}, or has "
                "another text or prompt; write into another folder (--out), or delete this one"
            )
        yield replace(group, source=question.name)


def _answer(
    config: Config, question: Question, tasks: Sequence[GroupTask], pipeline: Sampler, console: Console
) -> None:
    """Samples greedy completions, then the others: both kinds have the same group ids, so they must not be in progress
    together."""
    for kind, is_greedy in (("greedy", True), ("sampled", False)):
        chosen = [task for task in tasks if (task.sampling.temperature == 0) == is_greedy]
        if chosen:
            judged = ask(pipeline, chosen, config.rollout, console.log)
            _store(question.folder, _telling(judged, f"{question.name}, {kind}", len(chosen), console))


def _store(folder: Path, judged: Iterable[JudgedGroup]) -> None:
    """Writes groups as they come, and the last few even if the program is stopped."""
    waiting: list[JudgedGroup] = []
    try:
        for group in judged:
            waiting.append(group)
            if len(waiting) == GROUPS_PER_TABLE:
                _write(folder, waiting)
                waiting = []
    finally:
        if waiting:
            _write(folder, waiting)


def _write(folder: Path, groups: Sequence[JudgedGroup]) -> None:
    numbers = [int(file.stem.removeprefix("part_")) for file in tables(folder)]
    file = folder / f"part_{max(numbers, default=-1) + 1:06d}.parquet"
    write_table(file, list(rollout_rows(0, groups, {})), schema())


def _telling(judged: Iterable[JudgedGroup], what: str, count: int, console: Console) -> Iterator[JudgedGroup]:
    """Logs now and then how many groups have come."""
    said = time.monotonic()
    for number, group in enumerate(judged, 1):
        yield group
        if number == count or time.monotonic() - said > LOG_EVERY_SECONDS:
            said = time.monotonic()
            console.log(f"{what}: {number} of {count} problems")


def _note(config: Config, question: Question, recorded: Iterable[RecordedGroup], seen: set[str]) -> Note:
    overlap = [problem.id for problem, _ in question.prompts.prompts if normal_text(problem) in seen]
    return Note(
        name=question.name,
        problems=len(question.prompts.prompts),
        left_out=len({task.group_id for task in _missing(config, question, recorded)}),
        too_long=question.prompts.too_long,
        max_prompt_tokens=config.data.max_prompt_tokens,
        trained_on=tuple(overlap),
    )


def _number(name: str) -> int:
    """Number of a set, so that problems at the same place in two sets get different seeds."""
    return zlib.crc32(name.encode())


def _seen(trained_on: DataConfig | None) -> tuple[set[str], str]:
    """Texts of the training set, or the error of reading it."""
    if trained_on is None:
        return set(), ""
    try:
        return {normal_text(problem) for problem in load_problems(trained_on).problems}, ""
    except DataError as error:
        return set(), f"the overlap with the training set was not looked at: {error}"
