"""The vLLM engine with a real model: sampling, log-probabilities, versions, deadlines, and weights over gloo.

One engine per kind of model (tied and untied embeddings) serves all tests; after each, it gets its first weights back.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from seed_grpo.errors import RolloutError, WeightSyncError
from seed_grpo.messages import Completion, FinishReason, Group, GroupTask, Problem, Sampling
from seed_grpo.rollout.vllm.engine import VllmEngine
from seed_grpo.train.attention import blocks
from seed_grpo.train.logprobs import PolicyLogprobs
from seed_grpo.train.model import load_model
from seed_grpo.train.packing import pack
from seed_grpo.weight_sync.transports import TRANSPORTS
from seed_grpo.weight_sync.vllm_bridge import TransportSender
from support.model_folders import without
from support.running_engine import PROBE_IDS, BrokenWeights, Model, ModuleWeights, RunningEngine, make_config
from support.sockets import beyond_loopback, listening
from support.tiny_model import EOS, make_tokenizer

pytestmark = pytest.mark.engine

TOKENIZER = make_tokenizer()
PROMPT = tuple(TOKENIZER("Compute 47+85.\nAnswer: ")["input_ids"])
LONG_PROMPT = PROMPT * 7  # 161 tokens: more than the 128 of a block of the prefix cache


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def started(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    folder = tmp_path_factory.mktemp("models")
    model, other = (Model(folder / str(seed), request.param, seed) for seed in (0, 1))
    engine = RunningEngine(model, other, deterministic=request.param)
    yield engine
    engine.shutdown()


@pytest.fixture
def running(started: RunningEngine) -> Iterator[RunningEngine]:
    yield started
    started.send(started.model, 0)


def task(group_id: int = 0, **sampling: Any) -> GroupTask:
    values = {"num_completions": 6, "temperature": 1.0, "top_p": 1.0, "max_tokens": 60, "seed": 11, **sampling}
    return GroupTask(group_id, Problem("p", "Compute 47+85.", ("132",)), PROMPT, Sampling(**values))


def assert_logprobs_are_those_of(model: Model, group: Group) -> None:
    """At the temperature of the group, by Transformers, to rounding: 5e-6 was seen."""
    prompt, temperature = group.task.prompt_ids, group.task.sampling.temperature or 1.0
    for completion in group.completions_G:
        expected_T = model.logprobs([*prompt, *completion.token_ids_T.tolist()], temperature)[len(prompt) - 1 :]
        np.testing.assert_allclose(completion.logprobs_T, expected_T, atol=1e-5)


def assert_equal_to_the_bit(one: Group, other: Group) -> None:
    for a, b in zip(one.completions_G, other.completions_G, strict=True):
        assert a.text == b.text
        assert a.token_ids_T.tolist() == b.token_ids_T.tolist()
        assert a.logprobs_T.tobytes() == b.logprobs_T.tobytes()


def test_completions_and_their_logprobs(running: RunningEngine) -> None:
    (group,) = running.generate(task(num_completions=8, max_tokens=120, temperature=0.7))
    assert group.worker == "rollout-0"
    assert len({c.text for c in group.completions_G}) == 8  # each has a seed of its own
    assert_logprobs_are_those_of(running.model, group)
    for completion in group.completions_G:
        ids = completion.token_ids_T.tolist()
        assert completion.logprobs_T.dtype == np.float32
        assert set(completion.versions_T.tolist()) == {0}
        whole = str(TOKENIZER.decode(ids))
        if completion.finish_reason is FinishReason.LENGTH:
            assert len(ids) == 120
            assert completion.text == whole
        elif ids[-1] == TOKENIZER.convert_tokens_to_ids(EOS):
            assert completion.text == whole.removesuffix(EOS)
        else:  # the stop string is part of the text, as its tokens are of the tokens
            assert completion.text.endswith("++")
            assert whole.startswith(completion.text)
    reasons = {c.finish_reason for c in group.completions_G}
    ends = {c.token_ids_T[-1] == TOKENIZER.convert_tokens_to_ids(EOS) for c in group.completions_G}
    assert FinishReason.STOP in reasons
    assert True in ends, "one of these completions should end with the end-of-sequence token: choose another seed"


def test_engine_trainer_and_transformers_agree_at_temperature_07(running: RunningEngine) -> None:
    """Log-probabilities of one policy, of which the engine's were sampled; 5e-6 was seen."""
    (group,) = running.generate(task(temperature=0.7))
    policy = PolicyLogprobs(load_model(running.config.model), blocks)
    completions = sorted(group.completions_G, key=lambda completion: -len(completion.token_ids_T))
    row = pack([(np.array(PROMPT), completion.token_ids_T) for completion in completions])
    with torch.no_grad():
        trainers_T, _ = policy(row, 0.7)
        of_temperature_1_T, _ = policy(row)
    engines_T = np.concatenate([completion.logprobs_T for completion in completions])
    assert_logprobs_are_those_of(running.model, group)
    np.testing.assert_allclose(engines_T, trainers_T.numpy(), atol=1e-5)
    # those of temperature 1, which nobody sampled from, are up to a nat away
    assert np.abs(engines_T - of_temperature_1_T.numpy()).max() > 0.3


