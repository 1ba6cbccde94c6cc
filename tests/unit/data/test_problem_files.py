"""Records of problems, whole and malformed, and named sets."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from seed_grpo.config.sections import ColumnsConfig, DataConfig
from seed_grpo.data.datasets import DIRECTORY_VARIABLE, load_problems
from seed_grpo.errors import DataError
from seed_grpo.messages import Problem
from support.shared_data import SHARED, needs_shared

TWO = [
    {"id": "a", "problem": "1+1=", "answer": "2", "level": 3, "subject": "Algebra", "source": "toy"},
    {"id": 7, "problem": "1/2=", "answer": 0.5, "alt_answers": ["1/2", "0.5"], "level": None},
]


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    """No set of the user's machine, no network."""
    monkeypatch.delenv(DIRECTORY_VARIABLE, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def write(path: Path, records: list) -> Path:
    """Lines that are `str` or `bytes` are written as they are."""
    lines = [r if isinstance(r, bytes) else (r if isinstance(r, str) else json.dumps(r)).encode() for r in records]
    data = b"\n".join(lines) + b"\n"
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def write_parquet(path: Path, records: list) -> Path:
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), sink)
    data = sink.getvalue().to_pybytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def load(source, **settings):
    return load_problems(DataConfig(source=str(source), **settings))


def refused(source, **settings) -> str:
    with pytest.raises(DataError) as caught:
        load(source, **settings)
    return str(caught.value)


@pytest.mark.parametrize("name", ["two.jsonl", "two.jsonl.gz"])
def test_json_lines_become_problems(tmp_path, name):
    path = write(tmp_path / name, [TWO[0], "", TWO[1]])
    found = load(path)
    assert (found.problems, found.skipped, found.remarks) == (
        [
            Problem("a", "1+1=", ("2",), "toy", "3", "Algebra", record_json=json.dumps(TWO[0])),
            # the second "0.5" is the first again; a missing source is the file's name
            Problem("7", "1/2=", ("0.5", "1/2"), "two", "", "", record_json=json.dumps(TWO[1])),
        ],
        0,
        (),
    )
    assert found.taken == "read as plain: problem from problem, answer from answer, id from id"


@pytest.mark.parametrize("name", ["two.parquet", "two.parquet.gz"])
def test_parquet_becomes_problems(tmp_path, name):
    records = [{"id": "a", "problem": "1+1=", "answer": "2"}, {"id": "b", "problem": "2+2=", "answer": "4"}]
    path = write_parquet(tmp_path / name, records)
    assert [(p.id, p.text, p.answers) for p in load(path).problems] == [("a", "1+1=", ("2",)), ("b", "2+2=", ("4",))]


