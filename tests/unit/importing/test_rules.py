"""Every setting of a file comes over, differs, has no counterpart, or is not known."""

import re
from typing import Any

import pytest

from seed_grpo.errors import ConfigError
from seed_grpo.importing.arguments import flags
from seed_grpo.importing.makers import always, unless
from seed_grpo.importing.rules import GPUS, PROBLEMS, Differs, Imported, Peer, Rule, bring_over, shown

PEER = Peer(
    name="there",
    version="1",
    command=re.compile("train"),
    parse=flags,
    defaults={"heat": 1.0, "on": False, "cap": None, "kind": "a", "size": 4, "gpus": 8},
    rules=(
        Rule("rollout.temperature", ("heat",)),
        Rule("run.deterministic", ("on",)),
        Rule("algo.loss.importance_cap", ("cap",)),
        Rule("algo.advantage", ("kind", "on"), lambda kind, on: kind if kind == "a" else Differs("a", f"no {kind}")),
        Rule("rollout.prompts_per_step", ("size", "heat"), lambda size, heat: 24 // size, shows=1),
        Rule("", ("cap",), unless(None, "no cap")),
        Rule("data.template", (), always("chat"), "as there"),
        Rule("trainer.num_workers", ("gpus", GPUS), lambda gpus, said: said or gpus),
    ),
    without={"log_*": "no logs", "log_all": "never reached"},
    always=(),
)
SAID: dict[str, Any] = {PROBLEMS: None, GPUS: None}


def of(given: dict[str, Any], **said: Any) -> Imported:
    return bring_over(PEER, given, {**SAID, **{f"--{name}": value for name, value in said.items()}})


def test_each_setting_is_in_one_place() -> None:
    imported = of({"heat": 0.5, "kind": "b", "log_all": True, "log_key": 3, "what": [1]})
    assert imported.over == ["heat"]
    assert imported.differing == {"kind=b": ["no b"]}
    assert imported.without == {"log_all=True": "no logs", "log_key=3": "no logs"}
    assert imported.unknown == ["what=[1]"]
    assert imported.settings == 5


def test_defaults_are_written_with_their_origin() -> None:
    written = {each.to: (each.value, each.origin) for each in of({"heat": 0.5, "kind": "b"}).written}
    assert written == {
        "rollout.temperature": (0.5, "heat=0.5"),
        "run.deterministic": (False, "there's default: on=False"),
        "algo.advantage": ("a", "kind=b (differs, see below)"),
        "rollout.prompts_per_step": (6, "there's default: size=4"),  # heat only helps to compute it
        "data.template": ("chat", "as there"),
        "trainer.num_workers": (8, "there's default: gpus=8"),
    }


def test_a_default_that_differs_is_told_as_such() -> None:
    imported = bring_over(PEER, {}, SAID)
    assert imported.of_defaults == {} and imported.settings == 0
    assert of({"cap": 2.0}).differing == {"cap=2.0": ["no cap"]}


def test_the_user_knows_better_than_the_file() -> None:
    assert {each.to: each.value for each in of({"gpus": 4}, gpus=2).written}["trainer.num_workers"] == 2


def test_a_variable_without_a_value_is_told() -> None:
    given = {"size": "$SIZE", "kind": "$KIND", "what": "$(pwd)", "log_all": "$1"}
    imported = bring_over(PEER, given, SAID, unresolved=set(given))
    assert {each.to: each.value for each in imported.written}["rollout.prompts_per_step"] == 6  # 24 / the default, 4
    assert imported.differing["size=$SIZE"] == ["only a shell could know it; there's default 4 is taken, so correct it"]
    kept = "only a shell could know it; correct it where it stands in this file"
    assert imported.differing["kind=$KIND"] == [kept, "no $KIND"]
    assert imported.differing["what=$(pwd)"] == imported.differing["log_all=$1"] == [kept]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": "many"}, "there takes a number for size, not 'many'"),
        ({"size": True}, "there takes a number for size, not 'True'"),
        ({"on": 1}, "there takes true or false for on, not '1'"),
        ({"size": 0}, r"there's size=0, heat=1\.0 cannot become rollout\.prompts_per_step: .*zero"),
        ({"size": None}, r"there's size=None, heat=1\.0 cannot become rollout\.prompts_per_step: "),
    ],
)
def test_a_value_of_another_kind_is_told(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        of(given)


def test_a_setting_is_shown_in_one_short_line() -> None:
    assert shown("a", "x\n  y\u2028z\x00") == "a=x y z?"
    assert shown("a", "x" * 200) == f"a={'x' * 100}..."
    assert shown("a", [1, "b"]) == "a=[1, 'b']"


@pytest.mark.parametrize("name", ["logger.wandb.key", "use_wandb", "hub_token", "HF_TOKEN", "my_api_key"])
def test_secrets_are_not_shown(name: str) -> None:
    assert shown(name, "0123456789abcdef") == f"{name}=(not shown)"
    assert shown(name, "$WANDB_API_KEY") == f"{name}=$WANDB_API_KEY"
    assert shown(name, True) == f"{name}=True"
    assert shown("input_key", "question") == "input_key=question"
