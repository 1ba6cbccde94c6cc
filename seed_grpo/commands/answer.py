"""`seed-grpo answer`: answers to problems, drawn on the rollout pool by the rule of `evaluate.metrics.early_stopping`.

Consumes problems and the rule; produces for each problem the majority answer with its confidence, or none. All problems
that need more answers are sampled in one round, so the engines work on many at once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from seed_grpo.commands.console import Console
from seed_grpo.commands.doctor import load_policy_tokenizer
from seed_grpo.commands.sampled_model import served, serving_config
from seed_grpo.config import Config
from seed_grpo.data.prompts import encode_prompts, load_prompts
from seed_grpo.data.source import Prompt
from seed_grpo.errors import ConfigError, DataError, RolloutError
from seed_grpo.evaluate.metrics.early_stopping import Rule
from seed_grpo.evaluate.metrics.pass_at_k import majority_at_k
from seed_grpo.evaluate.sampling import ask
from seed_grpo.extensions import install
from seed_grpo.loop.interfaces import Sampler
from seed_grpo.messages import Group, GroupTask, Problem, Sampling
from seed_grpo.records.files import claimed, write_atomically
from seed_grpo.records.rollout_table import RecordedGroup, recorded, rollout_rows
from seed_grpo.seeds import Use, derive_seed
from seed_grpo.verify.worker import VerifierWorker


@dataclass(frozen=True)
class Answer:
    """Answer to one problem."""

    problem_id: str
    problem: str
    answer: str | None
    """the chosen answer as it was first written; None if the policy abstains or has none"""
    confidence: float
    """share of the drawn answers that mean the same as it"""
    semantic_entropy: float
    """nats, of the drawn answers"""
    samples: int
    """number of answers drawn"""
    right: float | None
    """correctness of the majority in [0, 1], below 1 if wrong answers tie with it; None without a reference"""


def answer_with_model(
    model: str,
    texts: Sequence[str],
    sets: Sequence[str],
    limits: tuple[int, int, int, float],
    least: float,
    directory: Path,
    settings: Path | None,
    overrides: Sequence[str],
) -> list[Answer]:
    """Answers problems with a model, or that of a run, with the settings of `serving_config`.

    Args:
        limits: `first`, `more`, `most` and `threshold` of the rule.
        texts, sets, least: as for `answer`.

    Returns, Raises: as `answer`; ConfigError where nothing is asked, or the rule's limits contradict each other.
    """
    if not texts and not sets:
        raise ConfigError("nothing to answer: give --problem TEXT, --sets SET,..., or both")
    rule = Rule(*limits)  # before the settings are read, which would refuse a wrong number of answers less clearly
    config = serving_config(model, rule.most, directory, settings, overrides)
    return answer(config, texts, sets, rule, least)


def answer(config: Config, texts: Sequence[str], sets: Sequence[str], rule: Rule, least: float) -> list[Answer]:
    """Answers all problems, and writes the answers into `answers.jsonl` too.

    Args:
        config: of `serving_config`.
        texts: problems without a reference.
        sets: as `data.source`.
        rule: when to draw more.
        least: confidence below which the policy abstains.

    Returns:
        one each, but for problems that workers failed on again and again.

    Raises:
        SeedGrpoError: with what to change.
    """
    install(config.run.code)
    prompts, notes = _prompts(config, texts, sets)
    with claimed(config.run.directory), Console(total_steps=1) as console:
        for note in notes:
            console.log(f"note: {note}")
        verifier = VerifierWorker(config.verifier, config.algo.semantic_entropy)
        try:
            with served(config, console) as pipeline:
                groups = draw(config, prompts, rule, pipeline, verifier, console)
        finally:
            verifier.close()
        answers = [_answer(group, least) for group in groups]
        lines = "".join(json.dumps(asdict(each)) + "\n" for each in answers)
        write_atomically(config.run.directory / "answers.jsonl", lines.encode())
        _tell(answers, console)
    return answers


def _prompts(config: Config, texts: Sequence[str], sets: Sequence[str]) -> tuple[list[Prompt], list[str]]:
    """All prompts, and notes on them for the user."""
    tokenizer = load_policy_tokenizer(config)
    prompts: list[Prompt] = []
    notes: list[str] = []
    if texts:
        given = [Problem(f"problem-{number}", text, ()) for number, text in enumerate(texts, 1)]
        prompts, too_long, told, _ = encode_prompts(given, config.data, tokenizer)
        notes += told
        if too_long:
            raise DataError(
                f"the prompts of {too_long} problems are longer than data.max_prompt_tokens="
                f"{config.data.max_prompt_tokens}; raise it"
            )
    for name in sets:
        prompt_set = load_prompts(config.data.model_copy(update={"source": name, "sources": ()}), tokenizer)
        prompts += prompt_set.prompts
        notes += [f"{name}: {remark}" for remark in prompt_set.remarks]
    return prompts, notes


def draw(
    config: Config,
    prompts: Sequence[Prompt],
    rule: Rule,
    pipeline: Sampler,
    verifier: VerifierWorker,
    console: Console,
) -> list[RecordedGroup]:
    """Draws answers in rounds until the rule wants no more for any problem. A problem that workers fail on keeps the
    answers it has.

    Raises:
        RolloutError: workers failed on all problems.
    """
    drawn: dict[int, Group] = {}
    groups: dict[int, RecordedGroup] = {}
    open_problems, size = list(range(len(prompts))), 0
    for further in np.diff([0, *rule.sizes]):
        size += int(further)
        console.log(f"drawing {further} answers each to {len(open_problems)} of {len(prompts)} problems, {size} in all")
        tasks = [_task(config, index, prompts[index], int(further), size) for index in open_problems]
        for judged in ask(pipeline, tasks, config.rollout, console.log):
            index = judged.group.task.group_id
            before = drawn[index].completions_G if index in drawn else ()
            drawn[index] = replace(judged.group, completions_G=(*before, *judged.group.completions_G))
            (groups[index],) = recorded(rollout_rows(0, [verifier.judge_group(drawn[index])], {}))
        open_problems = [
            index for index in open_problems if index in groups and rule.goes_on(size, groups[index].semantic_entropy)
        ]
        if not open_problems:
            break
    if not groups:
        raise RolloutError(f"none of {len(prompts)} problems could be sampled and judged; see the causes above")
    return [groups[index] for index in sorted(groups)]


def _task(config: Config, index: int, prompt: Prompt, count: int, size: int) -> GroupTask:
    """A task for further answers to a problem, which will then have `size` of them."""
    rollout, (problem, prompt_ids) = config.rollout, prompt
    seed = derive_seed(config.run.seed, Use.ANSWER, index, size)
    sampling = Sampling(count, rollout.temperature, rollout.top_p, rollout.max_completion_tokens, seed)
    return GroupTask(index, problem, tuple(prompt_ids), sampling)


def _answer(group: RecordedGroup, least: float) -> Answer:
    ids_n = group.class_ids_G[[text is not None for text in group.answers_G]]
    counts_C = np.bincount(ids_n[ids_n >= 0], minlength=1)
    best, confidence = int(counts_C.argmax()), float(counts_C.max() / len(group.answers_G))
    classified = zip(group.answers_G, group.class_ids_G, strict=True)
    written = [text for text, class_id in classified if text is not None and class_id == best]
    num_valid = int(np.sum(group.valid_G))
    is_known = bool(group.references) and num_valid > 0
    return Answer(
        group.problem_id,
        group.prompt,
        written[0] if written and confidence >= least else None,
        confidence,
        group.semantic_entropy,
        len(group.answers_G),
        majority_at_k(group, num_valid) if is_known else None,
    )


def _tell(answers: Sequence[Answer], console: Console) -> None:
    for each in answers[:20]:
        said = "no answer" if each.answer is None else each.answer
        console.log(f"{each.problem[:60]}  {said[:60]}  ({each.confidence:.0%} of {each.samples} answers)")
    given = [each for each in answers if each.answer is not None]
    known = [each.right for each in given if each.right is not None]
    samples = sum(each.samples for each in answers) / len(answers)
    right = f", {sum(known) / len(known):.1%} of {len(known)} right" if known else ""
    console.log(f"{len(given)} of {len(answers)} problems answered{right}; {samples:.1f} answers drawn of each")
