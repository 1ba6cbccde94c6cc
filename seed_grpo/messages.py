"""The messages that cross an actor boundary: frozen dataclasses of stdlib and numpy types.

Shape suffixes in the whole program: P prompts, G completions of a prompt, T tokens, C meaning classes, B rows of
a batch. A group is the G completions of one prompt; it travels as
`GroupTask` -> (rollout) -> `Group` -> (verify, partition, entropy) -> `JudgedGroup`, and the controller sees only
the small `GroupSummary` of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np


class Verdict(StrEnum):
    """Outcome of judging one completion. Only the first three say something about the completion; an answer whose
    size alone is beyond all bounds is incorrect."""

    CORRECT = "correct"
    INCORRECT = "incorrect"
    NO_ANSWER = "no_answer"
    TIMED_OUT = "timed_out"
    VERIFIER_ERROR = "verifier_error"

    @property
    def is_valid(self) -> bool:
        """False where our own bounds or faults decided: such completions leave baseline, partition and loss."""
        return self not in (Verdict.TIMED_OUT, Verdict.VERIFIER_ERROR)


class FinishReason(StrEnum):
    """Reason why a completion ended."""

    STOP = "stop"  # end-of-sequence token or stop string
    LENGTH = "length"  # the completion-token limit
    TIMEOUT = "timeout"  # aborted at the request's deadline; leaves baseline, partition and loss


@dataclass(frozen=True)
class Problem:
    """One record of a data set, e.g. `Problem("gsm8k-7", "What is 2+2?", ("4",), "gsm8k")`."""

    id: str
    """id, unique within the data set"""
    text: str
    """the problem statement, before any template"""
    answers: tuple[str, ...]
    """reference answers, of which any one counts; none where nobody knows them"""
    source: str = ""
    level: str = ""
    subject: str = ""
    dataset: str = ""
    """name of the data set in the configuration, by which metrics are kept and verifier settings chosen"""
    turns: tuple[tuple[str, str], ...] = ()
    """(role, content) of the conversation that ends in the problem, where its record holds one"""
    record_json: str = "{}"
    """the whole record as a JSON object, for rewards"""


@dataclass(frozen=True)
class Sampling:
    """Sampling parameters of a group. `temperature` 0 is greedy."""

    num_completions: int
    temperature: float
    top_p: float
    max_tokens: int
    """largest number of completion tokens"""
    seed: int
    """seed of the group; completion i is drawn with a seed derived from this and i alone"""


@dataclass(frozen=True)
class GroupTask:
    """A prompt to be answered G times."""

    group_id: int
    """id, unique in the run and ascending in order of issue"""
    problem: Problem
    prompt_ids: tuple[int, ...]
    """[T] the templated, tokenized prompt"""
    sampling: Sampling
    rewarded: bool = True
    """False in evaluations: no reward of `verifier.rewards` is asked, and a correct completion counts 1"""


@dataclass(frozen=True)
class Completion:
    """One sampled answer."""

    text: str
    """text of the tokens, special ones and a final stop string included, the end-of-sequence token excluded"""
    token_ids_T: np.ndarray
    """[T] int32, with the end-of-sequence token where one was sampled"""
    logprobs_T: np.ndarray
    """[T] float32 nats, log-probabilities of the sampled tokens under the distribution that they were drawn from: with
    the group's temperature and top-p; of a greedy completion, temperature 1"""
    versions_T: np.ndarray
    """[T] int32, the weight version that sampled each token"""
    finish_reason: FinishReason

    @property
    def num_bytes(self) -> int:
        """Size of the arrays and the text."""
        return self.token_ids_T.nbytes + self.logprobs_T.nbytes + self.versions_T.nbytes + len(self.text)

    def __post_init__(self) -> None:
        lengths = {len(self.token_ids_T), len(self.logprobs_T), len(self.versions_T)}
        if len(lengths) != 1:
            raise ValueError(
                f"a completion's arrays differ in length: {len(self.token_ids_T)} token ids, "
                f"{len(self.logprobs_T)} log-probabilities, {len(self.versions_T)} versions"
            )


@dataclass(frozen=True)
class Group:
    """The G completions of one prompt, in the order of their seeds."""

    task: GroupTask
    completions_G: tuple[Completion, ...]
    worker: str
    """name of the rollout worker"""
    seconds: float
    """wall-clock from the first request handed in to the last completion"""


@dataclass(frozen=True)
class Judgement:
    """Verdict on one completion, with the evidence."""

    verdict: Verdict
    answer: str | None
    """the extracted final answer, as written"""
    parsed: str = ""
    """the parsed form, for people"""
    rule: str = ""
    """the rule that decided"""
    seconds: float = 0.0


