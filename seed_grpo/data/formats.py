"""Formats of RL prompt data sets: the columns in which each library's documentation puts problem, answer and id.

Consumes a record of a set; produces the `Layout` of the set. A format is recognised by a pair of columns that a record
has, a problem's and its answer's. Where several fit, `plain` comes first, then the order of the table; what else fitted
is said. Some records of a format have no answer to compare, but a task for a judge of that library's own: these are
malformed here, as is said of each. A new format is one entry of `FORMATS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from seed_grpo.config.sections import ColumnsConfig
from seed_grpo.data.values import BadRecordError
from seed_grpo.data.values.paths import value_or_none
from seed_grpo.errors import DataError

Record = Mapping[str, Any]

MEDIA = ("images", "image", "videos", "video", "audios", "audio")
"""columns of what belongs to a problem beside its text"""
OTHER_ENVIRONMENTS = ("lcb", "search", "searchcode", "text2sql")
"""SkyRL's, whose reward is more than one answer's"""
TEXT_VERIFIERS = ("flan", "puzzle", "re_search_f1", "string_f1", "string_matcher")
"""open-instruct's, besides those of mathematics, that compare with an answer"""
OWN_REWARD = "name the columns in data.columns to use such records, with a reward of your own"


class Format(NamedTuple):
    """Places of a problem's parts in one library's data sets."""

    pairs: tuple[tuple[str, str], ...]
    """columns of problem and answer; the first pair that a record has counts"""
    id: str = "id"
    source: str = "source"
    subject: str = "subject"
    repeats: bool = False
    """ids are numbers of a preparing script's rows, which come again with their records, and with other files"""
    answers_last: bool = False
    """the last turn of a conversation may be the assistant's answer, which is no part of the prompt"""
    check_task: Callable[[Record], None] = lambda record: None
    """refuses a record whose task is not one of answers"""


class Layout(NamedTuple):
    """Places of a problem's parts in one set."""

    name: str
    """name of the format, or `data.columns says`"""
    columns: ColumnsConfig
    format: Format
    others: str = ""
    """columns that other formats would take, as the end of a sentence"""
    unknown: str = ""
    """advice where a column is missing in a set that is of no known format"""

    def check(self, record: Record) -> None:
        """Refuses a record of a format that cannot be trained on as it is; columns that the user named are as meant.

        Raises:
            BadRecordError: its problem has pictures, or its task is not one of answers.
        """
        if self.name not in FORMATS:
            return
        for column in MEDIA:
            if record.get(column):
                raise BadRecordError(f"field {column!r} is there, and prompts are of text alone; {OWN_REWARD}")
        self.format.check_task(record)

    @property
    def answer_in_problem(self) -> bool:
        """Tells whether the answer is a turn of the conversation that holds the problem."""
        turn = re.escape(self.columns.problem) + r"\.-?\d+\.(?:content|value)"
        return re.fullmatch(turn, self.columns.answer or "") is not None


def layout_of(record: Record, name: str) -> Layout | None:
    """The layout of a record.

    Args:
        name: of a format, or `auto`.

    Returns:
        None where it is not of the format, or of none.
    """
    fits = {each: pair for each, known in FORMATS.items() if name in ("auto", each) and (pair := _pair(known, record))}
    if not fits:
        return None
    (first, pair), *others = fits.items()
    columns = ColumnsConfig(problem=pair[0], answer=pair[1], id=FORMATS[first].id)
    return Layout(first, columns, FORMATS[first], _other_readings(pair, others))


def plain_layout(columns: ColumnsConfig | None) -> Layout:
    """The layout of columns that the user has named, or the plain one."""
    return Layout("data.columns says" if columns else "plain", columns or ColumnsConfig(), FORMATS["plain"])


