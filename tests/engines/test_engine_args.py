"""Further arguments of vLLM's engine (`rollout.engine_args`), in a real one: speculation by n-grams, quantisation.

The prompt repeats itself, so that nearly every token has a draft. With drafts or without, what is sampled must be of
the policy's own distribution: completions of two tokens are counted against the exact one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from seed_grpo.errors import ConfigError, WeightSyncError
from seed_grpo.messages import Group, GroupTask, Problem, Sampling
from seed_grpo.rollout.vllm.startup import check_engine_args
from support.running_engine import PROBE_IDS, Model, RunningEngine
from support.tiny_model import make_tokenizer

pytestmark = pytest.mark.engine

NGRAMS = {"method": "ngram", "num_speculative_tokens": 3, "prompt_lookup_min": 1, "prompt_lookup_max": 3}
PROMPT = tuple(make_tokenizer()("ab=12;" * 8 + "ab")["input_ids"])
SAMPLES, TOKENS = 1000, 2


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    folder = tmp_path_factory.mktemp("models")
    model, other = (Model(folder / str(seed), True, seed) for seed in (0, 1))
    engine = RunningEngine(model, other, deterministic=False, speculative_config=NGRAMS)
    yield engine
    engine.shutdown()


def sampled(running: RunningEngine) -> Group:
    sampling = Sampling(num_completions=SAMPLES, temperature=1.0, top_p=1.0, max_tokens=TOKENS, seed=5)
    (group,) = running.generate(GroupTask(0, Problem("p", "", ("1",)), PROMPT, sampling))
    return group


def exact_marginals(model: Model) -> np.ndarray:
    """Probabilities [TOKENS, V] of each of the first tokens, by all continuations; a sequence stops at its end."""
    vocabulary = model.module.config.vocab_size
    prefixes, mass = torch.tensor([PROMPT]), torch.ones(1)
    marginals = []
    for _ in range(TOKENS):
        with torch.inference_mode():
            logits = [model.module(part, logits_to_keep=1).logits[:, -1].float() for part in prefixes.split(128)]
        probs_BV = torch.softmax(torch.cat(logits), -1)
        joint_BV = mass[:, None] * probs_BV
        marginals.append(joint_BV.sum(0).numpy())
        joint_BV[:, model.module.config.eos_token_id] = 0.0
        likely = (joint_BV > 1e-7).nonzero()  # the rest weighs less than 1e-3 in all
        prefixes = torch.cat([prefixes[likely[:, 0]], likely[:, 1:]], dim=1)
        mass = joint_BV[likely[:, 0], likely[:, 1]]
    assert marginals[-1].shape == (vocabulary,)
    return np.stack(marginals)


def test_samples_with_drafts_are_of_the_policys_distribution(running: RunningEngine) -> None:
    """Pearson's chi-squared over tokens expected at least five times; at most one run in 100,000 fails by chance."""
    group = sampled(running)
    expected = exact_marginals(running.model) * SAMPLES
    for position in range(TOKENS):
        tokens = Counter(int(c.token_ids_T[position]) for c in group.completions_G if len(c.token_ids_T) > position)
        counts = np.array([tokens[token] for token in range(expected.shape[1])])
        often = expected[position] >= 5
        observed = np.append(counts[often], counts[~often].sum())
        wanted = np.append(expected[position][often], expected[position][~often].sum())
        statistic = ((observed - wanted) ** 2 / wanted).sum()
        assert chi2.sf(statistic, len(wanted) - 1) > 1e-5, position


def test_logprobs_with_drafts_are_those_of_the_policy(running: RunningEngine) -> None:
    sampling = Sampling(num_completions=8, temperature=1.0, top_p=1.0, max_tokens=40, seed=5)
    (group,) = running.generate(GroupTask(0, Problem("p", "", ("1",)), PROMPT, sampling))
    for completion in group.completions_G:
        ids = [*PROMPT, *completion.token_ids_T.tolist()]
        expected_T = running.model.logprobs(ids)[len(PROMPT) - 1 :]
        np.testing.assert_allclose(completion.logprobs_T, expected_T, atol=1e-4)


def test_new_weights_arrive_and_the_proof_is_at_rounding(running: RunningEngine) -> None:
    assert running.canary(running.model) < 1e-4
    running.send(running.other, 1)
    assert running.canary(running.other) < 1e-4
    running.send(running.model, 2)


def test_a_quantised_engine_takes_weights_and_the_canary_tells_its_error(tmp_path: Path) -> None:
    """In bfloat16 the mean error of a log-probability of the probe is 0.012 nats, with weights in 8 bits 0.14; those of
    the other model are 1.3 away."""
    model, other = (Model(tmp_path / str(seed), True, seed, "bfloat16") for seed in (0, 1))
    engine = RunningEngine(model, other, deterministic=False, quantization="fp8_per_channel")

    def mean_error(of: Model) -> float:
        return float(np.abs(engine.do(engine.engine.score(PROBE_IDS)) - of.logprobs(PROBE_IDS.tolist())).mean())

    assert 0.05 < mean_error(model) < 0.3
    engine.send(other, 1)
    assert 0.05 < mean_error(other) < 0.3
    assert mean_error(model) > 1
    with pytest.raises(WeightSyncError, match=r"differ by 0\.\d+ nats .*more than 0\.2; .*weight_sync\.tolerance"):
        engine.canary(other)
    engine.shutdown()


def test_unknown_arguments_are_refused_with_their_neighbours() -> None:
    with pytest.raises(ConfigError, match=r"engine_args\.quantisation is no argument of vLLM 0\.32.*quantization"):
        check_engine_args(["speculative_config", "quantisation"])
