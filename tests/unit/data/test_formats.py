"""Records of other libraries' formats, written by the library that they belong to as its documentation says, load
unconverted. The records are those of the documentation's own examples, with small problems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pyarrow
import pytest

from seed_grpo.config.sections import ColumnsConfig, DataConfig
from seed_grpo.data.datasets import DIRECTORY_VARIABLE, load_problems
from seed_grpo.data.formats import FORMATS
from seed_grpo.data.problem_files import ProblemSet
from seed_grpo.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No set of the user's machine, no network."""
    monkeypatch.delenv(DIRECTORY_VARIABLE, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def load(source: Path | list[Path], **settings: Any) -> ProblemSet:
    given = [str(each) for each in source] if isinstance(source, list) else str(source)
    return load_problems(DataConfig.model_validate({"source": given, **settings}))


def refused(source: Path | list[Path], **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(source, **settings)
    return str(caught.value)


def dataset(records: list[dict[str, Any]]) -> Any:
    """A table of the `datasets` library."""
    import datasets

    return datasets.Dataset.from_list(records)


def frame(records: list[dict[str, Any]]) -> Any:
    """A table of pandas."""
    import pandas

    return pandas.DataFrame(records)


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def verl(text: str, answer: str, index: Any, **more: Any) -> dict[str, Any]:
    return {
        "data_source": "openai/gsm8k",
        "prompt": user(text),
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": answer},
        "extra_info": {"split": "train", "index": index},
    } | more


def skyrl(text: str, answer: str, index: int) -> dict[str, Any]:
    return {
        "data_source": "synthetic_multiply",
        "prompt": [{"role": "system", "content": "Be brief."}, *user(text)],
        "env_class": "multiply",
        "reward_spec": {"method": "rule", "ground_truth": answer},
        "extra_info": {"num_digits": 1, "split": "train", "index": index},
    }


VERL = [verl("1+1=", "2", 0), verl("2+2=", "4", 1)]
SKYRL = [skyrl("1+1=", "2", 0), skyrl("2+2=", "4", 1)]
TRL = [{"prompt": user("1+1="), "solution": "2"}, {"prompt": user("2+2="), "solution": "$4$"}]
OPEN_INSTRUCT = [{"messages": user(text), "ground_truth": answer, "dataset": "gsm8k"}
                 for text, answer in (("1+1=", "2"), ("2+2=", "4"))]  # fmt: skip
NEMO_RL = [{"messages": [*user(text), {"role": "assistant", "content": answer}], "task_name": "DeepScaler"}
           for text, answer in (("1+1=", "2"), ("2+2=", "4"))]  # fmt: skip
BOTH = ("1+1=", "2+2=")


def flat(problem: str, answer: str) -> list[dict[str, str]]:
    """Records of two columns of text."""
    return [{problem: "1+1=", answer: "2"}, {problem: "2+2=", answer: "4"}]


# name of the format -> the records, and how the library's documentation has them written
WRITTEN: dict[str, tuple[str, list[dict[str, Any]], str]] = {
    "verl": ("verl", VERL, "parquet"),
    "verl by pandas": ("verl", VERL, "pandas parquet"),
    "verl by pandas as CSV": ("verl", VERL, "pandas csv"),
    "SkyRL": ("skyrl", SKYRL, "parquet"),
    "SkyRL as JSON": ("skyrl", SKYRL, "json"),
    "TRL": ("trl", flat("prompt", "solution"), "saved"),
    "TRL with answers": ("trl", flat("prompt", "answer"), "pandas lines"),
    "TRL with ground truths": ("trl", flat("prompt", "ground_truth"), "arrow"),
    "TRL, conversational": ("trl", TRL, "parquet"),
    "TRL, conversational, saved": ("trl", TRL, "saved"),
    "TRL, conversational, Arrow": ("trl", TRL, "arrow"),
    "open-instruct": ("open_instruct", OPEN_INSTRUCT, "parquet"),
    "open-instruct, of lists": (
        "open_instruct",
        [record | {"ground_truth": [record["ground_truth"]], "dataset": ["math"]} for record in OPEN_INSTRUCT],
        "parquet",
    ),
    "OpenRLHF": ("openrlhf", flat("input", "label"), "json"),
    "OpenRLHF, conversational": (
        "openrlhf",
        [{"context_messages": record["prompt"], "label": record["solution"]} for record in TRL],
        "json",
    ),
    "oat of GSM8K": ("oat", flat("question", "final_answer"), "saved"),
    "oat of CountDown": ("oat", flat("input", "gt_answer"), "saved"),
    "NeMo RL": ("nemo_rl", flat("input", "output"), "json"),
    "NeMo RL of mathematics": ("nemo_rl", flat("problem", "expected_answer"), "pandas lines"),
    "NeMo RL, conversational": ("nemo_rl", NEMO_RL, "json"),
    "plain": ("plain", flat("problem", "answer"), "pandas list"),
}


def write(folder: Path, records: list[dict[str, Any]], way: str) -> Path:
    """Writes records with a library's own writer."""
    if way == "saved":
        import datasets

        datasets.DatasetDict({"train": dataset(records), "test": dataset(records[:1])}).save_to_disk(
            str(folder / "set")
        )
        return folder / "set"
    if way == "arrow":
        table = pyarrow.Table.from_pylist(records)
        with pyarrow.ipc.new_file(str(folder / "set.arrow"), table.schema) as writer:
            writer.write_table(table)
        return folder / "set.arrow"
    name, write_to = {
        "parquet": ("set.parquet", lambda path: dataset(records).to_parquet(path)),
        "json": ("set.jsonl", lambda path: dataset(records).to_json(path)),
        "pandas parquet": ("set.parquet", lambda path: frame(records).to_parquet(path)),
        "pandas csv": ("set.csv", lambda path: frame(records).to_csv(path, index=False)),
        "pandas lines": ("set.jsonl.gz", lambda path: frame(records).to_json(path, orient="records", lines=True)),
        "pandas list": ("set.json", lambda path: frame(records).to_json(path, orient="records")),
    }[way]
    write_to(str(folder / name))
    return folder / name


@pytest.mark.parametrize(("name", "records", "way"), WRITTEN.values(), ids=WRITTEN)
def test_a_set_loads_as_its_library_writes_it(tmp_path: Path, name: str, records: list[Any], way: str) -> None:
    path = write(tmp_path, records, way)
    found = load(path)
    assert found.taken.startswith(f"read as {name}: problem from "), found.taken
    assert "would take" not in found.taken and not found.remarks
    assert [problem.text for problem in found.problems] == list(BOTH)
    assert [problem.answers for problem in found.problems] in ([("2",), ("4",)], [("2",), ("$4$",)])
    assert len({problem.id for problem in found.problems}) == 2
    said = [turn for record in records for turn in next(iter(_conversations(record)), [])]
    assert [turn[1] for problem in found.problems for turn in problem.turns] == said
    assert load(path, format=name).problems == found.problems  # the user may say it, too


def _conversations(record: dict[str, Any]) -> list[list[str]]:
    """Turns of each conversation of a record, but for those that the assistant says at its end."""
    return [
        [turn["content"] for turn in value if turn["role"] != "assistant"]
        for value in record.values()
        if isinstance(value, list) and isinstance(value[0], dict)
    ]


def test_tests_and_configuration_know_every_format() -> None:
    assert {name for name, _, _ in WRITTEN.values()} == set(FORMATS)
    assert set(get_args(DataConfig.model_fields["format"].annotation)) == {"auto", *FORMATS}


def test_a_record_of_verl_is_taken_whole(tmp_path: Path) -> None:
    problem = load(write(tmp_path, VERL, "parquet")).problems[1]
    assert (problem.id, problem.source, problem.subject) == ("1", "openai/gsm8k", "math")
    assert problem.turns == (("user", "2+2="),)
    assert json.loads(problem.record_json) == VERL[1]


def test_repeated_rows_of_dapo_are_left_out_and_counted(tmp_path: Path) -> None:
    # as in DAPO-Math-17k: a style of its own, ids of text, every row many times
    rows = [verl(*each, reward_model={"style": "rule-lighteval/MATH_v2", "ground_truth": each[1]})
            for each in (("p", "1", "u"), ("q", "2", "v"), ("p", "1", "u"), ("p", "1", "u"))]  # fmt: skip
    path = write(tmp_path, rows, "pandas parquet")
    found = load(path)
    assert [problem.id for problem in found.problems] == ["u", "v"]
    (remark,) = found.remarks
    assert remark == (
        f"2 records have id, problem and answer of an earlier one and are left out, the first: {path}, record 3"
    )


def test_another_problem_of_an_id_gets_one_by_its_place(tmp_path: Path) -> None:
    # the indices of a test file begin with 0 again; the third contradicts the first
    rows = [verl("p", "1", 0), verl("q", "2", 0), verl("p", "3", 0)]
    found = load(write(tmp_path, rows, "parquet"))
    assert [(p.id, p.answers) for p in found.problems] == [("0", ("1",)), ("set-2", ("2",)), ("set-3", ("3",))]
    assert found.remarks[0].startswith("2 records have the id (extra_info.index) of an earlier one and another problem")


def test_an_id_of_another_format_comes_once(tmp_path: Path) -> None:
    rows = [{"id": "a", "prompt": "p", "answer": "1"}] * 2
    assert "record 2: field 'id': id 'a' occurs first in record 1" in refused(write(tmp_path, rows, "parquet"))


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (VERL[0] | {"reward_model": {"style": "model", "ground_truth": ""}}, "field 'reward_model.style' is 'model'"),
        (SKYRL[0] | {"reward_spec": {"method": "reward_model", "ground_truth": "x"}}, "field 'reward_spec.method' is"),
        (SKYRL[0] | {"env_class": "text2sql"}, "field 'env_class' is 'text2sql', an environment of more than answers"),
        (TRL[0] | {"images": [{"bytes": b"png", "path": None}]}, "field 'images' is there, and prompts are of text"),
        (OPEN_INSTRUCT[0] | {"dataset": "ifeval"}, "field 'dataset' is 'ifeval', a verifier that compares with no"),
        (OPEN_INSTRUCT[0] | {"dataset": ["math", "ifeval"]}, "field 'dataset' names 2 verifiers"),
    ],
    ids=["verl", "SkyRL", "SkyRL of SQL", "TRL of pictures", "open-instruct", "open-instruct of two"],
)
def test_a_task_that_is_not_one_of_answers_is_said(tmp_path: Path, record: dict[str, Any], reason: str) -> None:
    path = write(tmp_path, [record], "parquet")
    message = refused(path)
    assert f"{path}, record 1: {reason}" in message and "data.columns" in message and "on_bad_record=skip" in message


