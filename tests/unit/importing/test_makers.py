"""Values of other libraries become ours, by numbers worked by hand."""

from typing import Any

import pytest

from seed_grpo.importing import makers
from seed_grpo.importing.rules import Differs


def told(outcome: Any) -> tuple[Any, str]:
    assert isinstance(outcome, Differs)
    return outcome.value, outcome.why


@pytest.mark.parametrize(
    ("names", "folder"),
    [
        (("/out/models/qwen 7b",), "runs/qwen-7b"),
        (("./ckpt/",), "runs/ckpt"),
        (("$DIR/x", "second"), "runs/second"),
        ((None, "..", "/"), "runs/imported"),
        (("../../etc/passwd",), "runs/passwd"),
    ],
)
def test_a_run_has_a_directory_of_its_own(names: tuple[Any, ...], folder: str) -> None:
    assert makers.directory(*names) == folder


def test_passes_over_the_data_become_steps() -> None:
    # 3 passes over 7,473 problems by 128 are 175.1 steps
    assert makers.steps(None, 3, 128, 7473) == 175
    assert makers.steps(500, 3, 128, 7473) == 500
    assert makers.steps(-1, 1, 1024, 10) == 1
    value, why = told(makers.steps(-1, 1.5, 128, None))
    assert value == makers.STEPS and "1.5 x problems / 128" in why and "--problems N" in why


def test_a_group_has_two_completions_at_least() -> None:
    assert makers.group(2) == 2
    assert told(makers.group(1))[0] == makers.GROUP


@pytest.mark.parametrize(("value", "written"), [(0.0, 0.01), (3.0, 2.0)])
def test_a_temperature_beyond_the_bounds_is_told(value: float, written: float) -> None:
    assert makers.temperature(0.7) == 0.7
    assert told(makers.temperature(value))[0] == written


def test_gpus_that_were_shared_are_halved() -> None:
    # 8 GPUs: 4 train, 4 sample, in engines of 2; of 7, 3 train and 4 sample; one is shared
    assert (told(makers.halved(8))[0], makers.engines(8, 2)) == (4, 2)
    assert (told(makers.halved(7))[0], makers.engines(7, 1)) == (3, 4)
    assert (makers.halved(1), makers.engines(1, 1)) == (1, 1)
    assert makers.engines(4, 8) == 1


def test_updates_are_of_whole_prompts() -> None:
    # 128 prompts x 8 = 1,024 completions in updates of 128: 8 updates of 16 prompts
    assert makers.updates(1024, 128, 128, "b") == 8
    assert told(makers.updates(1024, 2048, 128, "b"))[0] == 1
    # 6 prompts x 4 = 24 completions in updates of 10 would be 2.4; 2 updates of 3 prompts are nearest
    value, why = told(makers.updates(24, 10, 6, "b"))
    assert value == 2 and "24 completions of a step in updates of 10" in why
    # 6 prompts x 4 = 24 in updates of 6 are 4, of 1.5 prompts: 3 updates of 2 prompts
    assert told(makers.updates(24, 6, 6, "b"))[0] == 3


def test_warmup_is_a_number_or_a_share_of_the_steps() -> None:
    assert makers.warmup(10, 0.5, 100, 1, 8, None) == 10
    assert makers.warmup(-1, 0.1, 500, 1, 8, None) == 50
    assert makers.warmup(0.1, 0, 500, 1, 8, None) == 50
    assert makers.warmup(0, 0, None, 1, 8, None) == 0
    # 2 passes over 800 problems by 8 are 200 steps
    assert makers.warmup(0, 0.05, None, 2, 8, 800) == 10
    value, why = told(makers.warmup(0, 0.1, -1, 1, 8, None))
    assert value == 10 and why.startswith("SET trainer.warmup_steps")


def test_other_schedules_become_constant_and_are_told() -> None:
    assert makers.schedule("linear") == "linear"
    assert makers.schedule("constant_with_warmup") == "constant"
    value, why = told(makers.schedule("cosine"))
    assert value == "constant" and "cosine" in why


def test_adapters_have_the_modules_that_are_named() -> None:
    assert makers.lora(0, 16, "all-linear") is None
    assert makers.lora(8, 16, None) == {"rank": 8, "alpha": 16, "target_modules": "all-linear"}
    assert makers.lora(8, 16, "q_proj") == {"rank": 8, "alpha": 16, "target_modules": ["q_proj"]}


def test_no_steps_between_two_acts_is_none() -> None:
    assert makers.every(20, "x") == 20
    assert makers.every(-1, "x") is None and makers.every(None, "x") is None
    assert told(makers.every(0.05, "run.checkpoint_every"))[0] is None
