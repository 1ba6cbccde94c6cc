"""Several files, patterns and saved folders as one source; named sets stand in test_problem_files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seed_grpo.config.sections import DataConfig
from seed_grpo.data.datasets import load_problems
from seed_grpo.errors import DataError


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No network; relative paths are those of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def write(name: str, *problems: str, **more: Any) -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"problem": problem, "answer": "1"} | more) + "\n" for problem in problems))
    return name


def ids(source: str | list[str], **settings: Any) -> list[tuple[str, str]]:
    problems = load_problems(DataConfig.model_validate({"source": source, **settings})).problems
    return [(problem.id, problem.text) for problem in problems]


def refused(source: str | list[str], **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        ids(source, **settings)
    return str(caught.value)


def test_several_files_are_read_in_their_order_with_ids_by_file() -> None:
    files = [write("b.jsonl", "p", "q"), write("a.jsonl", "r")]
    assert ids(files) == [("b-1", "p"), ("b-2", "q"), ("a-1", "r")]
    assert ids(files, limit=2) == [("b-1", "p"), ("b-2", "q")]


def test_a_pattern_is_read_in_sorted_order() -> None:
    write("data/part-1.jsonl", "r")
    write("data/part-0.jsonl", "p", "q")
    write("data/other.csv.md", "no data")
    found = [("part-0-1", "p"), ("part-0-2", "q"), ("part-1-1", "r")]
    assert ids("data/*.jsonl") == found
    assert ids("**/part-?.jsonl") == found
    assert "data.source=data/*.parquet fits no file in" in refused("data/*.parquet")


def test_files_of_one_name_keep_ids_apart_by_their_folders() -> None:
    files = [write("x/gsm/train.jsonl", "p"), write("x/math/train.jsonl", "q")]
    assert ids(files) == [("gsm/train.jsonl-1", "p"), ("math/train.jsonl-1", "q")]
    assert ids([write("a.json", "p"), write("a.jsonl", "q")]) == [("a.json-1", "p"), ("a.jsonl-1", "q")]


def test_what_is_there_twice_is_refused() -> None:
    write("a.jsonl", "p")
    assert "names a.jsonl twice" in refused(["a.jsonl", "./a.jsonl"])
    assert "names a.jsonl twice" in refused(["a.jsonl", "*.jsonl"])
    assert "aime24 among others, a set with a name, which stands alone" in refused(["a.jsonl", "aime24"])
    assert "arithmetic among others" in refused(["a.jsonl", "arithmetic"])


def test_an_id_that_comes_again_in_another_file_is_named_with_both() -> None:
    files = [write("a.jsonl", "p", id="x"), write("b.jsonl", "q", id="x")]
    assert "b.jsonl, line 1: field 'id': id 'x' occurs first in a.jsonl, line 1" in refused(files)


def test_a_record_that_is_malformed_is_named_by_its_file() -> None:
    files = [write("a.jsonl", "p"), write("b.jsonl", "")]
    assert "b.jsonl, line 1: field 'problem' is empty" in refused(files)


def test_a_file_whose_name_looks_like_a_pattern_is_a_file() -> None:
    assert ids(write("a[1].jsonl", "p")) == [("a[1]-1", "p")]


def test_a_saved_folder_has_its_splits_and_its_order() -> None:
    import datasets

    table = datasets.Dataset.from_dict({"problem": ["p", "q", "r"], "answer": ["1", "2", "3"]})
    table.select([2, 0]).save_to_disk("one")  # by indices, which are saved as a table
    assert ids("one") == [("one-1", "r"), ("one-2", "p")]
    datasets.DatasetDict({"train": table, "test": table.select([1])}).save_to_disk("two")
    assert ids("two", split="test") == [("two-1", "q")]
    assert "two has no split dev, but train, test; set data.split" in refused("two", split="dev")
    assert ids(["one", write("a.jsonl", "s")])[1:] == [("one-2", "p"), ("a-1", "s")]
    next(Path("one").glob("*.arrow")).unlink()
    assert "the data set saved in one cannot be read" in refused("one")
