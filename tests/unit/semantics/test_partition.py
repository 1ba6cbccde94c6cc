"""The partition into meaning classes: worked by hand, and over all orders of the answers."""

import itertools

from seed_grpo.semantics.partition import partition


def test_partition_by_equality_alone():
    assert partition(["a", "b", "a", None, "c", "b"]).tolist() == [0, 1, 0, -1, 2, 1]


def test_partition_takes_components_of_the_symmetrized_relation():
    # 1 ~ 2 only as same(2, 1), 2 ~ 3 only as same(2, 3): one component {1, 2, 3}. Greedy clustering against the first
    # member (1 against 3) would split it, and a one-sided call would miss same(2, 1).
    related = {(2, 1), (2, 3)}
    keys = [1, 3, 2, 4, 1]
    assert partition(keys, lambda a, b: (a, b) in related).tolist() == [0, 0, 0, 1, 0]


def test_partition_does_not_depend_on_the_order_of_the_answers():
    related = {(1, 2), (3, 2), (5, 4)}
    keys = [1, 2, 3, 4, 5, 6]
    for permuted in itertools.permutations(keys):
        classes = partition(permuted, lambda a, b: (a, b) in related)
        by_class = {frozenset(k for k, c in zip(permuted, classes, strict=True) if c == name) for name in classes}
        assert by_class == {frozenset({1, 2, 3}), frozenset({4, 5}), frozenset({6})}
        assert list(dict.fromkeys(classes.tolist())) == [0, 1, 2]  # by order of first appearance


def test_partition_asks_once_about_equal_keys():
    asked = []

    def same(a, b):
        asked.append((a, b))
        return False

    partition(["a"] * 8 + ["b"] * 8, same)
    assert asked == [("a", "b"), ("b", "a")]
