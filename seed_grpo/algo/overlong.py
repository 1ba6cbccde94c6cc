"""Soft overlong punishment: what a completion's length takes from its reward (DAPO, arXiv 2503.14476, Eq. 13).

With L completion tokens allowed, the last c of which are the margin:

    0                       for      length <= L - c
    ((L - c) - length) / c  for      L - c < length <= L

so that -1 is reached at L, where the completion is cut off, and a completion that stays below the margin loses nothing.

Consumes lengths; produces what is added to the rewards, before the advantage. It judges no answer, and what decides on
correctness (dynamic sampling, the recorded reward) does not see it. Degenerate case: c = 0 punishes nothing.
"""

from __future__ import annotations

import numpy as np


def overlong_G(lengths_G: np.ndarray, max_completion_tokens: int, overlong_tokens: int) -> np.ndarray:
    """Addition [G] float64 to the rewards, in [-1, 0].

    Args:
        lengths_G: [G] completion tokens, the end-of-sequence token included.
        max_completion_tokens: L, completion tokens allowed.
        overlong_tokens: c, less than L.
    """
    if lengths_G.ndim != 1 or not 0 <= overlong_tokens < max_completion_tokens:
        raise ValueError(
            f"lengths {lengths_G.shape} must be [G], and overlong_tokens={overlong_tokens} must lie in "
            f"[0, max_completion_tokens={max_completion_tokens})"
        )
    if overlong_tokens == 0:
        return np.zeros(len(lengths_G), dtype=np.float64)
    left_G = (max_completion_tokens - overlong_tokens) - lengths_G.astype(np.float64)
    return np.clip(left_G / overlong_tokens, -1.0, 0.0)
