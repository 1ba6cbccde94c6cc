"""Choice of the groups that dynamic sampling trains on (DAPO, arXiv 2503.14476, Eq. 11): those whose rewards differ,

    min r_i < max r_i,

since the advantages of the others are 0. With rewards of 0 and 1 these are the groups that are neither all right nor
all wrong. Consumes rewards; produces a choice. It samples nothing: the controller asks for further prompts while groups
are missing. The overlong punishment is no part of these rewards: two right completions of different lengths do not make
a group informative by it. Completions that are not valid say nothing of the policy and do not count. Degenerate case:
fewer than two valid completions are not informative.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def is_informative(rewards_G: np.ndarray, valid_G: np.ndarray) -> bool:
    """Tells whether the rewards of the valid completions differ.

    Args:
        rewards_G: [G], without punishment.
        valid_G: [G] bool.
    """
    rewards_N = rewards_G[valid_G]
    return len(rewards_N) > 0 and bool(rewards_N.min() < rewards_N.max())


def chosen_places(informative_P: Sequence[bool], wanted: int) -> list[int]:
    """Places of the groups to train on, ascending: the informative ones, and the first others while there is room.

    Args:
        informative_P: [P], of the groups at hand; at most `wanted` are True.
        wanted: groups that a step trains on.
    """
    room = wanted - sum(informative_P)
    assert room >= 0, f"{sum(informative_P)} informative groups were sampled for {wanted} places"
    fill = [place for place, informative in enumerate(informative_P) if not informative][:room]
    return sorted([*fill, *(place for place, informative in enumerate(informative_P) if informative)])
