"""The Parquet tables of completions: a row each, for runs (`rollouts/`) and evaluations alike.

Consumes judged groups, and the estimates that the trained ones were trained with; produces rows, and reads them back as
`RecordedGroup`s for metrics, reports, replays and audits. It writes nothing (`records.files` does).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seed_grpo.data.source import Prompt, prompts_fingerprint
from seed_grpo.errors import CheckpointError
from seed_grpo.messages import Completion, JudgedGroup, Verdict

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = {
    "step": "int64",
    "group_id": "int64",
    "problem_id": "string",
    "source": "string",
    "level": "string",
    "subject": "string",
    "dataset": "string",  # name in data.sources; empty where a run has one data set
    "completion": "int32",  # index in the group
    "prompt": "string",  # the problem statement, before the template
    "references": "list<string>",
    "prompt_sha256": "string",  # of the prompt's token ids, template included
    "temperature": "float64",  # 0: greedy
    "text": "string",
    "token_ids": "list<int32>",
    "logprobs": "list<halffloat>",  # nats, of the sampled tokens
    "verdict": "string",
    "answer": "string",  # null where none was extracted
    "parsed": "string",
    "rule": "string",  # that decided
    "judge_seconds": "float32",
    "class_id": "int32",  # -1 outside the partition
    "reward": "float32",  # weighted sum of all rewards, without punishment
    "reward_parts": "map<string, float>",  # each before its weight, by name; nan where it is not valid
    "valid": "bool",
    "overlong": "float32",  # what length adds to the reward; this and the next two are null where nothing was trained
    "advantage": "float32",  # scaled, as trained on
    "scale": "float64",
    "semantic_entropy": "float64",  # nats, of the group
    "finish_reason": "string",
    "num_tokens": "int32",
    "mean_logprob": "float64",  # nats per token; null without tokens
    "version_min": "int32",  # -1 without tokens
    "version_max": "int32",
    "rollout_worker": "string",
}
TOKEN_COLUMNS = ("token_ids", "logprobs")


@dataclass(frozen=True)
class Estimate:
    """Scale and advantages that a group was trained with."""

    scale: float
    overlong_G: np.ndarray
    """[G] in [-1, 0], addition to the reward for length"""
    advantages_G: np.ndarray
    """[G] scaled advantages"""


@dataclass(frozen=True)
class RecordedGroup:
    """The G completions of one prompt as they stand in a table, in the order of their seeds."""

    step: int
    group_id: int
    problem_id: str
    source: str
    level: str
    subject: str
    dataset: str
    prompt: str
    references: tuple[str, ...]
    prompt_sha256: str
    """fingerprint of the prompt's token ids"""
    temperature: float
    """sampling temperature; 0 is greedy"""
    semantic_entropy: float
    """nats, estimated when the group was judged"""
    scale: float | None
    """scale of the advantages; None if the group was not trained"""
    rollout_worker: str
    texts_G: tuple[str, ...]
    verdicts_G: tuple[Verdict, ...]
    answers_G: tuple[str | None, ...]
    parsed_G: tuple[str, ...]
    rules_G: tuple[str, ...]
    class_ids_G: np.ndarray
    """[G] int32; -1 outside the partition"""
    rewards_G: np.ndarray
    """[G] float64, before the addition for length"""
    reward_parts_G: tuple[Mapping[str, float], ...]
    """[G] each reward before its weight, by name; none where no reward was asked"""
    valid_G: np.ndarray
    """[G] bool"""
    overlong_G: np.ndarray
    """[G] float64, addition to the reward for length; nan if the group was not trained"""
    advantages_G: np.ndarray
    """[G] float64, scaled; nan if the group was not trained"""
    num_tokens_G: np.ndarray
    """[G] int32"""
    mean_logprobs_G: np.ndarray
    """[G] float64, nats per token; 0 without tokens, as `semantics.entropy.log_likelihood`"""
    finish_reasons_G: tuple[str, ...]
    versions_G: np.ndarray
    """[G, 2] int32, oldest and newest weight version of a token; -1 without tokens"""
    token_ids_G: tuple[np.ndarray, ...] | None
    """[G] arrays [T] int32; None if they were not read"""
    logprobs_G: tuple[np.ndarray, ...] | None
    """[G] arrays [T] float32 nats; None if they were not read"""

    @property
    def num_classes(self) -> int:
        """Number of meaning classes, C."""
        return int(self.class_ids_G.max(initial=-1)) + 1

    def is_of(self, prompt: Prompt) -> bool:
        """Tells whether the completions answer exactly this prompt, references and template included."""
        problem, prompt_ids = prompt
        now = (problem.id, problem.text, problem.answers, prompts_fingerprint([prompt_ids]))
        return (self.problem_id, self.prompt, self.references, self.prompt_sha256) == now


