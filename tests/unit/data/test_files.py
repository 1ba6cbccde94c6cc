"""Files of every format, read to the last digit; folders laid out as a hub data set; and what looks like a file."""

from __future__ import annotations

import datetime
import gzip
import io
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from seed_grpo.config.sections import ColumnsConfig, DataConfig
from seed_grpo.data.datasets import DIRECTORY_VARIABLE, load_problems
from seed_grpo.data.files import FORMATS, SUFFIXES
from seed_grpo.errors import DataError

TWO = [{"id": "a", "problem": "1+1=", "answer": "2"}, {"id": "b", "problem": "2+2=", "answer": "4"}]
JSON_LINES = "".join(json.dumps(record) + "\n" for record in TWO)
TEXTS = {
    ".jsonl": JSON_LINES,
    ".json": json.dumps(TWO, indent=1),
    ".csv": "id,problem,answer\na,1+1=,2\nb,2+2=,4\n",
    ".tsv": "id\tproblem\tanswer\na\t1+1=\t2\nb\t2+2=\t4\n",
}


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    """No set of the user's machine, no network."""
    monkeypatch.delenv(DIRECTORY_VARIABLE, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def load(source, **settings):
    return load_problems(DataConfig(source=str(source), **settings))


def answers(source, **settings) -> list[tuple[str, ...]]:
    return [problem.answers for problem in load(source, **settings).problems]


def refused(source, **settings) -> str:
    with pytest.raises(DataError) as caught:
        load(source, **settings)
    return str(caught.value)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def parquet(path: Path, **columns: pyarrow.Array) -> Path:
    number = len(next(iter(columns.values())))
    texts = pyarrow.array([f"p{i}" for i in range(number)])
    pyarrow.parquet.write_table(pyarrow.table({"problem": texts, **columns}), path)
    return path


@pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if suffix.removesuffix(".gz") in TEXTS])
def test_every_format_gives_the_same_problems(tmp_path, suffix):
    path = write(tmp_path / f"two{suffix}", TEXTS[suffix.removesuffix(".gz")])
    assert [(p.id, p.text, p.answers) for p in load(path).problems] == [("a", "1+1=", ("2",)), ("b", "2+2=", ("4",))]


def test_the_tests_know_every_format():
    assert set(FORMATS) == {*TEXTS, ".parquet", ".arrow"}


@pytest.mark.parametrize("suffix", [".arrow", ".arrow.gz"])
@pytest.mark.parametrize("kind", ["file", "stream"])
def test_arrow_is_read_as_a_file_and_as_a_stream(tmp_path, kind, suffix):
    table, sink = pyarrow.Table.from_pylist(TWO), io.BytesIO()
    with getattr(pyarrow.ipc, f"new_{kind}")(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=1)  # two batches
    (tmp_path / f"two{suffix}").write_bytes(
        gzip.compress(sink.getvalue()) if suffix == ".arrow.gz" else sink.getvalue()
    )
    assert [(p.id, p.text, p.answers) for p in load(tmp_path / f"two{suffix}").problems] == [
        ("a", "1+1=", ("2",)),
        ("b", "2+2=", ("4",)),
    ]
    assert "cannot be read" in refused(write(tmp_path / "broken.arrow", "ARROW1 and no more"))


def test_json_lines_may_be_called_json_and_may_begin_with_a_mark(tmp_path):
    assert answers(write(tmp_path / "lines.json", JSON_LINES)) == [("2",), ("4",)]
    assert answers(write(tmp_path / "mark.json", "\ufeff" + json.dumps(TWO))) == [("2",), ("4",)]
    assert answers(write(tmp_path / "mark.jsonl", "\ufeff" + JSON_LINES)) == [("2",), ("4",)]
    assert answers(write(tmp_path / "UPPER.JSONL", JSON_LINES)) == [("2",), ("4",)]
    assert answers(write(tmp_path / "one.json", json.dumps(TWO[0] | {"alt_answers": ["two"]}))) == [("2", "two")]


def test_a_field_twice_is_named_by_its_record(tmp_path):
    path = write(tmp_path / "t.json", '[{"problem": "p", "answer": "1"}, {"problem": "p", "answer": 1, "answer": 2}]')
    assert "t.json, record 2: has the field 'answer' twice" in refused(path)
    assert load(path, on_bad_record="skip").skipped == 1


