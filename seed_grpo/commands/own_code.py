"""A trial of rewards, and of the user's own functions and servers, before anything starts.

Consumes the configuration and a problem of the run; calls everything that an import path or an address names, once, on
a group of two made-up completions; produces a sentence, or the first fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from seed_grpo.algo.advantage import advantages_G
from seed_grpo.algo.scale import scale
from seed_grpo.config import Config
from seed_grpo.config.sections import RewardConfig, VerifierConfig
from seed_grpo.data.mixture import LoadedSet
from seed_grpo.errors import ConfigError, SeedGrpoError
from seed_grpo.extensions import is_import_path
from seed_grpo.messages import Completion, FinishReason, Group, GroupTask, JudgedGroup, Problem, Sampling
from seed_grpo.semantics.entropy import semantic_entropy
from seed_grpo.verify.rewards import REWARDS, check_settings
from seed_grpo.verify.worker import VerifierWorker

TRIED = 5
"""values of x, between 0 and alpha, at which a scale is tried"""
NO_ANSWER = "no such answer"
"""a made-up answer that means nothing; a policy will write worse"""


def check_own_code(config: Config, sets: Sequence[LoadedSet], held_out: Sequence[LoadedSet]) -> str:
    """Calls each of the user's own functions and servers once, those of the verifier once for each data set; and checks
    the settings of built-in rewards.

    Args:
        sets: those to train on, whose first problems, with their records, are those of the trial groups.
        held_out: those to evaluate on, for which no reward is asked.

    Raises:
        ConfigError: one cannot be imported, fails, or returns what it must not; or settings do not fit.
    """
    names = list(dict.fromkeys(own_names(config)))
    algo = config.algo
    if is_import_path(algo.scale.kind):
        for entropy in np.linspace(0.0, 1.0, TRIED):
            _try(f"algo.scale.kind={algo.scale.kind}", scale, float(entropy), 1.0, algo.scale)
    if is_import_path(algo.advantage):
        rewards_G = np.array([1.0, 0.0, 0.25, 0.0], dtype=np.float32)
        _try(f"algo.advantage={algo.advantage}", advantages_G, rewards_G, rewards_G >= 0, algo.advantage)
    functional = algo.semantic_entropy.functional
    if is_import_path(functional):
        likelihoods_G = np.array([-0.5, -1.0, -0.75, -2.0])
        name = f"algo.semantic_entropy.functional={functional}"
        _try(name, semantic_entropy, np.array([0, 1, 1, 2]), likelihoods_G, algo.semantic_entropy)
    for each in sets:
        verifier, (problem, _) = config.verifier_of(each.config), each.loaded.prompts[0]
        for reward in verifier.rewards:
            if reward.use in REWARDS:
                check_settings(reward.use, reward.settings)
        if list(_names_of(verifier)):
            _try("the trial of own functions", _check_verifier, config, verifier, problem)
    for each in held_out:
        verifier, (problem, _) = config.verifier_of(each.config), each.loaded.prompts[0]
        unrewarded = verifier.model_copy(update={"rewards": (RewardConfig(use="correct"),)})
        if list(_names_of(unrewarded)):
            _try("the trial of own functions", _check_verifier, config, unrewarded, problem)
    return f"{len(names)} tried: {', '.join(names)}" if names else "none"


def own_names(config: Config) -> Iterator[str]:
    """Import paths and addresses of the configuration, each with its setting."""
    settings = {
        "algo.scale.kind": config.algo.scale.kind,
        "algo.advantage": config.algo.advantage,
        "algo.semantic_entropy.functional": config.algo.semantic_entropy.functional,
    }
    yield from (f"{setting}={name}" for setting, name in settings.items() if is_import_path(name))
    for each in config.data.sets:
        if is_import_path(each.template):
            yield f"data.template={each.template}"
    for verifier in (config.verifier, *config.verifiers.values()):
        yield from _names_of(verifier)


def _names_of(verifier: VerifierConfig) -> Iterator[str]:
    settings = {"verifier.relation": verifier.relation, "verifier.extraction": verifier.extraction}
    yield from (f"{setting}={name}" for setting, name in settings.items() if is_import_path(name))
    for reward in verifier.rewards:
        if reward.is_server or is_import_path(reward.use):
            yield f"the reward {reward.label}={reward.use}"


def _check_verifier(config: Config, verifier: VerifierConfig, problem: Problem) -> None:
    worker = VerifierWorker(verifier, config.algo.semantic_entropy)
    try:
        _, judged = worker.judge(_trial_group(config, problem))
        tried = worker.judge_answers([_answer_of(problem), NO_ANSWER], problem.answers)
    finally:
        worker.close()
    assert isinstance(judged, JudgedGroup)
    if judged.fault:
        raise ConfigError(f"{judged.fault}\nCorrect it, or take it out of verifier.rewards")
    failed = [judgement.rule for judgement in (*judged.judgements_G, *tried) if not judgement.verdict.is_valid]
    if failed:
        raise ConfigError(
            f"judging the answers {_answer_of(problem)!r:.80}, of problem {problem.id}, and {NO_ANSWER!r} failed "
            f"({failed[0]}); correct verifier.relation={verifier.relation} or "
            f"verifier.extraction={verifier.extraction}, which have to take whatever a policy writes"
        )


def _answer_of(problem: Problem) -> str:
    """An answer to the problem, the right one where it is known."""
    return problem.answers[0] if problem.answers else "1"


def _trial_group(config: Config, problem: Problem) -> Group:
    sampling = Sampling(2, 1.0, 1.0, config.rollout.max_completion_tokens, seed=0)
    answer = _answer_of(problem)
    texts = (f"<think> </think> <answer>{answer}</answer> \\boxed{{{answer}}}\n```\n{answer}\n```", NO_ANSWER)
    return Group(GroupTask(0, problem, (1,), sampling), tuple(map(_completion, texts)), "trial", 0.0)


def _completion(text: str) -> Completion:
    ids = np.arange(len(text.split()), dtype=np.int32)
    return Completion(text, ids, np.full(len(ids), -0.5, np.float32), np.zeros(len(ids), np.int32), FinishReason.STOP)


def _try(what: str, function: Callable[..., Any], *arguments: Any) -> None:
    try:
        function(*arguments)
    except ConfigError:
        raise
    except SeedGrpoError as error:
        raise ConfigError(f"{what}: {error}") from error
    except Exception as error:  # whatever the user's code raises
        raise ConfigError(f"{what} failed in its trial with {type(error).__name__}: {error}; correct it") from error
