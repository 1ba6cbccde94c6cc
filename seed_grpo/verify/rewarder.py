"""The rewards of a configuration, summed: r_i = sum_k weight_k * reward_k(i).

Consumes judged groups; produces them with their rewards. A reward that fails on a group costs that group: its verdicts
become `verifier_error`, so that it leaves partition, baseline and loss, and the failure goes with it. A completion for
which a reward is None is not valid, and stays in the partition: its answer was sampled like any other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np

from seed_grpo.config.sections import RewardConfig
from seed_grpo.messages import JudgedGroup, Verdict
from seed_grpo.verify.isolation.own_reward import OwnReward
from seed_grpo.verify.reward_server import RewardServer
from seed_grpo.verify.rewards import (
    REWARDS,
    RewardCompletion,
    Rewarded,
    RewardFaultError,
    RewardGroup,
    RewardProblem,
    numbers_of,
)

Reward = Callable[[RewardGroup], Rewarded]


class Rewarder:
    """All rewards of a configuration, and the processes and connections that they need."""

    def __init__(self, configs: Sequence[RewardConfig]) -> None:
        """Starts the processes, and waits until the user's own rewards are imported.

        Raises:
            VerifierError: one cannot be, or a server's token is missing here.
        """
        self._configs = configs
        self._processes = {config.label: OwnReward(config) for config in configs if _is_own(config)}
        self._servers = {config.label: RewardServer(config) for config in configs if config.is_server}
        for process in self._processes.values():
            process.wait_ready()

    def __call__(self, judged: Sequence[JudgedGroup]) -> list[JudgedGroup]:
        """The groups with their rewards; a server is asked for several of them at once."""
        views = [view_of(group) for group in judged]
        by_reward = {config.label: self._rewards(config, views) for config in self._configs}
        return [
            self._rewarded(group, {label: rewards[place] for label, rewards in by_reward.items()})
            for place, group in enumerate(judged)
        ]

    def close(self) -> None:
        """Ends the processes and connections."""
        for process in self._processes.values():
            process.close()
        for server in self._servers.values():
            server.close()

    def _rewards(self, config: RewardConfig, views: Sequence[RewardGroup]) -> list[np.ndarray | RewardFaultError]:
        """One reward of all groups: [G] float32 each, or its failure."""
        reward = partial(_of_group, self._function(config))
        if not config.is_server:
            return [reward(view) for view in views]
        with ThreadPoolExecutor(config.concurrency) as threads:
            return list(threads.map(reward, views))

    def _function(self, config: RewardConfig) -> Reward:
        if config.is_server:
            return self._servers[config.label]
        if config.label in self._processes:
            return self._processes[config.label]
        return partial(_built_in, config)

    def _rewarded(self, judged: JudgedGroup, parts: dict[str, np.ndarray | RewardFaultError]) -> JudgedGroup:
        faults = {label: part for label, part in parts.items() if isinstance(part, RewardFaultError)}
        if faults:
            return _failed(judged, faults)
        parts_G = {label: part for label, part in parts.items() if isinstance(part, np.ndarray)}
        total_G = sum(config.weight * parts_G[config.label].astype(np.float64) for config in self._configs)
        valid_G = np.array([judgement.verdict.is_valid for judgement in judged.judgements_G]) & np.isfinite(total_G)
        rewards_G = np.where(valid_G, total_G, 0.0).astype(np.float32)
        return replace(judged, rewards_G=rewards_G, valid_G=valid_G, reward_parts_G=parts_G)


def view_of(judged: JudgedGroup) -> RewardGroup:
    """A judged group as rewards see it."""
    problem = judged.group.task.problem
    pairs = zip(judged.group.completions_G, judged.judgements_G, judged.class_ids_G, strict=True)
    return RewardGroup(
        RewardProblem(
            id=problem.id,
            text=problem.text,
            answers=problem.answers,
            source=problem.source,
            dataset=problem.dataset,
            turns=problem.turns,
            record_json=problem.record_json,
        ),
        tuple(
            RewardCompletion(
                text=completion.text,
                token_ids=completion.token_ids_T,
                finish_reason=str(completion.finish_reason),
                verdict=str(judgement.verdict),
                answer=judgement.answer,
                parsed=judgement.parsed,
                meaning_class=int(class_id),
            )
            for completion, judgement, class_id in pairs
        ),
    )


def _is_own(config: RewardConfig) -> bool:
    return not config.is_server and config.use not in REWARDS


def _built_in(config: RewardConfig, group: RewardGroup) -> Rewarded:
    return numbers_of(REWARDS[config.use](group, **config.settings), len(group.completions))


def _of_group(reward: Reward, group: RewardGroup) -> np.ndarray | RewardFaultError:
    try:
        rewards = reward(group)
    except RewardFaultError as error:
        return error
    return np.array([math.nan if value is None else value for value in rewards], dtype=np.float32)


def _failed(judged: JudgedGroup, faults: dict[str, RewardFaultError]) -> JudgedGroup:
    """The group marked as one on which the verifier failed."""
    fault = "\n".join(_lines(faults))
    rule = fault.partition("\n")[0]
    size = len(judged.judgements_G)
    return replace(
        judged,
        judgements_G=tuple(
            replace(judgement, verdict=Verdict.VERIFIER_ERROR, rule=rule) for judgement in judged.judgements_G
        ),
        rewards_G=np.zeros(size, dtype=np.float32),
        valid_G=np.zeros(size, dtype=bool),
        class_ids_G=np.full(size, -1, dtype=np.int32),
        semantic_entropy=0.0,
        entropy_max=0.0,
        entropy_clipped=False,
        fault=fault,
    )


def _lines(faults: dict[str, RewardFaultError]) -> Iterator[str]:
    for label, fault in faults.items():
        yield f"the reward {label} failed: {fault}"
        yield from filter(None, [fault.details.rstrip()])