def test_a_folder_laid_out_as_a_hub_data_set_loads(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "set"
    folder.mkdir()
    write(folder / "train.jsonl", [{"q": "1+1=", "a": ["2", "two"]}])
    columns = ColumnsConfig(problem="q", answer="a", id=None)
    record = '{"q": "1+1=", "a": ["2", "two"]}'
    found = load(folder, columns=columns)
    assert found.problems == [Problem("set-1", "1+1=", ("2", "two"), "set", record_json=record)]
    assert found.taken == "read as data.columns says: problem from q, answer from a, ids by place"


def test_columns_may_have_other_names_and_ids_may_be_missing(tmp_path):
    path = write(tmp_path / "other.jsonl", [{"q": "1+1=", "gold": "2"}, {"q": "2+2=", "gold": "4"}])
    problems = load(path, columns=ColumnsConfig(problem="q", answer="gold")).problems
    assert [p.id for p in problems] == ["other-1", "other-2"]


BAD = {
    "missing answer": ({"id": "x", "problem": "p"}, "field 'answer' is missing"),
    "empty answer": ({"id": "x", "problem": "p", "answer": " "}, "field 'answer' is empty"),
    "no answers": ({"id": "x", "problem": "p", "answer": []}, "field 'answer' is an empty list"),
    "empty problem": ({"id": "x", "problem": "", "answer": "1"}, "field 'problem' is empty"),
    "answer an object": ({"id": "x", "problem": "p", "answer": {}}, "field 'answer' holds dict"),
    "answer true": ({"id": "x", "problem": "p", "answer": True}, "field 'answer' holds bool"),
    "answer not finite": ('{"id": "x", "problem": "p", "answer": NaN}', "field 'answer' is nan"),
    "problem a list": ({"id": "x", "problem": ["p", "q"], "answer": "1"}, "field 'problem' is a list"),
    "bad alternative": (
        {"id": "x", "problem": "p", "answer": "1", "alt_answers": [""]},
        "field 'alt_answers' is empty",
    ),
    "half a surrogate": ('{"id": "x", "problem": "\\ud800", "answer": "1"}', "field 'problem' has half a surrogate"),
    "not an object": ([1, 2], "holds list"),
    "not JSON": ('{"id": "x", ', "is not JSON"),
    "deep": ("[" * 100_000, "too deep or too long"),
    "long integer": ('{"id": ' + "9" * 5000 + "}", "too deep or too long"),
    "not UTF-8": (b'{"id": "x\xff"}', "is not UTF-8 (byte 9"),
    "problem null": ({"problem": None, "answer": "1"}, "field 'problem' is missing ('problem' is null)"),
    "answer NaN": ('{"id": "x", "problem": "p", "answer": -Infinity}', "field 'answer' is -inf, not a finite number"),
    "problem a number": ({"problem": 5, "answer": "1"}, "field 'problem' is 5, a number; a problem is a text"),
    "problem a fraction": ({"problem": 0.5, "answer": "1"}, "field 'problem' is 0.5, a number"),
    "problem true": ({"problem": True, "answer": "1"}, "field 'problem' holds bool"),
    "problem an object": ({"problem": {"text": "p"}, "answer": "1"}, "field 'problem' holds dict"),
    "problem of blanks": ({"problem": " \n\t", "answer": "1"}, "field 'problem' is empty"),
    "list of lists": ({"problem": "p", "answer": [["1"], ["2"]]}, "field 'answer' holds list"),
    "null among answers": ({"problem": "p", "answer": ["1", None]}, "field 'answer' holds NoneType"),
    "a list of empty answers": (
        {"problem": "p", "answer": '["1", ""]'},
        "field 'answer' holds an empty answer in '[\"1",
    ),
    "two answers": ('{"problem": "p", "answer": "1", "answer": "2"}', "has the field 'answer' twice"),
    "raw control character": (
        b'{"problem": "p\x0crac{1}{2}", "answer": "1"}',
        "Invalid control character at, column 15",
    ),
    # an eaten `\b` before a letter is mended; before a digit it is nothing's beginning
    "lost backslash": ({"problem": "p", "answer": "\b5"}, "field 'answer' holds a control character before '5'"),
    "lost form feed": ({"problem": "p", "answer": "\foo"}, "field 'answer' holds a control character before 'oo'"),
    "alternative a surrogate": (
        '{"problem": "p", "answer": "1", "alt_answers": ["\\udc00"]}',
        "field 'alt_answers' has half",
    ),
    "a text for no answer": ({"problem": "p", "answer": "NaN"}, "field 'answer' is the text 'NaN', which stands"),
    "an empty list as a text": ({"problem": "p", "answer": " [] "}, "field 'answer' is the text '[]'"),
    "a null among texts": ({"problem": "p", "answer": ["1", "null"]}, "field 'answer' is the text 'null'"),
    "id an object": ({"id": {"n": 1}, "problem": "p", "answer": "1"}, "field 'id' holds dict"),
    "id true": ({"id": True, "problem": "p", "answer": "1"}, "field 'id' holds bool"),
    "a text alone": ('"1+1="', "holds str, not an object with fields"),
    "id again": ({"id": "a", "problem": "p", "answer": "1"}, "field 'id': id 'a' occurs first in line 1"),
}


@pytest.mark.parametrize("bad, reason", BAD.values(), ids=BAD)
def test_a_malformed_record_is_named_or_skipped(tmp_path, bad, reason):
    # the blank line counts as a line: the bad record stands in line 3, though it is the second record
    path = write(tmp_path / "bad.jsonl", [TWO[0], "", bad, TWO[1]])
    message = refused(path)
    assert message.startswith(f"{path}, line 3: ") and reason in message and "on_bad_record=skip" in message
    found = load(path, on_bad_record="skip")
    assert ([p.id for p in found.problems], found.skipped) == (["a", "7"], 1)
    assert found.remarks[0].startswith(f"1 malformed records are left out, the first: {path}, line 3: ")
    assert load(path, limit=1).problems == found.problems[:1]  # what lies beyond the limit is not read


@pytest.mark.parametrize(
    "record, shown",
    [
        ({"problem": "so\foo", "answer": "5"}, r"field 'problem' has '\x0coo'"),
        ({"problem": "x", "answer": "2 \npi"}, r"field 'answer' has '\npi'"),  # 2 \pi, perhaps
    ],
)
def test_a_character_that_nobody_means_is_told_by_file_record_and_field(tmp_path, record, shown):
    path = write(tmp_path / "doubtful.jsonl", [TWO[0], record, TWO[1], record])
    (remark,) = load(path).remarks
    assert remark.startswith("2 records hold a control character")
    assert remark.endswith(f"the first: {path}, line 2: {shown}")


USER, ASSISTANT = {"role": "user", "content": "1+1="}, {"role": "assistant", "content": "2"}

BAD_CONVERSATIONS = {
    "empty": ([], "field 'prompt' is an empty list"),
    "of texts": (["a", "b"], "field 'prompt' is a list; a problem is one text"),
    "a text among messages": ([USER, "b"], "field 'prompt.1' holds str, not a message of role and content"),
    "null among messages": ([None, USER], "field 'prompt.0' holds NoneType, not a message"),
    "without role": ([{"content": "1+1="}], "field 'prompt.0.role' is missing (there are: content)"),
    "without content": ([{"role": "user", "content": None}], "field 'prompt.0.content' is missing"),
    "of a speaker without value": ([{"from": "human"}], "field 'prompt.0.value' is missing (there are: from)"),
    "unknown role": (
        [{"role": "wizard", "content": "x"}],
        "field 'prompt.0.role' is 'wizard', which is no role (system",
    ),
    "role a number": ([{"role": 1, "content": "x"}], "field 'prompt.0.role' is 1, which is no role"),
    "content a number": ([{"role": "user", "content": 5}], "field 'prompt.0.content' holds int, not text"),
    "content an object": ([{"role": "user", "content": {"a": 1}}], "field 'prompt.0.content.0' is a part of type None"),
    "an image": (
        [{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image"}]}],
        "field 'prompt.0.content.1' is a part of type 'image'; only parts of text are read",
    ),
    "calls of tools": (
        [{"role": "assistant", "content": "", "tool_calls": [{"id": 1}]}, USER],
        "field 'prompt.0.tool_calls' holds calls of tools",
    ),
    "ends in the assistant": ([USER, ASSISTANT], "field 'prompt' ends in a turn of the assistant, not of the user"),
    "of the system alone": ([{"role": "system", "content": "x"}], "field 'prompt' ends in a turn of the system"),
    "empty last turn": ([{"role": "user", "content": " "}], "field 'prompt' ends in an empty turn of the user"),
    "half a surrogate": (
        [{"role": "system", "content": "\ud800"}, USER],
        "field 'prompt.0.content' has half a surrogate",
    ),
    "broken JSON text": ('[{"role": "user", "content": ', "field 'prompt' holds messages as a text that is not JSON"),
}


@pytest.mark.parametrize("bad, reason", BAD_CONVERSATIONS.values(), ids=BAD_CONVERSATIONS)
def test_a_malformed_conversation_is_named_or_skipped(tmp_path, bad, reason):
    good = {"prompt": [USER], "solution": "2"}
    path = write(tmp_path / "bad.jsonl", [good, {"prompt": bad, "solution": "3"}])
    assert f"{path}, line 2: {reason}" in refused(path)
    assert load(path, on_bad_record="skip").skipped == 1


TRUTH = {"style": "rule", "ground_truth": "2"}
BAD_PATHS = {
    "null": ({"reward_model": None}, "field 'reward_model.ground_truth' is missing ('reward_model' is null)"),
    "none of that name": (
        {"reward_model": {"style": "rule", "truth": "2"}},
        "field 'reward_model.ground_truth' is missing (in 'reward_model' there are: style, truth)",
    ),
    "null below": (
        {"reward_model": {"style": "rule", "ground_truth": None}},
        "field 'reward_model.ground_truth' is missing ('reward_model.ground_truth' is null)",
    ),
    "into a text": (
        {"reward_model": "the model"},
        "field 'reward_model.style' leads into 'reward_model', which holds the text 'the model', no object",
    ),
    "into a number": ({"reward_model": 5}, "field 'reward_model.style' leads into 'reward_model', which holds int"),
    "into broken JSON": (
        {"reward_model": '{"ground_truth": '},
        "field 'reward_model.style' leads into 'reward_model', whose text is not JSON",
    ),
    "into a list": (
        {"reward_model": ["2"]},
        "field 'reward_model.style' leads into 'reward_model', which is a list, by 'style'",
    ),
    "tests for an answer": (
        {"reward_model": {"style": "rule", "ground_truth": {"inputs": ["1"]}}},
        "field 'reward_model.ground_truth' holds dict, not text or a number",
    ),
    "a model judges": (
        {"reward_model": {"style": "model", "ground_truth": ""}},
        "field 'reward_model.style' is 'model'",
    ),
    "programs": ({"ability": "code", "reward_model": TRUTH}, "field 'ability' is 'code', whose reference is tests"),
}


@pytest.mark.parametrize("bad, reason", BAD_PATHS.values(), ids=BAD_PATHS)
def test_a_malformed_path_is_named_or_skipped(tmp_path, bad, reason):
    path = write(tmp_path / "bad.jsonl", [{"prompt": [USER], "reward_model": TRUTH}, {"prompt": [USER], **bad}])
    message = refused(path)
    assert f"{path}, line 2: {reason}" in message, message
    assert load(path, on_bad_record="skip").skipped == 1


@pytest.mark.parametrize("depth", range(300, 1100, 50))
def test_a_record_of_any_depth_loads_or_is_named(tmp_path, depth):
    deep = '{"problem": "p", "answer": "1", "more": ' + "[" * depth + "]" * depth + "}"
    path = write(tmp_path / "deep.jsonl", [deep, TWO[0]])
    assert load(path, on_bad_record="skip").problems[-1].id == "a"


def test_a_malformed_parquet_record_is_named(tmp_path):
    path = write_parquet(tmp_path / "bad.parquet", [{"problem": "p", "answer": "1"}, {"problem": "q", "answer": None}])
    assert refused(path).startswith(f"{path}, record 2: field 'answer' is missing")


def test_a_file_that_is_damaged_as_a_whole_is_an_error_even_when_skipping(tmp_path):
    whole = write(tmp_path / "whole.jsonl.gz", TWO * 2000).read_bytes()
    cases = {
        "cut.jsonl.gz": whole[: len(whole) // 2],
        "plain.jsonl.gz": b'{"id": 1}\n',
        "flipped.jsonl.gz": whole[:30] + bytes(b ^ 0xFF for b in whole[30:60]) + whole[60:],
        "not.parquet": b"PAR1 no",
        "not.parquet.gz": gzip.compress(b"PAR1 no"),
    }
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        message = refused(tmp_path / name, on_bad_record="skip")
        assert str(tmp_path / name) in message and "cannot be read" in message, message


def test_a_file_without_a_usable_record_is_an_error(tmp_path):
    assert "has no usable record (0 malformed)" in refused(write(tmp_path / "empty.jsonl", [""]))
    path = write(tmp_path / "all.jsonl", [{"question": "p", "answer": "1"}])
    assert "has no usable record (1 malformed)" in refused(path, on_bad_record="skip")


def test_what_is_missing_is_named_with_what_to_set(tmp_path):
    assert "no.jsonl does not exist; set data.source" in refused(tmp_path / "no.jsonl")
    message = refused("math500", directory=tmp_path)
    looked = f"no math500.jsonl or the like in {tmp_path}"
    for part in (looked, "HuggingFaceH4/MATH-500", "data.directory", DIRECTORY_VARIABLE):
        assert part in message, message
    assert "arithmetic" in refused("some/set")


@needs_shared
def test_the_papers_training_set_names_its_first_empty_answer():
    # index 5054 is line 5055
    message = refused("math_lvl3to5", directory=SHARED)
    assert message.startswith(f"{SHARED / 'math_lvl3to5_8k.jsonl.gz'}, line 5055: field 'answer' is empty"), message


def test_a_named_set_from_the_hub_finds_the_answer_behind_its_mark(monkeypatch):
    asked = []

    def hub(name, configuration, split):
        asked.append((name, configuration, split))
        return [("record 1", lambda: {"question": "How many?", "answer": "48/2 = 24 clips.\n48+24 = 72\n#### 72"})]

    monkeypatch.setattr("seed_grpo.data.datasets.hub_rows", hub)
    problems = load("gsm8k_test").problems
    assert asked == [("openai/gsm8k", "main", "test")]
    assert [(p.id, p.text, p.answers, p.source) for p in problems] == [
        ("gsm8k_test-1", "How many?", ("72",), "gsm8k_test")
    ]