@cache
def schema() -> pa.Schema:
    """The Arrow schema of the table."""
    import pyarrow as pa

    lists = {"list<string>": pa.string(), "list<int32>": pa.int32(), "list<halffloat>": pa.float16()}

    def type_of(kind: str) -> pa.DataType:
        if kind == "map<string, float>":
            return pa.map_(pa.string(), pa.float32())
        return pa.list_(lists[kind]) if kind in lists else pa.type_for_alias(kind)

    return pa.schema([(name, type_of(kind)) for name, kind in COLUMNS.items()])


def rollout_rows(
    step: int, groups: Sequence[JudgedGroup], estimates: Mapping[int, Estimate]
) -> Iterator[dict[str, Any]]:
    """One row per completion, group by group.

    Args:
        step: the optimiser step.
        groups: [P].
        estimates: by group id, of those that were trained on; none in an evaluation.
    """
    for judged in groups:
        estimate = estimates.get(judged.group.task.group_id)
        for g, completion in enumerate(judged.group.completions_G):
            yield {
                **_group_columns(step, judged),
                **_completion_columns(judged, g, completion),
                "overlong": None if estimate is None else float(estimate.overlong_G[g]),
                "advantage": None if estimate is None else float(estimate.advantages_G[g]),
                "scale": None if estimate is None else float(estimate.scale),
            }


def recorded(rows: Iterable[Mapping[str, Any]]) -> Iterator[RecordedGroup]:
    """The groups of consecutive rows, with or without `TOKEN_COLUMNS`."""
    key = ("step", "group_id", "temperature")
    for _, group in groupby(rows, key=lambda row: tuple(row[name] for name in key)):
        yield _recorded_group(list(group))


def read_groups(files: Iterable[Path], tokens: bool = False, texts: bool = True) -> Iterator[RecordedGroup]:
    """The groups of tables, file by file, one file in memory at a time.

    Args:
        tokens: whether to read token ids and log-probabilities, which are most of a table.
        texts: whether to read the completions' texts; they are empty otherwise.
    """
    left_out = {*(() if tokens else TOKEN_COLUMNS), *(() if texts else ("text",))}
    names = [name for name in COLUMNS if name not in left_out]
    for file in files:
        yield from recorded(read_table(file, names).to_pylist())