def test_logprobs_under_top_p_are_of_the_tokens_that_it_leaves(running: RunningEngine) -> None:
    """p / (mass of the likeliest tokens that reach 0.8 together), which is within log 0.8 = -0.22 nats of log p."""
    (group,) = running.generate(task(temperature=0.7, top_p=0.8))
    for completion in group.completions_G:
        ids = torch.tensor([*PROMPT, *completion.token_ids_T.tolist()])
        with torch.inference_mode():
            probs_TV = torch.softmax(running.model.module(ids[None]).logits[0, len(PROMPT) - 1 : -1] / 0.7, -1)
        sorted_TV, tokens_TV = probs_TV.sort(descending=True)
        sorted_TV[sorted_TV.cumsum(-1) - sorted_TV >= 0.8] = 0.0
        kept_TV = torch.zeros_like(probs_TV).scatter(1, tokens_TV, sorted_TV)
        kept_T = kept_TV.gather(1, ids[len(PROMPT) :, None])[:, 0]
        np.testing.assert_allclose(completion.logprobs_T, (kept_T / kept_TV.sum(-1)).log().numpy(), atol=1e-5)


def test_greedy_requests_beside_others_keep_temperature_1(running: RunningEngine) -> None:
    greedy = task(num_completions=1, temperature=0.0)
    (alone,) = running.generate(greedy)
    beside, _, _ = running.generate(greedy, task(1, temperature=0.7), task(2, temperature=1.6, top_p=0.9))
    assert_equal_to_the_bit(alone, beside)
    assert_logprobs_are_those_of(running.model, alone)


def test_score_agrees_with_the_model(running: RunningEngine) -> None:
    assert running.canary(running.model) < 1e-5
    again_T = running.do(running.engine.score(PROBE_IDS))
    assert again_T.shape == (len(PROBE_IDS) - 1,)


def test_same_seeds_give_the_same_bits_whatever_else_runs(running: RunningEngine) -> None:
    first, second = running.generate(task(0), task(1, seed=12))
    other_order = running.generate(task(1, seed=12), task(2, seed=13), task(0))
    assert_equal_to_the_bit(first, other_order[2])
    assert_equal_to_the_bit(second, other_order[0])
    more = running.generate_after_pause(task(3, num_completions=9))
    assert_equal_to_the_bit(first, Group(more.task, more.completions_G[:6], more.worker, 0.0))  # by index alone
    assert first.completions_G[0].text != second.completions_G[0].text


