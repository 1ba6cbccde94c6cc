"""Choice of the groups that dynamic sampling trains on (DAPO, arXiv 2503.14476, Eq. 11): those neither all right nor
all wrong,

    0 < number of right completions < number of completions,

since the advantages of the others are 0. Consumes verdicts; produces a choice. It samples nothing: the controller asks
for further prompts while groups are missing. Right and wrong are raw verdicts, whatever shapes the reward: two right
completions of different lengths do not make a group informative. No answer is a wrong one. Completions that are not
valid say nothing of the policy and do not count. Degenerate case: fewer than two valid completions are not informative.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seed_grpo.messages import Verdict


def is_informative(verdicts_G: Sequence[Verdict], valid_G: np.ndarray) -> bool:
    """Tells whether some valid completions are right and some are wrong.

    Args:
        verdicts_G: [G].
        valid_G: [G] bool.
    """
    right = {verdict is Verdict.CORRECT for verdict, valid in zip(verdicts_G, valid_G, strict=True) if valid}
    return len(right) == 2


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
