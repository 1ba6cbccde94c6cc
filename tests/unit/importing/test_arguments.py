"""Words become the values that argparse, tyro and Hydra would read from them."""

import pytest

from seed_grpo.importing.arguments import flags, is_deep, overrides, refined, scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8), ("-1", -1), ("1e-6", 1e-6), ("5E-7", 5e-7), (".5", 0.5), ("2.", 2.0), ("9" * 30, 1e30),
        ("True", True), ("false", False), ("null", None), ("None", None), ("Qwen/Qwen2-7B", "Qwen/Qwen2-7B"),
        ("1e", "1e"), ("0x10", "0x10"), ("nan", "nan"), ("inf", "inf"), ("", ""), ("1_000", "1_000"),
    ],
)  # fmt: skip
def test_a_word_means_a_number_a_boolean_nothing_or_itself(text: str, value: object) -> None:
    read = scalar(text)
    assert read == value and type(read) is type(value)


def test_flags_take_the_words_behind_them() -> None:
    line = "go --lr 1e-6 --bf16 --range 0.2 0.28 --steps -1 --a-b x --c=d=e --lr 2e-6 --url http://x:1"
    assert flags(line.split()) == (
        {
            "lr": 2e-6, "bf16": True, "range": [0.2, 0.28], "steps": -1, "a_b": "x", "c": "d=e", "url": "http://x:1",
        },
        ["go"],
    )  # fmt: skip


def test_overrides_are_read_as_hydra_does() -> None:
    words = ["a.b=1", "+c=[x, '1e-6', 2]", "++d={e: null}", "f='error'", "g=", "a.b=3", "--config-name=x", "h=k=v"]
    given, strays = overrides(words)
    assert given == {"a.b": 3, "c": ["x", 1e-6, 2], "d": {"e": None}, "f": "error", "g": "", "h": "k=v"}
    assert strays == ["--config-name=x"]


def test_a_value_that_is_no_yaml_stays_a_text() -> None:
    assert overrides(["a=[x", "b={y: [", "c=" + "[" * 60])[0] == {"a": "[x", "b": "{y: [", "c": "[" * 60}


def test_numbers_that_yaml_takes_for_texts_are_numbers() -> None:
    assert refined({"lr": "1e-6", 3: ["2e5", "no"], "name": "none"}) == {"lr": 1e-6, "3": [2e5, "no"], "name": "none"}


def test_brackets_are_counted_while_they_stand_open() -> None:
    assert not is_deep("[" * 50 + "]" * 50 + "{}" * 100)
    assert is_deep("[" * 51)
