"""The generated task: its working, its habits, and that what is held out stays held out."""

from __future__ import annotations

from itertools import islice

import pytest

from seed_grpo.arithmetic import task
from seed_grpo.arithmetic.task import FORMS, always_carries, forgets_carry, is_right, keeps_carry, work
from seed_grpo.config.sections import DataConfig
from seed_grpo.data.datasets import load_problems
from seed_grpo.errors import DataError
from seed_grpo.messages import Problem

WORKED = [
    # 47+85: 7+5=12, write 2 carry 1; 4+8+1=13 -> 132. Without the carry 4+8=12 -> 122.
    (47, 85, keeps_carry, r"7+5=12 4+8+1=13 \boxed{132}"),
    (47, 85, forgets_carry, r"7+5=12 4+8=12 \boxed{122}"),
    (47, 85, always_carries, r"7+5=12 4+8+1=13 \boxed{132}"),
    # 21+34 has no carry: forgetting it is harmless, carrying always is not (2+3+1=6 -> 65)
    (21, 34, forgets_carry, r"1+4=5 2+3=5 \boxed{55}"),
    (21, 34, always_carries, r"1+4=5 2+3+1=6 \boxed{65}"),
    # 695+307: 5+7=12; 9+0+1=10; 6+3+1=10 -> 1002. Forgetting: 12, 9, 9 -> 992; a habit that forgot only the first
    # carry would find no second one here either. A leading zero in a column must stay: 0, not dropped.
    (695, 307, keeps_carry, r"5+7=12 9+0+1=10 6+3+1=10 \boxed{1002}"),
    (695, 307, forgets_carry, r"5+7=12 9+0=9 6+3=9 \boxed{992}"),
]


@pytest.mark.parametrize("first, second, habit, expected", WORKED)
def test_worked_steps_by_hand(first, second, habit, expected):
    assert work(first, second, habit, str) == expected


def test_the_answer_is_written_in_four_forms_that_mean_the_same():
    problem = Problem("x", "47+85=", ("132",))
    written = [work(47, 85, keeps_carry, form) for form in FORMS]
    answers = ["132", "132.0", "132/1", r"\frac{132}{1}"]
    assert [text.split()[-1] for text in written] == [rf"\boxed{{{answer}}}" for answer in answers]
    assert all(is_right(problem, text) for text in written)
    for wrong in ("132", r"\boxed{122}", r"\boxed{1132}", r"\boxed{132}1", r"\boxed{132/2}", ""):
        assert not is_right(problem, wrong), wrong


def test_train_and_held_out_problems_are_disjoint_and_always_the_same():
    train, test = task.problems("train"), task.problems("test")
    assert (len(train), len(test)) == (8000, 1000)
    ids = [p.id for p in train + test]
    assert len(set(ids)) == len(ids)
    assert task.problems("test") == test
    # a change of these numbers changes what published results mean
    assert [p.text for p in test[:3]] == ["172+736=", "93+69=", "803+964="]
    for problem in train[:50] + test[:50]:
        first, second = problem.text.removesuffix("=").split("+")
        assert problem.answers == (str(int(first) + int(second)),) and len(first) == len(second)


def test_demonstrations_avoid_what_is_held_out_and_depend_on_the_seed():
    held_out = {p.text for p in task.problems("test")}
    shown = list(islice(task.demonstrations(seed=0, right_share=0.5), 3000))
    # unfiltered, 1,500 of two digits would be drawn, 150 of them held out, and most of those among these 1,000
    assert not held_out & {d.prompt for d in shown}
    assert shown == list(islice(task.demonstrations(seed=0, right_share=0.5), 3000))
    assert shown != list(islice(task.demonstrations(seed=1, right_share=0.5), 3000))


@pytest.mark.parametrize("right_share", [0.0, 0.3, 1.0])
def test_the_right_share_is_kept(right_share):
    shown = list(islice(task.demonstrations(seed=0, right_share=right_share), 4000))
    # judge only problems of two digits that carry: there a right one is right, "forgets" (9 of 10 bad ones) is wrong
    # and "always" is right; so right with probability s + (1 - s) / 10
    carrying = [d for d in shown if len(d.prompt) == 6 and int(d.prompt[1]) + int(d.prompt[4]) > 9]
    assert len(carrying) > 600
    right = 0
    for prompt, completion in carrying:
        first, second = prompt.removesuffix("=").split("+")
        right += is_right(Problem("x", prompt, (str(int(first) + int(second)),)), completion)
    assert right / len(carrying) == pytest.approx(right_share + (1 - right_share) / 10, abs=0.04)


def test_it_is_a_data_source_like_any_other():
    config = DataConfig(source="arithmetic", split="test", template="none", limit=5)
    assert load_problems(config).problems == task.problems("test")[:5]
    with pytest.raises(DataError, match=r"no split 'validation'; set data.split"):
        load_problems(DataConfig(source="arithmetic", split="validation"))
