"""Proof of a weight sync: a fixed text has the same log-probabilities in engine and trainer (invariant 3).

Consumes the trainer's `Probe` and the engine's log-probabilities of the same tokens; produces the largest difference,
or an error. It calls no engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice

import numpy as np

from seed_grpo.errors import WeightSyncError
from seed_grpo.messages import Probe


def probe_token_ids(prompts: Iterable[Sequence[int]], length: int) -> np.ndarray:
    """Token ids [at most length] int32 of the probe: the first prompts of the run, one after the other.

    The probe is a text that the model knows, on purpose. All of the output matrix enters each log-probability, and
    moves with the policy. A random token's log-probability of -40 nats would bring ten times the rounding error.

    Args:
        prompts: token ids of each prompt, at least two tokens in all.
    """
    ids = np.fromiter(islice(chain.from_iterable(prompts), length), dtype=np.int32)
    assert len(ids) >= 2, "a probe needs a token and a predecessor"
    return ids


def prove(probe: Probe, engine_logprobs_T: np.ndarray, tolerance: float, worker: str) -> float:
    """Largest |difference| in nats between the trainer's and the engine's log-probabilities of the probe.

    Args:
        engine_logprobs_T: [T-1], the engine's for tokens 1..T-1.
        tolerance: nats.
        worker: name of the rollout worker, for the message.

    Raises:
        WeightSyncError: the difference exceeds the tolerance or is not a number, or the lengths differ.
    """
    if engine_logprobs_T.shape != probe.logprobs_T.shape:
        raise WeightSyncError(
            f"canary of {worker}: {len(engine_logprobs_T)} log-probabilities came back for the "
            f"{len(probe.logprobs_T)} of the probe"
        )
    difference = float(np.max(np.abs(engine_logprobs_T.astype(np.float64) - probe.logprobs_T.astype(np.float64))))
    if not difference <= tolerance:  # also where it is not a number
        raise WeightSyncError(
            f"canary of {worker}: log-probabilities of the probe differ by {difference:.3g} nats from the trainer's, "
            f"more than {tolerance:.3g}; the weights did not arrive whole (or raise weight_sync.tolerance)"
        )
    return difference