def test_a_request_past_its_deadline_returns_what_it_has(
    running: RunningEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running.engine, "request_timeout", 0.15)
    running.do(running.engine.pause())
    (group,) = running.generate(task(num_completions=2))  # paused all the while
    running.do(running.engine.resume())
    for completion in group.completions_G:
        assert completion.finish_reason is FinishReason.TIMEOUT
        assert len(completion.token_ids_T) == len(completion.logprobs_T) == 0
    for seconds in (0.15, 0.5, 1.5, 4.5):  # a slow machine has no token at first, a fast one is never through
        monkeypatch.setattr(running.engine, "request_timeout", seconds)
        (group,) = running.generate(task(num_completions=60, max_tokens=400))
        late = [c for c in group.completions_G if c.finish_reason is FinishReason.TIMEOUT]
        if any(len(c.token_ids_T) for c in late):
            break
    assert any(0 < len(c.token_ids_T) < 400 for c in late)
    assert_logprobs_are_those_of(running.model, group)


def test_what_nobody_waits_for_is_given_up(running: RunningEngine) -> None:
    async def give_up() -> Group:
        generating = asyncio.create_task(running.engine.generate(task(num_completions=32, max_tokens=400, seed=3)))
        await asyncio.gather(asyncio.sleep(0.1), running.engine.heartbeat())  # which is answered all along
        return (await asyncio.gather(generating, running.engine.abort_all()))[0]

    assert FinishReason.TIMEOUT in {completion.finish_reason for completion in running.do(give_up()).completions_G}


def test_an_update_that_was_broken_off_does_not_hinder_the_next(running: RunningEngine) -> None:
    running.do(running.engine.start_receiving())
    running.send(running.other, 1)
    assert running.canary(running.other) < 1e-4


def test_prompts_beyond_the_batch_of_one_engine_step(running: RunningEngine) -> None:
    """64 prompts of 161 tokens are 10,304 tokens at once. An engine that splits a prompt over two steps takes back its
    seeded generator, which vLLM 0.32 cannot do on CPU: the engine dies."""
    base = task(num_completions=64, max_tokens=2)
    (group,) = running.generate(GroupTask(5, base.problem, LONG_PROMPT, base.sampling))
    assert_logprobs_are_those_of(running.model, group)


def test_a_prompt_that_does_not_fit_is_refused_by_name(running: RunningEngine) -> None:
    too_long = GroupTask(4, task().problem, PROMPT * 30, task().sampling)
    with pytest.raises(RolloutError, match=r"rollout-0: request group 4 completion \d of 690 prompt tokens failed"):
        running.generate(too_long)
    running.generate(task())  # and the engine goes on


def test_new_weights_arrive_whole(running: RunningEngine) -> None:
    long_task = GroupTask(0, task().problem, LONG_PROMPT, task().sampling)
    for _ in range(2):  # where there is a prefix cache, the second time uses it
        (group,) = running.generate(long_task)
        assert_logprobs_are_those_of(running.model, group)
    sender = running.sender(ModuleWeights(running.other.module))
    for version in (1, 2):  # a second update goes the same way as the first
        sender.send(version)
        assert running.canary(running.other) < 1e-5
    with pytest.raises(WeightSyncError, match="canary of rollout-0"):
        running.canary(running.model)
    (group,) = running.generate(long_task)
    assert_logprobs_are_those_of(running.other, group)  # and not those after a prefix that the old weights computed
    assert {v for c in group.completions_G for v in c.versions_T.tolist()} == {2}
    sender.close()
    running.send(running.model, 3)  # a new sender, as after a trainer's restart
    assert running.canary(running.model) < 1e-5


def test_a_sync_that_leaves_a_weight_out_does_not_pass_the_canary(running: RunningEngine) -> None:
    tied = running.other.module.lm_head.weight is running.other.module.model.embed_tokens.weight
    running.send(running.other, 1, without="model.embed_tokens.weight" if tied else "lm_head.weight")
    with pytest.raises(WeightSyncError, match="canary of rollout-0: log-probabilities of the probe differ by"):
        running.canary(running.other)


