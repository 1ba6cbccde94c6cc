"""The prompt source: its order over epochs, and its cursor."""

from __future__ import annotations

import json

import pytest

from seed_grpo.data.source import PromptSource
from seed_grpo.errors import CheckpointError
from seed_grpo.messages import Problem


def prompts(number):
    return [(Problem(str(n), "x", ("1",)), (n,)) for n in range(number)]


def taken_ids(source, number):
    return [ids[0] for _, ids in source.take(number)]


def test_the_prompt_source_goes_through_all_in_a_new_order_each_epoch():
    source = PromptSource(prompts(10), seed=0)
    first, second = taken_ids(source, 10), taken_ids(source, 10)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second and first != list(range(10))
    again = PromptSource(prompts(10), seed=0)
    assert [again.take(1)[0][1][0] for _ in range(20)] == first + second  # how many at a time is all one
    assert taken_ids(PromptSource(prompts(10), seed=1), 10) != first
    assert taken_ids(PromptSource(prompts(10), seed=0, shuffle=False), 12) == [*range(10), 0, 1]


@pytest.mark.parametrize("before", [0, 3, 9, 10, 11, 20, 25], ids=lambda n: f"after_{n}")
def test_the_prompt_source_resumes_to_the_record(before):
    # 10 prompts: 3 is in the middle of an epoch, 10 at its very end, and 25 in the third; each take(7) crosses one
    source = PromptSource(prompts(10), seed=5)
    source.take(before)
    state = json.loads(json.dumps(source.state()))
    expected = [taken_ids(source, 7) for _ in range(4)]
    resumed = PromptSource(prompts(10), seed=5)
    resumed.take(4)  # what it did before is forgotten
    resumed.restore(state)
    assert [taken_ids(resumed, 7) for _ in range(4)] == expected
    assert resumed.state() == source.state()


def test_a_cursor_of_changed_problems_is_refused():
    state = json.loads(json.dumps(PromptSource(prompts(3), seed=0).state()))
    first, *others = prompts(3)
    for changed in (Problem("0", "y", ("1",)), Problem("0", "x", ("2",)), Problem("z", "x", ("1",))):
        with pytest.raises(CheckpointError, match=r"changed under its name.*run\.directory"):
            PromptSource([(changed, first[1]), *others], seed=0).restore(state)
    with pytest.raises(CheckpointError, match="changed under its name"):
        PromptSource([*others, first], seed=0).restore(state)  # another order
    PromptSource([first, *others], seed=0).restore(state)


def test_a_cursor_of_changed_prompts_is_refused():
    state = json.loads(json.dumps(PromptSource(prompts(3), seed=0).state()))
    (problem, ids), *others = prompts(3)
    for changed in ((*ids, 7), (), (5,)):
        with pytest.raises(CheckpointError, match=r"file of data\.template.*chat template, has.*run\.directory"):
            PromptSource([(problem, changed), *others], seed=0).restore(state)
    # the same tokens, cut otherwise into prompts: 0 1 | 2 for 0 | 1 2
    one, two = (Problem(name, "x", ("1",)) for name in "ab")
    state = PromptSource([(one, (0, 1)), (two, (2,))], seed=0).state()
    with pytest.raises(CheckpointError, match="other prompts of them"):
        PromptSource([(one, (0,)), (two, (1, 2))], seed=0).restore(state)


def test_a_cursor_of_another_set_is_refused():
    with pytest.raises(CheckpointError, match="counts 10 prompts, the data set now gives 11"):
        PromptSource(prompts(11), seed=0).restore(PromptSource(prompts(10), seed=0).state())
