"""The updates of a step on a hand-written backend: which rows each runs, when log-probabilities are taken, skipping."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from torch import distributed

from seed_grpo.errors import TrainerError
from seed_grpo.messages import Sample
from seed_grpo.train.updates import Applied, Pass, Place, Updates, learning_rate
from support.trainer_process import make_config


@pytest.fixture(autouse=True)
def alone(tmp_path):
    """A process group of one, which sums over ranks need."""
    store = distributed.FileStore(str(tmp_path / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


class Recording:
    """A policy of one number: the log-probability of every token; an update adds 1 to it."""

    def __init__(self, norms=()):
        self.events = []
        self.level = torch.tensor(-3.0, requires_grad=True)
        self.norms = list(norms)

    def run(self, rows):
        tokens = sum(len(completion) for _, completion in rows)
        first_tokens = tuple(int(prompt[0]) for prompt, _ in rows)
        self.events.append(("run" if torch.is_grad_enabled() else "score", first_tokens, self.level.item()))
        return Pass(self.level.expand(tokens), torch.ones(tokens), sum(len(p) + len(c) for p, c in rows))

    def run_reference(self, rows):
        tokens = sum(len(completion) for _, completion in rows)
        self.events.append(("reference", tuple(int(prompt[0]) for prompt, _ in rows), -5.0))
        return Pass(torch.full((tokens,), -5.0), torch.ones(tokens), 0)

    def backward(self, loss, last):
        loss.backward()
        self.events.append(("backward", last))

    def apply(self, rate):
        norm = self.norms.pop(0) if self.norms else 1.0
        if math.isfinite(norm):
            with torch.no_grad():
                self.level += 1.0
        self.events.append(("apply", rate))
        return Applied(norm, 0.5 if math.isfinite(norm) else 0.0)


def samples_of(groups=4, completions=2):
    """Rows of one prompt token, which names the row, and two completion tokens."""
    logprobs_T = np.full(2, -3.0, np.float32)
    return [
        Sample(np.array([row]), np.array([7, 8]), logprobs_T, 1.0 if row % 2 else -1.0, row // completions)
        for row in range(groups * completions)
    ]


def updates_of(backend, **changes):
    config = make_config("unused", learning_rate=0.1, **changes)
    return Updates(config, backend, Place(0, 1, True, torch.device("cpu")))


def rows_run(backend, kind):
    return [sorted(event[1]) for event in backend.events if event[0] == kind]


def test_one_update_takes_the_old_logprobs_from_its_own_pass():
    backend = Recording()
    updates_of(backend).step(samples_of(), 0)
    assert [event[0] for event in backend.events] == ["run", "backward", "apply"]


def test_epochs_and_mini_batches_of_whole_groups():
    backend = Recording()
    result = updates_of(backend, epochs=3, mini_batches=2).step(samples_of(), 0)
    assert rows_run(backend, "score") == [list(range(8))]  # once, before anything changed
    assert backend.events[0] == ("score", tuple(range(8)), -3.0)
    ran = rows_run(backend, "run")
    assert len(ran) == 6 and all(len(rows) == 4 for rows in ran)
    for rows in ran:  # both completions of a group, or none
        assert all(count == 2 for count in Counter(row // 2 for row in rows).values())
    epochs = [sorted(ran[number] + ran[number + 1]) for number in (0, 2, 4)]
    assert epochs == [list(range(8))] * 3  # every row once an epoch
    assert len({tuple(rows) for rows in ran}) > 2  # drawn anew
    assert result.metrics["tokens"] == 3 * 16 and result.metrics["skipped_updates"] == 0 and result.skipped == ()
    # after k updates the level is k above the old one: ratios 1, e, e^2, ... in value
    assert result.metrics["ratio_max"] == pytest.approx(math.exp(5), rel=1e-5)


def test_mini_batches_follow_the_seed_and_the_step():
    def draws(step):
        backend = Recording()
        updates_of(backend, epochs=2, mini_batches=4).step(samples_of(), step)
        return rows_run(backend, "run")

    assert draws(0) == draws(0)
    assert len({str(draws(step)) for step in range(4)}) > 2


def test_the_reference_is_scored_once_for_all_updates():
    backend = Recording()
    result = updates_of(backend, epochs=2, loss={"kl_coefficient": 0.1}).step(samples_of(), 0)
    assert rows_run(backend, "reference") == [list(range(8))]
    # k3 with logp -3, then -2, against -5: d = -2, -3: (e^-2 + 2 - 1 + e^-3 + 3 - 1) / 2
    assert result.metrics["kl"] == pytest.approx((math.exp(-2) + 1 + math.exp(-3) + 2) / 2, rel=1e-5)


def test_groups_count_as_skipped_only_where_no_update_trained_them():
    # one epoch of two mini-batches, the first of which has no finite gradient
    backend = Recording(norms=[math.inf, 1.0])
    updates = updates_of(backend, mini_batches=2)
    result = updates.step(samples_of(), 0)
    first, _ = rows_run(backend, "run")
    assert result.skipped == tuple(sorted({row // 2 for row in first})) and len(result.skipped) == 2
    assert result.metrics["skipped_updates"] == 1 and result.metrics["grad_norm"] == 1.0
    assert result.metrics["tokens"] == 8  # of the update that was applied
    assert updates.skipped_in_a_row == 0
    # in a second epoch they would be trained
    again = updates_of(Recording(norms=[math.nan, 1.0, 1.0, 1.0]), mini_batches=2, epochs=2).step(samples_of(), 0)
    assert again.skipped == () and again.metrics["skipped_updates"] == 1


def test_only_three_skipped_updates_in_a_row_stop_the_run():
    updates = updates_of(Recording(norms=[math.nan, math.nan, 1.0, math.nan, math.nan, math.nan]))
    for step in range(5):
        updates.step(samples_of(), step)
    with pytest.raises(TrainerError, match=r"3 updates in a row .* in step 6, had loss .* gradient norm nan"):
        updates.step(samples_of(), 5)


def test_the_last_micro_batch_of_every_update_is_told():
    backend = Recording()
    updates_of(backend, mini_batches=2, tokens_per_micro_batch=48).step(samples_of(groups=40), 0)
    lasts = [event[1] for event in backend.events if event[0] == "backward"]
    assert lasts == [False, False, True] * 2 or lasts == ([False] * (len(lasts) // 2 - 1) + [True]) * 2
    assert len(lasts) > 4


def test_learning_rates_by_hand():
    config = make_config("unused", schedule="linear", warmup_steps=2, learning_rate=0.8).trainer
    assert [learning_rate(step, 6, config) for step in range(6)] == pytest.approx([0.4, 0.8, 0.8, 0.6, 0.4, 0.2])
    config = make_config("unused", warmup_steps=2, learning_rate=0.8).trainer
    assert [learning_rate(step, 6, config) for step in range(4)] == pytest.approx([0.4, 0.8, 0.8, 0.8])
