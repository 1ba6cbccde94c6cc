"""The YAML that is written is a configuration, whatever stands in its remarks."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from seed_grpo.config.loading import parse_config
from seed_grpo.errors import ConfigError
from seed_grpo.importing.peers.verl import VERL
from seed_grpo.importing.rules import GPUS, PROBLEMS, Imported, bring_over
from seed_grpo.importing.writing import as_yaml, set_by_hand, summary

HOSTILE = "x\nrun: {steps: 7}\r\u2028steps: 8\u0085# \x00 '\" {[&*!|>%@`"


def of(given: dict[str, Any]) -> Imported:
    return bring_over(VERL, given, {GPUS: None, PROBLEMS: 1024})


def test_settings_come_back_from_the_text() -> None:
    imported = of({"actor_rollout_ref.model.path": "m", "trainer.total_epochs": 3})
    tree = yaml.safe_load(as_yaml(imported, "run.sh", []))
    config = parse_config(tree, "test")
    # 3 passes over 1,024 problems, 1,024 a step
    assert (config.model.path, config.run.steps, config.rollout.prompts_per_step) == ("m", 3, 1024)


def test_values_and_remarks_cannot_leave_their_place() -> None:
    given = {"actor_rollout_ref.model.path": HOSTILE, "trainer.logger": HOSTILE, HOSTILE: HOSTILE, "trainer.x\ny": 1}
    imported = of(given)
    imported.unknown.append(HOSTILE)
    imported.peer = replace(imported.peer, always=(HOSTILE,))
    text = as_yaml(imported, HOSTILE, [HOSTILE])
    tree = yaml.safe_load(text)
    assert tree["model"]["path"] == HOSTILE
    assert (tree["run"]["steps"], set(tree)) == (
        30,  # passes of verl's default over 1,024 problems, 1,024 a step
        {"run", "model", "data", "rollout", "verifier", "algo", "trainer", "evaluation", "cluster"},
    )


@pytest.mark.parametrize(("prompts", "rounds", "capacity"), [(512, 0, None), (1024, 0, 1024), (256, 2, 768)])
def test_a_queue_is_made_for_all_groups_of_a_step(prompts: int, rounds: int, capacity: int | None) -> None:
    imported = of({"actor_rollout_ref.actor.ppo_mini_batch_size": 256, "data.train_batch_size": prompts})
    set_by_hand(imported, [f"algo.dynamic_sampling_rounds={rounds}"])
    tree = yaml.safe_load(as_yaml(imported, "run.sh", []))
    assert tree.get("cluster", {}).get("queue_capacity") == capacity  # 256 x (1 + 2) = 768; ours holds 512


def test_settings_of_the_users_own_win() -> None:
    imported = of({"actor_rollout_ref.model.path": "m"})
    set_by_hand(imported, ["run.steps=7", "algo.scale={kind: linear, alpha: 0.1}", "cluster.device=cuda"])
    text = as_yaml(imported, "run.sh", [])
    tree = yaml.safe_load(text)
    assert (tree["run"]["steps"], tree["algo"]["scale"], tree["cluster"]["device"]) == (
        7, {"kind": "linear", "alpha": 0.1}, "cuda",
    )  # fmt: skip
    assert "steps: 7  # as you said" in text


@pytest.mark.parametrize("override", ["steps", "=3", "run..steps=1", "run.steps=[1"])
def test_a_setting_of_the_users_own_that_is_none_is_refused(override: str) -> None:
    with pytest.raises(ConfigError, match="correct it"):
        set_by_hand(of({}), [override])


def test_what_is_no_configuration_is_not_written() -> None:
    imported = of({})
    set_by_hand(imported, ["run.stpes=7"])
    with pytest.raises(ConfigError, match=r"run\.sh in our settings: unknown key 'run\.stpes'\. Nothing is written"):
        as_yaml(imported, "run.sh", [])
    set_by_hand(imported, ["run.steps.more=7"])
    with pytest.raises(ConfigError, match="correct it"):
        set_by_hand(imported, ["run.steps=3"])
        set_by_hand(imported, ["run.steps.more=7"])
        as_yaml(imported, "run.sh", [])


def test_the_summary_counts_every_setting_once() -> None:
    imported = of({"trainer.nnodes": 1, "trainer.n_gpus_per_node": 8, "data.image_key": "x", "what": 1})
    assert summary(imported).startswith(
        "4 settings of verl: 1 came over, 1 differ, 1 have no counterpart, 1 are not known; "
    )