def test_requests_go_on_under_new_weights(running: RunningEngine) -> None:
    async def update_after(delay: float, sender: TransportSender) -> Group:
        generating = asyncio.create_task(running.engine.generate(task(num_completions=60, max_tokens=400)))
        await asyncio.sleep(delay)
        await asyncio.get_running_loop().run_in_executor(None, sender.send, 5)
        return await generating

    mixed: list[Completion] = []
    for delay in (0.05, 0.1, 0.2, 0.4, 0.8):  # what is the middle depends on the machine
        if not mixed:
            running.send(running.model, version=0)
            sender = running.sender(ModuleWeights(running.other.module))
            group = running.do(update_after(delay, sender))
            sender.close()
            mixed = [c for c in group.completions_G if len(set(c.versions_T.tolist())) == 2]
    assert mixed
    for completion in mixed:
        ids, versions_T = [*PROMPT, *completion.token_ids_T.tolist()], completion.versions_T
        assert set(versions_T.tolist()) == {0, 5}
        assert (np.diff(versions_T) >= 0).all()
        # Each token has the log-probability that its own version gives it after all that precedes it: nothing of the
        # old weights is left in the cache.
        old_T, new_T = (m.logprobs(ids)[len(PROMPT) - 1 :] for m in (running.model, running.other))
        np.testing.assert_allclose(completion.logprobs_T, np.where(versions_T == 0, old_T, new_T), atol=1e-5)


def test_a_failed_update_is_reported_and_can_be_repeated(running: RunningEngine) -> None:
    weights = ModuleWeights(running.other.module)
    weights.parameters[3] = ("no.such.weight", weights.parameters[3][1])
    with pytest.raises(WeightSyncError, match="version 7 failed in receive: rollout worker rollout-0"):
        running.sender(weights).send(7)
    running.send(running.other, 8)
    assert running.canary(running.other) < 1e-5


def test_an_update_that_breaks_off_is_repeated(running: RunningEngine) -> None:
    with pytest.raises(WeightSyncError, match=r"version 7 failed in receive: .*; no memory to gather the next"):
        running.sender(BrokenWeights(running.other.module)).send(7)
    running.send(running.other, 8)
    assert running.canary(running.other) < 1e-5


def test_the_engine_listens_on_loopback_only(running: RunningEngine) -> None:
    sender = running.sender(ModuleWeights(running.model.module))
    places = listening()
    sender.close()
    assert places and beyond_loopback(places) == set()


def engine_process() -> psutil.Process:
    processes = psutil.Process().children(recursive=True)
    (engine,) = [each for each in processes if "EngineCore" in " ".join(each.cmdline())]
    return engine


def test_the_engines_process_has_no_socket_of_the_worker(started: RunningEngine) -> None:
    """A fork begins with all of them, and Ray takes a worker for alive while its connection is open somewhere."""

    def sockets(pid: int) -> set[str]:
        links = set()
        for name in os.listdir(f"/proc/{pid}/fd"):
            with suppress(FileNotFoundError):  # the one that lists them
                links.add(os.readlink(f"/proc/{pid}/fd/{name}"))
        return {link for link in links if link.startswith("socket")}

    ours, theirs = sockets(os.getpid()), sockets(engine_process().pid)
    assert ours and theirs and not ours & theirs


def test_a_dead_engine_is_named(started: RunningEngine) -> None:
    """Also to whom was waiting for it. Last: the engine does not survive it."""
    engine = engine_process()
    engine.suspend()
    asked = [started.engine.start_receiving(), started.engine.score(np.arange(2, 8)), started.engine.heartbeat()]
    waiting = [asyncio.run_coroutine_threadsafe(call, started.loop) for call in asked]
    time.sleep(0.5)
    assert not any(call.done() for call in waiting)
    engine.kill()
    waiting.append(asyncio.run_coroutine_threadsafe(started.engine.generate(task()), started.loop))
    for call in waiting:
        with pytest.raises(RolloutError, match=r"rollout worker rollout-0.*EngineDeadError"):
            call.result(20)


def test_a_model_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    model = Model(tmp_path, tied=True, seed=0)
    without("layers.1.mlp")(tmp_path)
    engine = VllmEngine(make_config(model, deterministic=False, processes=1), "rollout-0", TRANSPORTS["gloo"].receiving)
    with pytest.raises(RolloutError, match=r"rollout-0: starting the engine failed: .*missing: 3 \(model\.layers\.1"):
        asyncio.run(engine.start())