def test_own_columns_take_a_record_whatever_its_task(tmp_path: Path) -> None:
    path = write(tmp_path, [OPEN_INSTRUCT[0] | {"dataset": "ifeval"}], "parquet")
    found = load(path, columns={"problem": "messages", "answer": "ground_truth"})
    assert found.problems[0].answers == ("2",) and found.taken.startswith("read as data.columns says: ")


def test_where_several_formats_fit_the_plain_one_counts_and_is_said(tmp_path: Path) -> None:
    # columns of oat's set of MATH: `answer` is a solution there
    record = {"problem": "1+1=", "answer": r"It is $\boxed{2}$.", "input": "Q: 1+1=", "gt_answer": "2"}
    path = write(tmp_path, [record], "json")
    found = load(path)
    assert found.problems[0].answers == ("2",) and found.taken.startswith("read as plain: problem from problem")
    assert "data.format=oat would take input and gt_answer" in found.taken
    assert load(path, format="oat").problems[0].text == "Q: 1+1="


def test_the_answer_at_a_conversations_end_is_not_in_the_prompt(tmp_path: Path) -> None:
    record = NEMO_RL[0] | {"ground_truth": "3", "dataset": "math"}
    (problem,) = load(write(tmp_path, [record], "json")).problems
    assert (problem.turns, problem.answers) == ((("user", "1+1="),), ("3",))
    path = write(tmp_path, [NEMO_RL[0], {"messages": user("x"), "task_name": "a"}], "json")
    assert "line 2: field 'messages' ends in a turn of the user, not of the assistant, where the answer" in refused(
        path
    )


def test_a_malformed_first_record_does_not_hide_the_format(tmp_path: Path) -> None:
    path = write(tmp_path, [VERL[0] | {"reward_model": None}, VERL[1]], "pandas lines")
    assert "line 1: field 'reward_model.ground_truth' is missing" in refused(path)
    assert load(path, on_bad_record="skip").skipped == 1


def test_a_set_of_no_known_format_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, flat("instruction", "gold"), "json")
    message = refused(path)
    assert "line 1: field 'problem' is missing (there are: instruction, gold); the set is of no known format" in message
    assert "name its columns in data.columns" in message
    message = refused(path, format="verl")
    assert "data.format=verl needs the columns prompt and reward_model.ground_truth" in message
    assert "(the first has: instruction, gold)" in message


def test_columns_are_said_once() -> None:
    with pytest.raises(ValueError, match="set one of the two"):
        DataConfig(source="x.jsonl", format="verl", columns=ColumnsConfig())
