"""The named data sets, and `load_problems`, which finds the source that `data.source` names.

A source is the generated task, a named set, or one or several files, folders, patterns of them and hub data sets. A
named set is a file in `data.directory` or in the folder that the environment variable SEED_GRPO_DATA names, or else is
loaded from the hub. It neither renders prompts nor orders them: see `templates` and `source`.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seed_grpo.arithmetic import task
from seed_grpo.config.sections import ColumnsConfig, DataConfig
from seed_grpo.data.files import SUFFIXES, Row, read_rows
from seed_grpo.data.formats import plain_layout
from seed_grpo.data.hub import hub_rows, is_saved, saved_rows
from seed_grpo.data.problem_files import Part, ProblemSet, Reading, read_problems, recognised
from seed_grpo.errors import DataError

DIRECTORY_VARIABLE = "SEED_GRPO_DATA"
OTHER_SUFFIXES = (
    ".txt", ".md", ".yaml", ".yml", ".xml", ".xlsx", ".xls", ".ods", ".feather", ".orc", ".avro", ".db",
    ".sqlite", ".pkl", ".pickle", ".npy", ".npz", ".pt", ".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst",
    ".ndjson", ".json5",
)  # fmt: skip
"""suffixes of files that cannot be read, and that no hub id ends in"""


@dataclass(frozen=True)
class NamedSet:
    """Place of a named set; a local file has the default columns."""

    stem: str
    """name of the local file without its suffix, one of `files.SUFFIXES`"""
    hub: str
    """hub id, with `:<configuration>` where it needs one"""
    split: str
    columns: ColumnsConfig
    """columns on the hub"""
    about: str


_DR_GRPO_SUITE = "lkevinzc/math-eval"  # its answers are lists, any one counts
_NO_ID = ColumnsConfig(id=None)

NAMED_SETS: dict[str, NamedSet] = {
    "math_lvl3to5": NamedSet(
        "math_lvl3to5_8k",
        "pe-nlp/math_level3to5_data_processed_with_qwen_prompt",
        "train",
        ColumnsConfig(problem="question", answer="gt_answer", id=None),
        "MATH, levels 3 to 5: the training set of the paper and of Dr.GRPO",
    ),
    "math_12k": NamedSet(
        "math_12k",
        "nlile/hendrycks-MATH-benchmark",
        "train",
        ColumnsConfig(id="unique_id"),
        "MATH without MATH500",
    ),
    "gsm8k_train": NamedSet(
        "gsm8k_train",
        "openai/gsm8k:main",
        "train",
        ColumnsConfig(problem="question", id=None),
        "GSM8K, training problems",
    ),
    "gsm8k_test": NamedSet(
        "gsm8k_test",
        "openai/gsm8k:main",
        "test",
        ColumnsConfig(problem="question", id=None),
        "GSM8K, test problems",
    ),
    "aime24": NamedSet("aime24", _DR_GRPO_SUITE, "aime", _NO_ID, "AIME 2024"),
    "amc": NamedSet("amc", _DR_GRPO_SUITE, "amc", _NO_ID, "AMC 12 of 2022 and 2023"),
    "math500": NamedSet(
        "math500",
        "HuggingFaceH4/MATH-500",
        "test",
        ColumnsConfig(id="unique_id"),
        "MATH500, of MATH's test split",
    ),
    "minerva": NamedSet("minerva", _DR_GRPO_SUITE, "minerva", _NO_ID, "Minerva Math: undergraduate science"),
    "olympiadbench": NamedSet(
        "olympiadbench", _DR_GRPO_SUITE, "olympiad_bench", _NO_ID, "OlympiadBench: open-ended, English, text only"
    ),
}
"""named sets; there is also the generated task, `arithmetic`"""


def load_problems(config: DataConfig, as_written: bool = False) -> ProblemSet:
    """Loads the problems that `config.source` names, in the order of the source.

    Args:
        as_written: whether an answer is the text of its column, as with `columns.verbatim`, and the only one.

    Raises:
        DataError: nothing is found (says where it was looked for), or a record is malformed.
    """
    if config.source == task.NAME:
        return ProblemSet(task.problems(config.split)[: config.limit], skipped=0)
    known = None
    if config.source in NAMED_SETS:
        part, known = _named_part(config, NAMED_SETS[config.source])
        parts = [part]
    else:
        parts = _parts(config)
    columns = config.columns or (known if config.format == "auto" else None)
    if columns is not None or config.format == "plain":
        layout = plain_layout(columns)
    else:
        layout, parts[0] = recognised(parts[0], config.format)
    if as_written:
        columns = layout.columns.model_copy(update={"verbatim": True, "alternatives": None})
        layout = layout._replace(columns=columns)
    return read_problems(parts, Reading(layout, config.on_bad_record == "skip", config.limit))


def find_file(config: DataConfig, stem: str) -> Path | None:
    """The local file of a named set; None where there is none."""
    directory = _directory(config)
    if directory is None:
        return None
    candidates = (directory / f"{stem}{suffix}" for suffix in SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def _named_part(config: DataConfig, named: NamedSet) -> tuple[Part, ColumnsConfig]:
    """The file or hub data set of a named set, and its columns."""
    path, name = find_file(config, named.stem), config.source_name
    if path is not None:
        return Part(name, str(path), read_rows(path)), ColumnsConfig()
    directory = _directory(config)
    looked = f"no {named.stem}.jsonl or the like in {directory}" if directory else "no local folder of sets is given"
    rows = _hub_rows(named.hub, named.split, f"{name} ({looked})")
    return Part(name, f"{named.hub} ({named.split})", rows), named.columns


def _parts(config: DataConfig) -> list[Part]:
    """The files, folders or hub data sets of a source that is no named set."""
    given = [config.source] if isinstance(config.source, str) else config.source
    sources = [source for each in given for source in _expanded(each)]
    return [_part(source, name, config.split) for source, name in zip(sources, _names(sources), strict=True)]


def _expanded(source: str) -> list[str]:
    """The sorted files and folders that a pattern such as `data/*.parquet` fits, or a source that is no pattern."""
    if source in NAMED_SETS or source == task.NAME:
        raise DataError(f"data.source names {source} among others, a set with a name, which stands alone")
    if not glob.has_magic(source) or Path(source).expanduser().exists():
        return [source]
    found = sorted(glob.glob(str(Path(source).expanduser()), recursive=True))
    if not found:
        raise DataError(f"data.source={source} fits no file in {Path.cwd()}; correct the pattern")
    return found


def _names(sources: list[str]) -> list[str]:
    """The names of the sources, or where two have one name the shortest ends of their paths that differ, such as
    `gsm8k/train.jsonl`.

    Raises:
        DataError: one of them is there twice.
    """
    paths = [Path(source).expanduser() for source in sources]
    twice = [str(path) for path in paths if paths.count(path) > 1]
    if twice:
        raise DataError(f"data.source names {twice[0]} twice; leave one out")
    stems = [path.name.partition(".")[0] if path.name.lower().endswith(SUFFIXES) else path.name for path in paths]
    depth = 1
    while len(set(stems)) < len(stems):
        stems = ["/".join(path.parts[-depth:]) for path in paths]
        depth += 1
    return stems


def _part(source: str, name: str, split: str) -> Part:
    path = Path(source).expanduser()
    if is_saved(path):
        return Part(name, source, saved_rows(path, split))
    if _is_local(source, path):
        return Part(name, str(path), read_rows(path))
    return Part(name, f"{source} ({split})", _hub_rows(source, split, source))


def _is_local(source: str, path: Path) -> bool:
    """Tells whether a source is a path and not a hub id: a file, present or missing, or a missing folder.

    Raises:
        DataError: it looks like a folder and is not there.
    """
    if path.is_file() or source.lower().endswith((*SUFFIXES, *OTHER_SUFFIXES)):
        return True
    if not path.is_dir() and (
        source.startswith(("/", ".", "~", "\\")) or source.count("/") > 1 or source.endswith("/")
    ):
        raise DataError(
            f"data.source={source} looks like a folder, and there is none at {path.absolute()}; name a folder or a "
            f"file ({', '.join(SUFFIXES)}) that is there, or a hub id, which is a name or owner/name"
        )
    return False


def _hub_rows(hub: str, split: str, looked_for: str) -> Iterator[Row]:
    """Rows of a hub data set, or of a local folder that is laid out as one."""
    name, _, configuration = hub.partition(":")
    try:
        return hub_rows(name, configuration or None, split)
    except Exception as error:  # the hub's clients have no common base of errors; each means that there is no data
        raise DataError(
            f"found no problems for {looked_for}: the hub data set {hub} (split {split}) did not load "
            f"({type(error).__name__}: {' '.join(str(error).split())[:300]}), and there is no file or folder {name} in "
            f"{Path.cwd()}; set data.source to a named set ({', '.join([task.NAME, *NAMED_SETS])}), a file "
            f"({', '.join(SUFFIXES)}) or a hub id, and data.directory or {DIRECTORY_VARIABLE} to the folder of the "
            "named sets; without a network, HF_HUB_OFFLINE=1 takes what the hub's cache holds"
        ) from error


def _directory(config: DataConfig) -> Path | None:
    named = config.directory or os.environ.get(DIRECTORY_VARIABLE)
    return Path(named).expanduser() if named else None
