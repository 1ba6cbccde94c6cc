"""Every library whose settings can be brought over."""

import re
from typing import Any

import pytest
from pydantic import BaseModel

from seed_grpo.config import Config
from seed_grpo.config.sections import EvaluationConfig
from seed_grpo.importing.reading import PEERS
from seed_grpo.importing.rules import GPUS, PROBLEMS, Peer, bring_over
from seed_grpo.importing.writing import as_yaml, set_by_hand

each_peer = pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
SECTIONS: dict[str, Any] = {"evaluation": EvaluationConfig}
"""sections that a configuration may lack, whose type does not tell them"""


def is_setting(dotted: str) -> bool:
    model: Any = Config
    for part in dotted.split("."):
        if not (isinstance(model, type) and issubclass(model, BaseModel)) or part not in model.model_fields:
            return False
        model = SECTIONS.get(part, model.model_fields[part].annotation)
    return True


@each_peer
def test_every_rule_writes_a_setting_of_ours_once(peer: Peer) -> None:
    written = [rule.to for rule in peer.rules if rule.to]
    assert [to for to in written if not is_setting(to)] == []
    assert [to for to in set(written) if written.count(to) > 1] == []


@each_peer
def test_every_setting_that_is_read_has_a_default(peer: Peer) -> None:
    read = {name for rule in peer.rules for name in rule.reads}
    assert read - peer.defaults.keys() == {GPUS, PROBLEMS}
    assert peer.defaults.keys() <= read


@each_peer
def test_reasons_stand_in_one_line_and_are_reached(peer: Peer) -> None:
    for why in (*peer.without.values(), *peer.always):
        assert why == " ".join(why.split()) and len(why) < 160
    patterns = list(peer.without)
    for place, pattern in enumerate(patterns):
        before = "|".join(re.escape(earlier).replace(r"\*", ".*") for earlier in patterns[:place])
        assert not before or not re.fullmatch(before, pattern), f"{pattern} stands behind a pattern that has it too"


@each_peer
@pytest.mark.parametrize("gpus", [None, 1, 2, 8, 64])
def test_its_defaults_are_a_configuration_of_ours(peer: Peer, gpus: int | None) -> None:
    imported = bring_over(peer, {}, {GPUS: gpus, PROBLEMS: 1000})
    given = {each.to for each in imported.written}
    needed = {"model.path": "m", "data.source": "d", "rollout.prompts_per_step": 64}
    set_by_hand(imported, [f"{to}={value}" for to, value in needed.items() if to not in given or gpus == 64])
    set_by_hand(imported, ["trainer.mini_batches=1", *(["rollout.tensor_parallel_size=1"] if gpus == 1 else [])])
    assert as_yaml(imported, "nothing", []).startswith("# nothing, brought over")