def test_a_json_list_may_be_the_value_of_an_object(tmp_path):
    wrapped = {"version": 1, "tags": ["a"], "data": TWO}
    assert answers(write(tmp_path / "w.json", json.dumps(wrapped, indent=1))) == [("2",), ("4",)]
    # of pandas.DataFrame.to_json
    columns = {"problem": {"0": "p", "1": "q"}, "answer": {"0": "1", "1": None}, "level": {"0": 3, "1": 4}}
    path = write(tmp_path / "c.json", json.dumps(columns))
    assert [(p.text, p.level) for p in load(path, on_bad_record="skip").problems] == [("p", "3")]
    assert "c.json, record 2: field 'answer' is missing" in refused(path)
    message = refused(write(tmp_path / "v.json", '{"version": 1}'))
    assert "record 1: field 'problem' is missing (there are: version)" in message
    assert "has no usable record" in refused(write(tmp_path / "e.json", "[]"))


def test_a_csv_is_text_as_written(tmp_path):
    # pandas would make 7, True, nothing, 0.1 and 9007199254740992 of them
    cells = ["007", "True", "NA", "0.10", "9007199254740993", '"1,234"', '"two\nlines"']
    path = write(tmp_path / "as.csv", "\ufeffproblem,answer\n" + "".join(f"p,{cell}\n" for cell in cells))
    expected = ["007", "True", "NA", "0.10", "9007199254740993", "1,234", "two\nlines"]
    assert answers(path) == [(text,) for text in expected]


def test_an_empty_cell_is_no_value(tmp_path):
    path = write(tmp_path / "gaps.csv", 'id,problem,answer,alt_answers\n,p,1,\nx,q,2,"[""2.0""]"\n')
    assert [(p.id, p.answers) for p in load(path).problems] == [("gaps-1", ("1",)), ("x", ("2", "2.0"))]
    assert "record 1: field 'answer' is missing" in refused(write(tmp_path / "no.csv", "problem,answer\np,\n"))


def test_a_row_that_does_not_fit_its_header_is_named_or_skipped(tmp_path):
    path = write(tmp_path / "cells.csv", "problem,answer\np,1\nq,1,234\nr,3\n")
    assert "cells.csv, record 2: has 3 cells under a header of 2" in refused(path)
    assert load(path, on_bad_record="skip").skipped == 1
    twice = write(tmp_path / "twice.csv", "problem,answer,answer\np,1,2\n")
    assert "twice.csv has a column twice in its header" in refused(twice)
    assert "cannot be read past record 1" in refused(write(tmp_path / "open.csv", 'problem,answer\np,1\n"q,2\n'))


def test_a_list_that_is_no_json_is_named_with_its_line(tmp_path):
    path = write(tmp_path / "broken.json", '[\n{"problem": "p", "answer": 1},\n{"problem": }\n]')
    message = refused(path, on_bad_record="skip")
    assert "broken.json" in message and "is not JSON" in message and "line 3" in message


NUMBERS = {
    "0.1": "0.1",
    "0.10": "0.10",
    "1.0": "1.0",
    "1e-7": "0.0000001",
    "1E+3": "1000",
    "9007199254740993": "9007199254740993",  # 2^53 + 1
    "9223372036854775808": "9223372036854775808",  # 2^63
    "9007199254740993.5": "9007199254740993.5",
    "3.14159265358979323846": "3.14159265358979323846",  # as a double 3.141592653589793
    "123456789012345678901234567890": "123456789012345678901234567890",
}


@pytest.mark.parametrize("written, text", NUMBERS.items())
def test_a_json_number_is_text_to_its_last_digit(tmp_path, written, text):
    path = write(tmp_path / "n.jsonl", f'{{"problem": "p", "answer": {written}}}\n{{"problem": "q", "answer": 0.5}}\n')
    assert answers(path) == [(text,), ("0.5",)]


def test_a_float_of_a_column_is_its_shortest_text(tmp_path):
    # the double of float32(0.1) is 0.10000000149011612, that of float16(0.1) 0.0999755859375
    numbers = [0.1, 0.25, 1e-5, 3.0, -2.7]
    texts = [("0.1",), ("0.25",), ("0.00001",), ("3.0",), ("-2.7",)]
    for kind in (pyarrow.float32(), pyarrow.float64()):
        assert answers(parquet(tmp_path / "f.parquet", answer=pyarrow.array(numbers, kind))) == texts
    half = pyarrow.array(np.array([0.1, 2.5], dtype=np.float16))
    assert answers(parquet(tmp_path / "h.parquet", answer=half)) == [("0.1",), ("2.5",)]
    lists = pyarrow.array([[0.1, 0.7], [1.5]], pyarrow.list_(pyarrow.float32()))
    assert answers(parquet(tmp_path / "l.parquet", answer=lists)) == [("0.1", "0.7"), ("1.5",)]


