"""A judged group for tests, with what is awkward to record: no Unicode, no tokens, no answer, two versions."""

import numpy as np

from seed_grpo.messages import (
    Completion,
    FinishReason,
    Group,
    GroupTask,
    JudgedGroup,
    Judgement,
    Problem,
    Sampling,
    Verdict,
)


def completion(text: str, logprobs: list[float], versions: list[int]) -> Completion:
    ids = np.arange(len(logprobs), dtype=np.int32)
    arrays = ids, np.array(logprobs, np.float32), np.array(versions, np.int32)
    return Completion(text, *arrays, FinishReason.STOP if logprobs else FinishReason.TIMEOUT)


def judged_group(group_id: int) -> JudgedGroup:
    """Three completions: a right one, one whose text is no Unicode, and one that was aborted before its first token."""
    problem = Problem(f"p{group_id}", "1+1=?\ud800", ("2", "2.0"))
    task = GroupTask(group_id, problem, (1, 2), Sampling(3, 1.0, 1.0, 8, 0))
    completions = (
        completion(r"so \boxed{2}", [-0.5, -1.5], [4, 5]),
        completion("\udcff", [-2.0], [5]),
        completion("", [], []),
    )
    return JudgedGroup(
        Group(task, completions, "rollout-1", 0.5),
        (
            Judgement(Verdict.CORRECT, "2", "2", "numeric"),
            Judgement(Verdict.NO_ANSWER, None),
            Judgement(Verdict.TIMED_OUT, None),
        ),
        np.array([1, 0, 0], np.float32),
        np.array([True, True, False]),
        np.array([0, 1, -1], np.int32),
        semantic_entropy=0.6,
        entropy_max=float(np.log(2)),
        entropy_clipped=False,
        seconds=0.1,
    )