def read_table(file: Path, columns: Sequence[str], filters: Any = None) -> pa.Table:
    """Some columns of a table of the run directory.

    Args:
        filters: as `pyarrow.parquet.read_table` has them.

    Raises:
        CheckpointError: the file is not there or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(file, columns=list(columns), filters=filters)
    except (OSError, pa.ArrowException) as error:
        raise CheckpointError(
            f"{file} cannot be read ({' '.join(str(error).split())[:200]}): it has changed since the run wrote it; "
            "restore it, or remove that step's files from rollouts/, evaluations/ and ledger/"
        ) from error


def subgroup(group: RecordedGroup, chosen: np.ndarray) -> RecordedGroup:
    """Some of a group's completions, as if no others had been sampled: their meaning classes are numbered anew. The
    group's own entropy stays what it was.

    Args:
        chosen: [g] indices of completions.
    """
    of_completions: dict[str, Any] = {
        name: values[chosen] if isinstance(values, np.ndarray) else tuple(values[i] for i in chosen)
        for name, values in vars(group).items()
        if name.endswith("_G") and values is not None
    }
    ids_g = of_completions["class_ids_G"]
    inside = ids_g >= 0
    numbered_g = np.full(len(ids_g), -1, dtype=np.int32)
    numbered_g[inside] = np.unique(ids_g[inside], return_inverse=True)[1]
    return replace(group, **(of_completions | {"class_ids_G": numbered_g}))


def tables(folder: Path) -> list[Path]:
    """The tables of a folder, in the order of their names, which is that of their steps."""
    return sorted(folder.glob("*.parquet"))


def _group_columns(step: int, judged: JudgedGroup) -> dict[str, Any]:
    problem = judged.group.task.problem
    return {
        "step": step,
        "group_id": judged.group.task.group_id,
        "problem_id": problem.id,
        "source": problem.source,
        "level": problem.level,
        "subject": problem.subject,
        "dataset": problem.dataset,
        "prompt": problem.text,
        "references": problem.answers,
        "prompt_sha256": prompts_fingerprint([judged.group.task.prompt_ids]),
        "temperature": judged.group.task.sampling.temperature,
        "semantic_entropy": float(judged.semantic_entropy),
        "rollout_worker": judged.group.worker,
    }


def _completion_columns(judged: JudgedGroup, g: int, completion: Completion) -> dict[str, Any]:
    judgement = judged.judgements_G[g]
    num_tokens = len(completion.token_ids_T)
    return {
        "completion": g,
        "text": completion.text,
        "token_ids": completion.token_ids_T,
        "logprobs": completion.logprobs_T.astype(np.float16),
        "verdict": str(judgement.verdict),
        "answer": judgement.answer,
        "parsed": judgement.parsed,
        "rule": judgement.rule,
        "judge_seconds": judgement.seconds,
        "class_id": int(judged.class_ids_G[g]),
        "reward": float(judged.rewards_G[g]),
        "reward_parts": {name: float(part_G[g]) for name, part_G in judged.reward_parts_G.items()},
        "valid": bool(judged.valid_G[g]),
        "finish_reason": str(completion.finish_reason),
        "num_tokens": num_tokens,
        "mean_logprob": float(completion.logprobs_T.mean(dtype=np.float64)) if num_tokens else None,
        "version_min": int(completion.versions_T.min()) if num_tokens else -1,
        "version_max": int(completion.versions_T.max()) if num_tokens else -1,
    }


def _recorded_group(rows: Sequence[Mapping[str, Any]]) -> RecordedGroup:
    first = rows[0]

    def column(name: str) -> tuple[Any, ...]:
        return tuple(row[name] for row in rows)

    def array(name: str, kind: type, instead: float = np.nan) -> np.ndarray:
        return np.array([instead if row[name] is None else row[name] for row in rows], dtype=kind)

    def tokens(name: str, kind: type) -> tuple[np.ndarray, ...] | None:
        return tuple(np.array(row[name], dtype=kind) for row in rows) if name in first else None

    return RecordedGroup(
        **{name: first[name] for name in ("step", "group_id", "problem_id", "source", "level", "subject")},
        **{name: first[name] for name in ("dataset", "prompt", "prompt_sha256")},
        references=tuple(first["references"]),
        **{name: first[name] for name in ("temperature", "semantic_entropy", "scale", "rollout_worker")},
        texts_G=column("text") if "text" in first else ("",) * len(rows),
        verdicts_G=tuple(Verdict(verdict) for verdict in column("verdict")),
        answers_G=column("answer"),
        parsed_G=column("parsed"),
        rules_G=column("rule"),
        class_ids_G=array("class_id", np.int32),
        rewards_G=array("reward", np.float64),
        reward_parts_G=tuple(map(dict, column("reward_parts"))),
        valid_G=array("valid", np.bool_),
        overlong_G=array("overlong", np.float64),
        advantages_G=array("advantage", np.float64),
        num_tokens_G=array("num_tokens", np.int32),
        mean_logprobs_G=array("mean_logprob", np.float64, 0.0),
        finish_reasons_G=column("finish_reason"),
        versions_G=np.stack([array("version_min", np.int32), array("version_max", np.int32)], axis=1),
        token_ids_G=tokens("token_ids", np.int32),
        logprobs_G=tokens("logprobs", np.float32),
    )