def unknown_layout(records: Sequence[Record], name: str) -> Layout:
    """The plain layout, for a set of no known format.

    Raises:
        DataError: the user named a format, and no record is of it.
    """
    if name == "auto":
        unknown = (
            f"the set is of no known format ({', '.join(FORMATS)}): name its columns in data.columns, "
            "with answer: null if it has no answers"
        )
        return plain_layout(None)._replace(unknown=unknown)
    there = ", ".join(map(str, records[0])) if records else "nothing that can be read"
    pairs = " or ".join(" and ".join(pair) for pair in FORMATS[name].pairs)
    raise DataError(
        f"data.format={name} needs the columns {pairs}, and none of the first {len(records)} records has them (the "
        f"first has: {there}); set data.format=auto, or name the columns in data.columns"
    )


def _pair(known: Format, record: Record) -> tuple[str, str] | None:
    return next((pair for pair in known.pairs if all(_has(record, column) for column in pair)), None)


def _has(record: Record, column: str) -> bool:
    try:
        return value_or_none(record, column) is not None
    except BadRecordError:  # the path leads into a text
        return False


def _other_readings(pair: tuple[str, str], others: Sequence[tuple[str, tuple[str, str]]]) -> str:
    different = [
        f"data.format={name} would take {problem} and {answer}"
        for name, (problem, answer) in others
        if (problem, answer) != pair and not answer.startswith(f"{problem}.")
    ]
    return f"; {', '.join(different)}" if different else ""


def _check_verl(record: Record) -> None:
    style, ability = value_or_none(record, "reward_model.style"), record.get("ability")
    if style is not None and not str(style).startswith("rule"):
        raise BadRecordError(f"field 'reward_model.style' is {style!r}, not 'rule': a model judges it; {OWN_REWARD}")
    if ability in ("code", "coding"):
        raise BadRecordError(f"field 'ability' is {ability!r}, whose reference is tests, no answer; {OWN_REWARD}")


def _check_skyrl(record: Record) -> None:
    method, environment = value_or_none(record, "reward_spec.method"), record.get("env_class")
    if method not in (None, "rule"):
        raise BadRecordError(f"field 'reward_spec.method' is {method!r}, not 'rule': a model judges it; {OWN_REWARD}")
    if environment in OTHER_ENVIRONMENTS:
        raise BadRecordError(f"field 'env_class' is {environment!r}, an environment of more than answers; {OWN_REWARD}")


def _check_open_instruct(record: Record) -> None:
    named = record.get("dataset")
    verifiers = named if isinstance(named, list) else [] if named is None else [named]
    if len(verifiers) > 1:
        raise BadRecordError(f"field 'dataset' names {len(verifiers)} verifiers, {verifiers!r:.80}; {OWN_REWARD}")
    for verifier in (str(each).lower() for each in verifiers):
        if "math" not in verifier and "gsm" not in verifier and verifier not in TEXT_VERIFIERS:
            raise BadRecordError(
                f"field 'dataset' is {verifier!r}, a verifier that compares with no answer; {OWN_REWARD}"
            )


def _pairs(problems: Sequence[str], answers: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple((problem, answer) for problem in problems for answer in answers)


FORMATS: dict[str, Format] = {
    "plain": Format((("problem", "answer"),)),
    "verl": Format(
        (("prompt", "reward_model.ground_truth"),),
        "extra_info.index",
        "data_source",
        "ability",
        repeats=True,
        check_task=_check_verl,
    ),
    "skyrl": Format(
        (("prompt", "reward_spec.ground_truth"),),
        "extra_info.index",
        "data_source",
        "env_class",
        repeats=True,
        check_task=_check_skyrl,
    ),
    "open_instruct": Format(
        (("messages", "ground_truth"),), source="dataset", answers_last=True, check_task=_check_open_instruct
    ),
    "trl": Format(_pairs(("prompt", "messages"), ("solution", "answer", "ground_truth"))),
    "openrlhf": Format(
        _pairs(("input", "context_messages", "prompt", "messages"), ("label", "answer")), source="datasource"
    ),
    "oat": Format((*_pairs(("input", "question", "problem"), ("gt_answer", "final_answer")), ("prompt", "output"))),
    "nemo_rl": Format(
        (*_pairs(("problem", "input"), ("expected_answer", "output")), ("messages", "messages.-1.content")),
        source="task_name",
    ),
}
"""formats by their names in `data.format`; where several fit, the first counts"""