@dataclass(frozen=True)
class JudgedGroup:
    """A group with its judgements, its partition and its semantic entropy: what the trainer trains on."""

    group: Group
    judgements_G: tuple[Judgement, ...]
    rewards_G: np.ndarray
    """[G] float32, the weighted sum of all rewards; 0 where the completion is not valid, which `valid_G` tells"""
    valid_G: np.ndarray
    """[G] bool; False leaves baseline and loss: not judged, then outside the partition too, or without a reward"""
    class_ids_G: np.ndarray
    """[G] int32, meaning class by order of first appearance; -1 outside the partition"""
    semantic_entropy: float
    """nats, in [0, log n] for the n completions inside the partition"""
    entropy_max: float
    """log n; 0 for n below 2"""
    entropy_clipped: bool
    """true if the estimate exceeded log n"""
    seconds: float
    """wall-clock of judging and partitioning"""
    reward_parts_G: Mapping[str, np.ndarray] = field(default_factory=dict)
    """[G] float32 by reward, before its weight; nan where it is not valid"""
    fault: str = ""
    """failure of a reward, on account of which no completion is valid"""

    @property
    def summary(self) -> GroupSummary:
        """The small part, for the controller."""
        completions = self.group.completions_G
        versions = np.concatenate([completion.versions_T for completion in completions])
        return GroupSummary(
            group_id=self.group.task.group_id,
            problem_id=self.group.task.problem.id,
            verdicts_G=tuple(j.verdict for j in self.judgements_G),
            rewards_G=self.rewards_G,
            valid_G=self.valid_G,
            class_ids_G=self.class_ids_G,
            semantic_entropy=self.semantic_entropy,
            entropy_max=self.entropy_max,
            entropy_clipped=self.entropy_clipped,
            lengths_G=np.array([len(c.token_ids_T) for c in completions], dtype=np.int32),
            truncated_G=np.array([c.finish_reason is FinishReason.LENGTH for c in completions], dtype=bool),
            version_min=int(versions.min()) if len(versions) else -1,
            version_max=int(versions.max(initial=-1)),
            rollout_seconds=self.group.seconds,
            verify_seconds=self.seconds,
            payload_bytes=sum(completion.num_bytes for completion in completions),
            reward_parts_G=self.reward_parts_G,
            fault=self.fault,
            dataset=self.group.task.problem.dataset,
        )


@dataclass(frozen=True)
class GroupSummary:
    """Summary of a judged group for the controller, the queue and the ledger; the payload stays in the object store."""

    group_id: int
    problem_id: str
    verdicts_G: tuple[Verdict, ...]
    rewards_G: np.ndarray
    """[G] float32"""
    valid_G: np.ndarray
    """[G] bool"""
    class_ids_G: np.ndarray
    """[G] int32, -1 outside the partition"""
    semantic_entropy: float
    entropy_max: float
    entropy_clipped: bool
    lengths_G: np.ndarray
    """[G] int32, completion tokens"""
    truncated_G: np.ndarray
    """[G] bool, ended by the token limit"""
    version_min: int
    """oldest weight version that sampled a token of the group; -1 where no token was sampled"""
    version_max: int
    rollout_seconds: float
    """wall-clock of its generation"""
    verify_seconds: float
    """wall-clock of its judging and partitioning"""
    payload_bytes: int
    """approximate size of its completions in the object store"""
    reward_parts_G: Mapping[str, np.ndarray] = field(default_factory=dict)
    """[G] float32 by reward, before its weight; nan where it is not valid"""
    fault: str = ""
    """failure of a reward, on account of which no completion is valid"""
    dataset: str = ""
    """name of the problem's data set in the configuration"""

    @property
    def num_unjudged(self) -> int:
        """Number of completions without a verdict; one whose reward is None has a verdict."""
        return sum(not verdict.is_valid for verdict in self.verdicts_G)

    @property
    def num_classes(self) -> int:
        """Number of meaning classes, C."""
        return int(self.class_ids_G.max(initial=-1)) + 1


@dataclass(frozen=True)
class Sample:
    """One completion with its advantage, ready for the loss."""

    prompt_ids_T: np.ndarray
    """[T_prompt] int32"""
    completion_ids_T: np.ndarray
    """[T] int32"""
    rollout_logprobs_T: np.ndarray
    """[T] float32 nats, log-probabilities by the engine that sampled, at `rollout.temperature`"""
    advantage: float
    """advantage, already scaled"""
    group: int
    """place of its group among those of the step, from 0"""

    def __len__(self) -> int:
        return len(self.prompt_ids_T) + len(self.completion_ids_T)


@dataclass(frozen=True)
class StepResult:
    """Report of one step of training; equal on every rank."""

    metrics: dict[str, float] = field(default_factory=dict)
    """metrics by their names in metrics.jsonl, e.g. `loss`, `grad_norm`, `learning_rate`"""
    seconds: dict[str, float] = field(default_factory=dict)
    """wall-clock by phase; not part of the deterministic metrics"""
    skipped: tuple[int, ...] = ()
    """places of the groups that no update trained because its loss or gradient was not finite"""


@dataclass(frozen=True)
class Probe:
    """A fixed text whose log-probabilities prove a weight sync (the canary of invariant 3)."""

    token_ids_T: np.ndarray
    """[T] int32"""
    logprobs_T: np.ndarray
    """[T-1] float32, the trainer's log-probabilities of tokens 1..T-1 given their predecessors"""
