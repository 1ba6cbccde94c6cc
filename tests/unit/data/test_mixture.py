"""Several data sets in one run: shares, order, names, and a sequence that resumes to the record."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from seed_grpo.config import Config
from seed_grpo.config.sections import MixtureConfig, SourceConfig
from seed_grpo.data import mixture
from seed_grpo.data.mixture import LoadedSet, MixedSource, all_prompts, load_sets, prompt_source
from seed_grpo.data.prompts import PromptSet
from seed_grpo.data.source import Prompt, PromptSource
from seed_grpo.errors import CheckpointError, ConfigError
from seed_grpo.messages import Problem


def prompts(name: str, count: int) -> list[Prompt]:
    return [(Problem(f"{name}{i}", f"{name} {i}?", ("1",)), (1, i)) for i in range(count)]


def loaded(name: str, count: int, **settings: object) -> LoadedSet:
    return LoadedSet(SourceConfig(source=f"{name}.jsonl", **settings), PromptSet(prompts(name, count), 0, 0))


def ids(taken: list[Prompt]) -> list[str]:
    return [problem.id for problem, _ in taken]


def test_the_next_prompt_is_of_the_set_that_is_furthest_behind() -> None:
    # (taken + 1/2) / ratio, a: 2, b: 1. First 0.25 and 0.5: a; then 0.75 and 0.5: b; then 0.75 and 1.5: a; and then
    # 1.25 and 1.5: a, and 1.75 and 1.5: b. A turn each would give a b a b a b.
    source = prompt_source([loaded("a", 9, ratio=2, shuffle=False), loaded("b", 9, ratio=1, shuffle=False)], seed=0)
    assert ids(source.take(6)) == ["a0", "b0", "a1", "a2", "b1", "a3"]


def test_no_beginning_is_more_than_one_prompt_off_its_shares() -> None:
    ratios = {"a": 5.0, "b": 2.5, "c": 0.1}
    source = MixedSource({name: PromptSource(prompts(name, 7), 3) for name in ratios}, ratios)
    counts = Counter[str]()
    for taken in range(1, 400):
        counts[source.take(1)[0][0].id[0]] += 1
        for name, ratio in ratios.items():
            assert abs(counts[name] - taken * ratio / 7.6) < 1


def test_sets_without_a_ratio_count_by_their_sizes() -> None:
    source = prompt_source([loaded("a", 30), loaded("b", 10)], seed=5)
    assert Counter(problem.id[0] for problem, _ in source.take(40)) == {"a": 30, "b": 10}
    assert len(set(ids(prompt_source([loaded("a", 30), loaded("b", 10)], seed=5).take(40)))) == 40  # each once


@pytest.mark.parametrize("before", [0, 1, 7, 23])
def test_a_mixture_resumes_to_the_record(before: int) -> None:
    sets = [loaded("a", 5, ratio=3), loaded("b", 4)]
    whole = ids(prompt_source(sets, seed=1).take(40))
    first, second = prompt_source(sets, seed=1), prompt_source(sets, seed=1)
    assert ids(first.take(before)) == whole[:before]
    second.restore(json.loads(json.dumps(first.state())))
    assert ids(second.take(40 - before)) == whole[before:]


def test_a_mixture_of_other_sets_is_not_resumed() -> None:
    state = prompt_source([loaded("a", 5), loaded("b", 4)], seed=1).state()
    with pytest.raises(CheckpointError, match="data cursor is of a, b, the configuration names a, c"):
        prompt_source([loaded("a", 5), loaded("c", 4)], seed=1).restore(state)
    with pytest.raises(CheckpointError, match="counts 4 prompts, the data set now gives 3"):
        prompt_source([loaded("a", 5), loaded("b", 3)], seed=1).restore(state)


def test_one_set_keeps_its_source_its_order_and_its_ids() -> None:
    source = prompt_source([loaded("a", 5)], seed=1)
    assert isinstance(source, PromptSource)
    assert ids(source.take(5)) == ids(PromptSource(prompts("a", 5), 1).take(5))


def test_all_prompts_come_once_in_proportion_and_in_their_order() -> None:
    found = ids(all_prompts([loaded("a", 6), loaded("b", 2)]))
    assert sorted(found) == sorted([*ids(prompts("a", 6)), *ids(prompts("b", 2))])
    assert [each for each in found if each[0] == "a"] == ids(prompts("a", 6))
    assert Counter(each[0] for each in found[:4]) == {"a": 3, "b": 1}  # so that a first half is of both


def test_problems_of_several_sets_carry_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixture, "load_prompts", lambda config, _tokenizer: PromptSet(prompts("p", 2), 0, 0))
    several = load_sets(MixtureConfig(sources=[{"source": "x.jsonl"}, {"source": "y.jsonl", "name": "z"}]), None)
    assert [(p.id, p.dataset) for each in several for p, _ in each.loaded.prompts] == [
        ("x/p0", "x"), ("x/p1", "x"), ("z/p0", "z"), ("z/p1", "z")
    ]  # fmt: skip
    (one,) = load_sets(MixtureConfig(source="x.jsonl"), SimpleNamespace())
    assert [(p.id, p.dataset) for p, _ in one.loaded.prompts] == [("p0", ""), ("p1", "")]


def config(**sections: object) -> Config:
    whole = {"run": {"directory": Path("runs"), "steps": 1}, "model": {"path": "m"}, **sections}
    return Config.model_validate(whole)


def test_a_set_has_what_is_said_of_all_unless_it_says_otherwise() -> None:
    data = {
        "template": "none", "max_prompt_tokens": 64,
        "sources": [{"source": "a.jsonl"}, {"source": "b.jsonl", "template": "chat", "rewards": [{"use": "length"}]}],
    }  # fmt: skip
    made = config(data=data, verifier={"relation": "exact"})
    assert [(each.template, each.max_prompt_tokens) for each in made.data.sets] == [("none", 64), ("chat", 64)]
    assert list(made.verifiers) == ["b"] and made.verifiers["b"].relation == "exact"
    assert [reward.use for reward in made.verifiers["b"].rewards] == ["length"]
    assert made.verifying_seconds == 60.0  # built-in rewards take no time of their own


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "data needs either source, a data set, or sources"),
        ({"source": "a.jsonl", "sources": [{"source": "b.jsonl"}]}, "data needs either source"),
        ({"sources": [{"source": "a.jsonl"}, {"source": "b/a.json"}]}, "2 data sets are named a"),
        ({"sources": [{"source": "data/*.jsonl"}]}, r"the data set '\*' needs a `name`"),
        ({"sources": [{"source": "a.jsonl", "ratio": 0}]}, "ratio"),
        (  # 1 to 10,000, perhaps
            {"sources": [{"source": "a.jsonl", "ratio": 1}, {"source": "b.jsonl"}]},
            r"1 of 2 data sets \(b\) have no ratio .* give a ratio to all sets, or to none",
        ),
        ({"sources": [{"source": "a.jsonl", "relation": "mth"}]}, "is none of math, exact, code, text"),
        ({"sources": [{"source": "a.jsonl", "max_prompt_tokens": 2000}]}, "exceeds data.max_prompt_tokens=1024"),
        ({"sources": [{"source": "a.jsonl", "extraction": "answer_tag"}]}, "data.sources.a.template=qwen_math asks"),
    ],
)
def test_impossible_mixtures_are_refused(data: dict[str, object], said: str) -> None:
    with pytest.raises((ConfigError, ValueError), match=said):
        config(data=data)


def test_held_out_sets_fit_the_engines_too() -> None:
    long = {"sources": [{"source": "b.jsonl", "max_prompt_tokens": 2000}]}
    with pytest.raises(ValueError, match=r"max_prompt_tokens=2000 of the data set b exceeds data\.max"):
        config(data={"source": "a.jsonl"}, evaluation={"data": long})


def test_sets_of_one_name_are_judged_alike() -> None:
    data = {"sources": [{"source": "a.jsonl", "relation": "exact"}]}
    with pytest.raises(ValueError, match="each have a set a, and they are judged differently"):
        config(data=data, evaluation={"data": {"sources": [{"source": "held/a.jsonl"}]}})
    assert config(data=data, evaluation={"data": {"sources": [{"source": "held/a.jsonl", "relation": "exact"}]}})
