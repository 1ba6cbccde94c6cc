"""The partition of a group's answers into meaning classes.

Consumes one hashable key an answer (equal keys mean the same) and, where equality of keys does not tell all, a
relation over keys; produces class ids. It knows nothing of mathematics: `seed_grpo.verify` makes keys and relation.

Classes are the connected components of the relation made symmetric, so they do not depend on the order of the
answers; the ids do, by first appearance.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import combinations

import numpy as np

OUTSIDE = -1
"""class id of an answer that is not in the partition"""


def partition(
    keys_G: Sequence[Hashable | None], same: Callable[[Hashable, Hashable], bool] | None = None
) -> np.ndarray:
    """Class ids [G] int32 by order of first appearance, -1 where the key is None.

    Args:
        keys_G: [G] a key per answer; None leaves the answer out of the partition.
        same: whether two different keys mean the same; asked in both orders. None: equality of keys decides, in O(G).
    """
    parents: dict[Hashable, Hashable] = {key: key for key in keys_G if key is not None}

    def root(key: Hashable) -> Hashable:
        while parents[key] != key:
            key = parents[key]
        return key

    if same is not None:
        for first, second in combinations(list(parents), 2):
            # a pair that is connected already is not asked about: the answer could not change the components
            if root(first) != root(second) and (same(first, second) or same(second, first)):
                parents[root(second)] = root(first)
    ids: dict[Hashable, int] = {}
    class_ids = [OUTSIDE if key is None else ids.setdefault(root(key), len(ids)) for key in keys_G]
    return np.array(class_ids, dtype=np.int32)