def test_decimals_and_integers_of_a_column_are_exact(tmp_path):
    decimals = pyarrow.array([Decimal("12.50"), Decimal("0.10")], pyarrow.decimal128(20, 2))
    assert answers(parquet(tmp_path / "d.parquet", answer=decimals)) == [("12.50",), ("0.10",)]
    integers = pyarrow.array([2**63 - 1, 2**53 + 1], pyarrow.int64())
    assert answers(parquet(tmp_path / "i.parquet", answer=integers)) == [(str(2**63 - 1),), (str(2**53 + 1),)]
    unsigned = pyarrow.array([2**64 - 1], pyarrow.uint64())
    assert answers(parquet(tmp_path / "u.parquet", answer=unsigned)) == [(str(2**64 - 1),)]


def test_a_whole_number_that_a_float_may_have_rounded_is_named_or_skipped(tmp_path):
    path = parquet(tmp_path / "big.parquet", answer=pyarrow.array([2.0**53, 0.5]))
    assert "record 1: field 'answer' is 9007199254740992.0" in refused(path) and "2^53" in refused(path)
    assert answers(path, on_bad_record="skip") == [("0.5",)]
    path = parquet(tmp_path / "narrow.parquet", answer=pyarrow.array([2.0**24, 3], pyarrow.float32()))
    assert "2^24" in refused(path)
    # the largest odd ones that are surely not rounded
    path = parquet(tmp_path / "small.parquet", answer=pyarrow.array([2.0**53 - 1]))
    assert answers(path) == [(f"{2**53 - 1}.0",)]


def test_a_date_is_named(tmp_path):
    path = parquet(tmp_path / "t.parquet", answer=pyarrow.array([datetime.date(2011, 1, 2)]))
    assert "field 'answer' holds date, not text or a number" in refused(path)


# what `datasets` 5.2 makes of the answers: 9.223372036854776e+18, 9007199254740992.0, 2 and a datetime
@pytest.mark.parametrize("value", [2**63, 2**53 + 1, "2", "2011-01-02"], ids=repr)
@pytest.mark.parametrize("other", [0.5, ["1"], None], ids=repr)
def test_a_folder_of_json_lines_is_read_exactly(tmp_path, value, other):
    records = [{"problem": "p", "answer": value}, *([] if other is None else [{"problem": "q", "answer": other}])]
    write(tmp_path / "set" / "train.jsonl", "".join(json.dumps(record) + "\n" for record in records))
    assert answers(tmp_path / "set")[0] == (str(value),)


def test_a_folder_keeps_its_splits_and_numbers_its_records_through(tmp_path):
    folder = tmp_path / "set"
    for name, number in (("train-00000-of-00002", 1), ("train-00001-of-00002", 2), ("test-00000-of-00001", 9)):
        write(folder / "data" / f"{name}.csv", f"problem,answer\np{number},{number}\n")
    assert [(p.id, p.answers) for p in load(folder).problems] == [("set-1", ("1",)), ("set-2", ("2",))]
    assert answers(folder, split="test") == [("9",)]
    write(folder / "data" / "train-00001-of-00002.csv", "problem,answer\np,\n")
    assert "train-00001-of-00002.csv, record 1: field 'answer' is missing" in refused(folder)


def test_what_only_datasets_reads_in_a_folder_comes_from_its_tables(tmp_path):
    folder = tmp_path / "set"
    write(folder / "train.csv", "problem;answer\np;x=1\nq;x=2\n")
    settings = "---\nconfigs:\n- config_name: default\n  data_files: train.csv\n  sep: ;\n---\n"
    write(folder / "README.md", settings)
    assert answers(folder) == [("x=1",), ("x=2",)]


