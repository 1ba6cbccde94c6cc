"""Recorded groups for tests of what is computed from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seed_grpo.messages import Verdict
from seed_grpo.records.rollout_table import RecordedGroup

VERDICTS = {
    "R": Verdict.CORRECT,
    "W": Verdict.INCORRECT,
    "N": Verdict.NO_ANSWER,
    "T": Verdict.TIMED_OUT,
    "E": Verdict.VERIFIER_ERROR,
}


def recorded_group(
    verdicts: str,
    classes: Sequence[int],
    problem_id: str = "p",
    source: str = "set",
    level: str = "",
    subject: str = "",
    greedy: bool = False,
    mean_logprobs: Sequence[float] | None = None,
    num_tokens: Sequence[int] | None = None,
    rewards: Sequence[float] | None = None,
) -> RecordedGroup:
    """A group of as many completions as there are letters, e.g. `recorded_group("RRWT", [0, 0, 1, -1])`."""
    count = len(verdicts)
    verdicts_G = tuple(VERDICTS[letter] for letter in verdicts)
    nothing_G = np.full(count, np.nan)
    return RecordedGroup(
        step=0,
        group_id=0,
        problem_id=problem_id,
        source=source,
        level=level,
        subject=subject,
        dataset="",
        prompt="1+1=?",
        references=("2",),
        prompt_sha256="",
        temperature=0.0 if greedy else 1.0,
        semantic_entropy=0.0,
        scale=None,
        rollout_worker="rollout-0",
        texts_G=("",) * count,
        verdicts_G=verdicts_G,
        answers_G=(None,) * count,
        parsed_G=("",) * count,
        rules_G=("",) * count,
        class_ids_G=np.array(classes, np.int32),
        rewards_G=np.array([letter == "R" for letter in verdicts] if rewards is None else rewards, np.float64),
        reward_parts_G=({},) * count,
        valid_G=np.array([verdict.is_valid for verdict in verdicts_G], np.bool_),
        overlong_G=nothing_G,
        advantages_G=nothing_G,
        num_tokens_G=np.array([10] * count if num_tokens is None else num_tokens, np.int32),
        mean_logprobs_G=np.array([-0.5] * count if mean_logprobs is None else mean_logprobs, np.float64),
        finish_reasons_G=("stop",) * count,
        versions_G=np.zeros((count, 2), np.int32),
        token_ids_G=None,
        logprobs_G=None,
    )


def random_group(rng: np.random.Generator, count: int, problem_id: str = "p") -> RecordedGroup:
    """Random classes (by order of first appearance), correctness by class, likelihoods and lengths; a tenth invalid."""
    verdict_of = rng.choice(list("RWN"), size=count, p=[0.3, 0.6, 0.1])
    drawn_G = rng.integers(0, rng.integers(1, count + 1), size=count)
    invalid_G = rng.random(count) < 0.1
    verdicts = "".join("T" if bad else verdict_of[k] for bad, k in zip(invalid_G, drawn_G, strict=True))
    names: dict[int, int] = {}
    classes = [-1 if bad else names.setdefault(int(k), len(names)) for bad, k in zip(invalid_G, drawn_G, strict=True)]
    return recorded_group(
        verdicts,
        classes,
        problem_id,
        mean_logprobs=-rng.exponential(0.5, size=count),
        num_tokens=rng.integers(1, 60, size=count),
    )
