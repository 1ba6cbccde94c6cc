"""Advantages of the completions of one prompt, from their rewards.

Consumes the rewards of one group and which of them are valid; produces one advantage a completion, before the
scale of `algo.scale`. For n valid completions with rewards r_i:

    centered       A_i = r_i - mean(r)                        Dr.GRPO, arXiv 2503.20783, section 3.2
    standardized   A_i = (r_i - mean(r)) / (std(r) + 1e-6)    GRPO, arXiv 2402.03300, section 4.1.2; std over n - 1
    leave_one_out  A_i = r_i - mean(r_j, j != i)              RLOO, arXiv 2402.14740, section 3.1
                       = n / (n - 1) * (r_i - mean(r))

Completions that are not valid (verdicts timed_out and verifier_error) are not in the baseline and get 0.
Degenerate cases: fewer than two valid completions have no baseline, and equal rewards have no signal; both give
exact zeros, which the trainer relies on to leave such rows out of the forward pass.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seed_grpo.errors import ConfigError
from seed_grpo.extensions import entry

STANDARD_DEVIATION_FLOOR = 1e-6


def centered(rewards_N: np.ndarray) -> np.ndarray:
    return rewards_N - rewards_N.mean()


def standardized(rewards_N: np.ndarray) -> np.ndarray:
    return centered(rewards_N) / (rewards_N.std(ddof=1) + STANDARD_DEVIATION_FLOOR)


def leave_one_out(rewards_N: np.ndarray) -> np.ndarray:
    return centered(rewards_N) * len(rewards_N) / (len(rewards_N) - 1)


ADVANTAGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "centered": centered,
    "standardized": standardized,
    "leave_one_out": leave_one_out,
}
"""Functions by `algo.advantage`: each maps the rewards [N] of a prompt's valid completions, not all equal, to
advantages [N]."""


def advantages_G(rewards_G: np.ndarray, valid_G: np.ndarray, kind: str) -> np.ndarray:
    """Advantages [G] float64 of one group.

    Args:
        rewards_G: [G] rewards; those of completions that are not valid are ignored.
        valid_G: [G] bool.
        kind: a key of `ADVANTAGES`, or an import path.

    Raises:
        ConfigError: a function of the user's own cannot be imported, or gives no advantage for each reward.
    """
    if rewards_G.shape != valid_G.shape or rewards_G.ndim != 1:
        raise ValueError(f"rewards {rewards_G.shape} and valid {valid_G.shape} must both be [G]")
    advantages = np.zeros(len(rewards_G), dtype=np.float64)
    rewards_N = rewards_G[valid_G].astype(np.float64)
    if len(rewards_N) >= 2 and rewards_N.min() < rewards_N.max():
        own_N = np.asarray(entry(ADVANTAGES, kind)(rewards_N), dtype=np.float64)
        if own_N.shape != rewards_N.shape or not np.isfinite(own_N).all():
            raise ConfigError(
                f"algo.advantage={kind} gives {own_N!s:.200} for {len(rewards_N)} rewards; "
                "return as many finite numbers"
            )
        advantages[valid_G] = own_N
    return advantages