def test_a_folder_of_arrow_files_is_read_exactly(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    table = pyarrow.table({"problem": ["p", "q"], "answer": pyarrow.array([0.1, 0.5], pyarrow.float32())})
    with pyarrow.OSFile(str(folder / "train.arrow"), "wb") as sink, pyarrow.ipc.new_stream(sink, table.schema) as out:
        out.write_table(table)
    assert answers(folder) == [("0.1",), ("0.5",)]


def test_a_float_inside_objects_is_its_shortest_text(tmp_path):
    kinds = pyarrow.struct([("truth", pyarrow.float32()), ("all", pyarrow.list_(pyarrow.float32()))])
    nested = pyarrow.array([{"truth": 0.1, "all": [0.7]}, {"truth": None, "all": [0.3]}], kinds)
    path = parquet(tmp_path / "s.parquet", reward=nested)
    columns = ColumnsConfig(answer="reward.truth", alternatives="reward.all")
    assert answers(path, columns=columns, on_bad_record="skip") == [("0.1", "0.7")]
    record = load(path, columns=columns, on_bad_record="skip").problems[0].record_json
    assert record == '{"problem": "p0", "reward": {"truth": 0.1, "all": [0.7]}}'


MISSING = {
    "no.json": "does not exist",
    "no.csv": "does not exist",
    "no/such.jsonl.gz": "does not exist",
    "./no": "looks like a folder",
    "../no": "looks like a folder",
    "/no/such": "looks like a folder",
    "~/no-such-folder": "looks like a folder",
    "a/b/c": "looks like a folder",
    "no.txt": "has a format that cannot be read",
    "no.xlsx": "has a format that cannot be read",
    "no.jsonl.zst": "has a format that cannot be read",
}


@pytest.mark.parametrize("source, why", MISSING.items())
def test_what_looks_local_is_no_hub_set(tmp_path, monkeypatch, source, why):
    monkeypatch.chdir(tmp_path)
    message = refused(source)
    assert why in message and "hub data set" not in message, message


def test_a_file_without_a_known_ending_is_no_hub_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "problems", JSON_LINES)
    assert "problems has a format that cannot be read" in refused("problems")


def test_a_hub_id_that_does_not_load_is_said_to_be_nothing_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f"there is no file or folder some/set in {tmp_path}" in refused("some/set")


def test_the_limit_counts_problems_and_not_bad_records(tmp_path):
    bad = json.dumps({"problem": "p", "answer": ""})
    good = [json.dumps({"id": i, "problem": f"p{i}", "answer": i}) for i in range(5)]
    path = write(tmp_path / "l.jsonl", "\n".join([bad, good[0], bad, good[1], good[2], bad]) + "\n")
    found = load(path, limit=2, on_bad_record="skip")
    assert ([p.id for p in found.problems], found.skipped) == (["0", "1"], 2)
    # what lies beyond the limit is not looked at
    assert load(path, limit=3, on_bad_record="skip").skipped == 2


def test_an_own_column_of_solutions_gives_their_answers(tmp_path):
    record = {"question": "How many?", "solution": "48/2 = <<48/2=24>>24\n48+24 = 72\n#### 72"}
    path = write(tmp_path / "gsm.jsonl", json.dumps(record))
    columns = ColumnsConfig(problem="question", answer="solution")
    assert answers(path, columns=columns) == [("72",)]


def test_an_eaten_backslash_is_put_back_in_problem_and_answer(tmp_path):
    # written with one backslash in JSON: \f and \t are escapes there
    path = write(tmp_path / "e.jsonl", r'{"problem": "Area of $\triangle ABC$?", "answer": "\frac{1}{2}"}')
    (problem,) = load(path).problems
    assert (problem.text, problem.answers) == (r"Area of $\triangle ABC$?", (r"\frac{1}{2}",))


def test_verbatim_answers_stay_what_their_columns_hold(tmp_path):
    # what a program prints, under verifier.relation=exact: the list is the answer, not two of them
    printed = ["['a', 'b']", "Result: 5", "x\tan 5"]
    records = [{"problem": f"p{i}", "answer": text, "alt_answers": ['["c"]']} for i, text in enumerate(printed)]
    path = write(tmp_path / "o.json", json.dumps(records))
    assert answers(path, columns=ColumnsConfig(verbatim=True)) == [(text, '["c"]') for text in printed]
    assert answers(path)[0] == ("a", "b", "c")


def test_an_empty_text_in_a_list_is_malformed(tmp_path):
    path = write(tmp_path / "l.jsonl", json.dumps({"problem": "p", "answer": '["28", ""]'}))
    assert "field 'answer' holds an empty answer" in refused(path)


def test_a_long_cell_of_csv_is_read(tmp_path):
    (problem,) = load(write(tmp_path / "long.csv", f"problem,answer\n{'1' * 200_000},2\n")).problems
    assert len(problem.text) == 200_000
